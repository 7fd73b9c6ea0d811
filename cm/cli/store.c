/* oms store: what the Stores keep, read through CM by asks. */
#include <stdio.h>
#include <string.h>

#include "cm/cli/cli.h"
#include "common/pbtext/pbtext.h"
#include "proto/admin.pb-c.h"

#define SHOW_MAX (64u << 20)
#define SHOW_HOLD_MS                                                            \
    5000u /* a Store that says nothing for so long is shown without its figures \
           */

/* "shop-move" -> "shop-move.store", as `oms store list` has it. */
static const char *component_of(struct cli *c, const char *name)
{
    return strchr(name, '.') ? name : arena_printf(&c->arena, "%s.store", name);
}

static Oms__Error *error_of(struct cli *c)
{
    Oms__Error *e = arena_alloc(&c->arena, sizeof *e);

    oms__error__init(e);
    e->code = arena_strdup(&c->arena, err_name(c->e.code));
    e->message = arena_strdup(&c->arena, c->e.message);
    err_clear(&c->e);
    return e;
}

/* Its own answer; false with c->e when it gives none. */
static bool ask_view(struct cli *c, const char *id, Oms__StoreView **out)
{
    struct cli_ask ask;
    struct buf text;
    ProtobufCMessage *m = NULL;
    size_t had = 0;
    bool ok;

    if (!cli_ask_begin(c, &ask, id, "store-show", NULL, 0))
        return false;
    ask.hold_ms = SHOW_HOLD_MS;
    buf_init(&text, SHOW_MAX);
    for (ok = true; ok && ask.more; had = text.len) {
        ok = cli_ask_next(c, &ask, &text);
        if (ok && ask.more && text.len == had)
            ok = err_set(&c->e, ERR_TIMEOUT, "store '%s' does not answer", id);
    }
    ok = ok && (buf_ok(&text) || err_set(&c->e, ERR_LIMIT, "the answer is too long")) &&
         pbtext_parse_json(id, buf_cstr(&text), text.len, &oms__store_view__descriptor, &c->arena,
                           &m, &c->e);
    buf_fini(&text);
    *out = (Oms__StoreView *)m;
    return ok;
}

static void take_component(struct cli *c, const Oms__ComponentView *v, Oms__StoreView *s)
{
    const Oms__ComponentStatus *st = v->status;
    const Oms__ComponentReport *r = st ? st->report : NULL;

    (void)c;
    s->id = v->id;
    s->project = v->project;
    s->host = v->host;
    s->state = (char *)(st ? cli_or(st->state, "unknown") : "waiting");
    for (size_t i = 0; r && i < r->n_steps; i++) {
        s->has_pulled_bytes = s->has_pull_bytes_rate = true;
        s->pulled_bytes = r->steps[i]->done;
        s->pull_bytes_rate = r->steps[i]->rate;
    }
    if (r && r->error && *cli_or(r->error->code, ""))
        s->error = r->error;
}

static bool is_running(const Oms__ComponentView *v)
{
    return v->status && strcmp(cli_or(v->status->state, ""), "running") == 0;
}

/* What is known of it: its own answer, if it gives one, and what the CM knows. */
static Oms__StoreView *view_of(struct cli *c, const Oms__ComponentView *v)
{
    Oms__StoreView *s = NULL;

    if (is_running(v) && ask_view(c, v->id, &s)) {
        take_component(c, v, s);
        return s;
    }
    s = arena_alloc(&c->arena, sizeof *s);
    oms__store_view__init(s);
    take_component(c, v, s);
    if (c->e.code != ERR_NONE)
        s->error = error_of(c);
    return s;
}

static const char *bytes_text(struct cli *c, uint64_t n)
{
    return arena_printf(&c->arena, "%.1f MB", (double)n / 1e6);
}

static const char *readers_text(struct cli *c, const Oms__StoreView *s)
{
    const char *text = "";

    for (size_t i = 0; i < s->n_readers; i++) {
        const Oms__StoreReaderView *r = s->readers[i];
        const char *behind =
            r->lost ? "what it needs was removed"
            : r->behind_txns > 0
                ? arena_printf(&c->arena, "%s behind, %s", cli_count(&c->arena, r->behind_txns),
                               cli_duration(&c->arena, r->behind_ms))
            : r->behind_bytes > 0 /* its source does not count transactions */
                ? arena_printf(&c->arena, "%s behind", cli_duration(&c->arena, r->behind_ms))
                : "has all";

        text = arena_printf(&c->arena, "%s%s%s (%s)", text, i ? ", " : "", r->name, behind);
    }
    return text;
}

static const char *state_text(struct cli *c, const Oms__StoreView *s)
{
    if (!s->error)
        return s->state;
    return arena_printf(&c->arena, "%s: %s: %s", s->state, cli_or(s->error->code, "?"),
                        cli_or(s->error->message, ""));
}

static void put_list(struct cli *c, Oms__StoreView *const *stores, size_t n)
{
    static const char *const head[] = {"NAME",   "SOURCE", "SIZE",    "SEGMENTS",
                                       "OLDEST", "NEWEST", "READERS", "STATE"};
    struct pbtext_table *t = pbtext_table_new(head, ARRAY_LEN(head));

    for (size_t i = 0; i < n; i++) {
        const Oms__StoreView *s = stores[i];

        pbtext_table_row(t,
                         (const char *const[]){
                             s->id, s->source, s->has_bytes ? bytes_text(c, s->bytes) : "?",
                             s->has_segments ? arena_printf(&c->arena, "%u", s->segments) : "?",
                             cli_when(&c->arena, s->oldest_us), cli_when(&c->arena, s->newest_us),
                             readers_text(c, s), state_text(c, s)});
    }
    pbtext_table_write(t, cli_terminal_width(), &c->out);
    pbtext_table_free(t);
}

enum cli_exit cli_store_list(struct cli *c)
{
    Oms__ComponentListRequest r = OMS__COMPONENT_LIST_REQUEST__INIT;
    Oms__StoreListView list = OMS__STORE_LIST_VIEW__INIT;
    Oms__ComponentListReply *reply;

    if (!cli_call(c, "ComponentList", &r.base, &reply))
        return cli_failed(c);
    list.stores = arena_calloc(&c->arena, reply->n_components + 1, sizeof(void *));
    for (size_t i = 0; i < reply->n_components; i++)
        if (strcmp(cli_or(reply->components[i]->kind, ""), "store") == 0)
            list.stores[list.n_stores++] = view_of(c, reply->components[i]);
    if (c->output == OUTPUT_JSON)
        cli_print_message(c, &list.base);
    else
        put_list(c, list.stores, list.n_stores);
    return CLI_FINE;
}

/* --- show ---------------------------------------------------------------------------------------
 */

static void put_readers(struct cli *c, const Oms__StoreView *s)
{
    static const char *const head[] = {"READER", "POSITION", "BEHIND", "BYTES", "TIME", "HOLDS"};
    struct pbtext_table *t = pbtext_table_new(head, ARRAY_LEN(head));

    for (size_t i = 0; i < s->n_readers; i++) {
        const Oms__StoreReaderView *r = s->readers[i];

        pbtext_table_row(
            t, (const char *const[]){r->name, r->position, cli_count(&c->arena, r->behind_txns),
                                     bytes_text(c, r->behind_bytes),
                                     r->behind_ms ? cli_duration(&c->arena, r->behind_ms) : "-",
                                     r->lost    ? "lost"
                                     : r->holds ? "yes"
                                                : "no"});
    }
    buf_str(&c->out, "\n");
    pbtext_table_write(t, cli_terminal_width(), &c->out);
    pbtext_table_free(t);
}

static void put_tables(struct cli *c, const Oms__StoreView *s)
{
    static const char *const head[] = {"TABLE", "VERSION", "COLUMNS"};
    struct pbtext_table *t = pbtext_table_new(head, ARRAY_LEN(head));

    for (size_t i = 0; i < s->n_tables; i++)
        pbtext_table_row(
            t, (const char *const[]){s->tables[i]->table,
                                     arena_printf(&c->arena, "%u", s->tables[i]->version),
                                     arena_printf(&c->arena, "%u", s->tables[i]->columns)});
    buf_str(&c->out, "\n");
    pbtext_table_write(t, cli_terminal_width(), &c->out);
    pbtext_table_free(t);
}

static const char *limit_text(struct cli *c, uint64_t bytes)
{
    return bytes ? bytes_text(c, bytes) : "none";
}

static void put_show(struct cli *c, const Oms__StoreView *s)
{
    buf_printf(&c->out, "name        %s\nproject     %s\nsource      %s\nhost        %s\n",
               cli_or(s->id, ""), cli_or(s->project, ""), cli_or(s->source, "?"),
               cli_or(s->host, ""));
    buf_printf(&c->out, "state       %s\n", state_text(c, s));
    if (s->has_pulled_bytes)
        buf_printf(&c->out, "pulled      %s since it was started, %s now\n",
                   bytes_text(c, s->pulled_bytes),
                   cli_rate_bytes(&c->arena, (unsigned long long)s->pull_bytes_rate));
    if (!s->has_bytes)
        return;
    buf_printf(&c->out, "keeps       %s in %u segments\n", bytes_text(c, s->bytes), s->segments);
    buf_printf(&c->out, "position    %s\ncommitted   %s to %s%s\n",
               cli_or(s->position, "nothing yet"), cli_when(&c->arena, s->oldest_us),
               cli_when(&c->arena, s->newest_us), s->purged ? " (older log was removed)" : "");
    buf_printf(&c->out, "retention   %s, %u h; removed although needed beyond: %s\n",
               limit_text(c, s->retention_bytes), s->retention_hours,
               limit_text(c, s->retention_limit_bytes));
    if (s->n_readers > 0)
        put_readers(c, s);
    else
        buf_str(&c->out, "readers     none yet: nothing is removed before the first has come\n");
    if (s->n_tables > 0)
        put_tables(c, s);
}

static bool find_store(struct cli *c, const char *id, Oms__ComponentView **v)
{
    if (!cli_call_name(c, "ComponentShow", id, v))
        return c->e.code == ERR_NOT_FOUND
                   ? err_set(&c->e, ERR_NOT_FOUND,
                             "there is no store '%s'; `oms store list` lists all", c->args[0])
                   : false;
    return strcmp(cli_or((*v)->kind, ""), "store") == 0 ||
           err_set(&c->e, ERR_NOT_FOUND, "component '%s' is no store", id);
}

enum cli_exit cli_store_show(struct cli *c)
{
    Oms__ComponentView *v;
    Oms__StoreView *s;

    if (!find_store(c, component_of(c, c->args[0]), &v))
        return cli_failed(c);
    s = view_of(c, v);
    if (c->output == OUTPUT_JSON)
        cli_print_message(c, &s->base);
    else
        put_show(c, s);
    return CLI_FINE;
}

/* --- dump and trace -----------------------------------------------------------------------------
 */

/* "--name VALUE" -> "name=VALUE", for what was given. */
static size_t collect(struct cli *c, const char *const *names, size_t n, const char **args)
{
    size_t given = 0;

    for (size_t i = 0; i < n; i++) {
        const char *v = cli_value(c, names[i]);

        if (v)
            args[given++] = *v ? arena_printf(&c->arena, "%s=%s", names[i], v) : names[i];
    }
    return given;
}

/* JSON lines for people and programs alike. */
static enum cli_exit stream(struct cli *c, const char *what, const char *const *args, size_t n)
{
    Oms__ComponentView *v;
    struct cli_ask ask;
    bool fine;

    if (!find_store(c, component_of(c, c->args[0]), &v) ||
        !cli_ask_begin(c, &ask, v->id, what, args, n))
        return cli_failed(c);
    for (fine = true; fine && ask.more;)
        fine = cli_ask_next(c, &ask, NULL);
    if (fine && ask.cursor == 0)
        cli_say(c, "the log that '%s' keeps has nothing of it", v->id);
    return fine ? CLI_FINE : cli_failed(c);
}

enum cli_exit cli_store_dump(struct cli *c)
{
    static const char *const names[] = {"from", "to", "table", "limit", "follow"};
    const char *args[ARRAY_LEN(names)];
    long limit = 0;

    if (!cli_number(c, "limit", 1, 2000000000, &limit))
        return cli_usage(c, "%s", c->e.message);
    return stream(c, "store-dump", args, collect(c, names, ARRAY_LEN(names), args));
}

enum cli_exit cli_store_trace(struct cli *c)
{
    static const char *const names[] = {"table", "key", "from", "to"};
    const char *args[ARRAY_LEN(names)];

    if (!cli_value(c, "table") || !cli_value(c, "key"))
        return cli_usage(c, "--table and --key are needed");
    return stream(c, "store-trace", args, collect(c, names, ARRAY_LEN(names), args));
}
