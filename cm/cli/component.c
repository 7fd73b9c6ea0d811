/* oms component: the processes that do the work, and their logs (read through CM by asks). */
#include <string.h>

#include "cm/cli/cli.h"
#include "common/pbtext/pbtext.h"
#include "proto/admin.pb-c.h"

#define ASK_TEXT_MAX (256u << 20)
#define LOG_HOLD_MS 10000u

static const Oms__ComponentStatus no_status = OMS__COMPONENT_STATUS__INIT;

static const char *state_of(struct cli *c, const Oms__ComponentStatus *s)
{
    if (s->has_restarts && s->restarts > 0)
        return arena_printf(&c->arena, "%s (%u restart%s)", cli_or(s->state, "?"), s->restarts,
                            s->restarts == 1 ? "" : "s");
    return cli_or(s->state, "waiting");
}

static const char *rss_of(struct cli *c, const Oms__ComponentStatus *s)
{
    return s->has_rss_bytes ? arena_printf(&c->arena, "%.1f MB", (double)s->rss_bytes / 1e6) : "";
}

static const Oms__Error *error_of(const Oms__ComponentStatus *s)
{
    if (s->report && s->report->error && *cli_or(s->report->error->code, ""))
        return s->report->error;
    return s->last_word && *cli_or(s->last_word->code, "") ? s->last_word : NULL;
}

enum cli_exit cli_component_list(struct cli *c)
{
    static const char *const head[] = {"ID",    "KIND", "HOST",   "GOAL",
                                       "STATE", "PID",  "MEMORY", "ERROR"};
    Oms__ComponentListRequest r = OMS__COMPONENT_LIST_REQUEST__INIT;
    Oms__ComponentListReply *reply;
    struct pbtext_table *t;

    r.project = c->n_args ? (char *)c->args[0] : NULL;
    if (!cli_call(c, "ComponentList", &r.base, &reply))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &reply->base);
        return CLI_FINE;
    }
    t = pbtext_table_new(head, ARRAY_LEN(head));
    for (size_t i = 0; i < reply->n_components; i++) {
        const Oms__ComponentView *v = reply->components[i];
        const Oms__ComponentStatus *s = v->status ? v->status : &no_status;
        const Oms__Error *e = error_of(s);

        pbtext_table_row(
            t, (const char *const[]){
                   v->id, v->kind, v->host, v->goal, state_of(c, s),
                   s->pid ? arena_printf(&c->arena, "%u", s->pid) : "", rss_of(c, s),
                   e ? arena_printf(&c->arena, "%s: %s", e->code, cli_or(e->message, "")) : ""});
    }
    pbtext_table_write(t, cli_terminal_width(), &c->out);
    pbtext_table_free(t);
    return CLI_FINE;
}

static void put_report(struct cli *c, const Oms__ComponentReport *r)
{
    buf_printf(&c->out, "reports     %s, position %s\n", cli_or(r->state, "?"),
               cli_or(r->position, "unknown"));
    if (r->address)
        buf_printf(&c->out, "listens on  %s\n", r->address);
    for (size_t i = 0; i < r->n_steps; i++) {
        const Oms__StepProgress *p = r->steps[i];

        buf_printf(&c->out, "step        %s: %s", cli_or(p->step, "?"),
                   cli_count(&c->arena, p->done));
        if (p->total > 0)
            buf_printf(&c->out, " of %s", cli_count(&c->arena, p->total));
        buf_printf(&c->out, " %s, %.0f/s%s\n", cli_or(p->unit, ""), p->rate,
                   p->finished ? ", done" : "");
    }
    for (size_t i = 0; i < r->n_metrics; i++)
        buf_printf(&c->out, "figure      %s = %g\n", cli_or(r->metrics[i]->name, "?"),
                   r->metrics[i]->value);
}

enum cli_exit cli_component_show(struct cli *c)
{
    Oms__ComponentView *v;
    const Oms__ComponentStatus *s;
    const Oms__Error *e;

    if (!cli_call_name(c, "ComponentShow", c->args[0], &v))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &v->base);
        return CLI_FINE;
    }
    s = v->status ? v->status : &no_status;
    e = error_of(s);
    buf_printf(&c->out,
               "id          %s\nkind        %s\nproject     %s\nhost        %s\ngoal        %s\n"
               "state       %s since %s\npid         %u\nepoch       %llu\nmemory      %s\n"
               "processor   %.2f cores\n",
               cli_or(v->id, ""), cli_or(v->kind, ""), cli_or(v->project, ""), cli_or(v->host, ""),
               cli_or(v->goal, ""), state_of(c, s), cli_when(&c->arena, s->since_us), s->pid,
               (unsigned long long)s->epoch, rss_of(c, s), s->cpu);
    if (s->report)
        put_report(c, s->report);
    if (e)
        buf_printf(&c->out, "error       %s: %s\n", e->code, cli_or(e->message, ""));
    return CLI_FINE;
}

/* For programs: one document of what came; of a log that is followed, one for each piece. */
static void put_text_json(struct cli *c, const char *component, struct buf *text)
{
    buf_str(&c->out, "{\"component\": ");
    pbtext_format_string(component, &c->out);
    buf_str(&c->out, ", \"text\": ");
    pbtext_format_string(buf_cstr(text), &c->out);
    buf_str(&c->out, "}\n");
    buf_clear(text);
    cli_flush(c);
}

static bool read_piece(struct cli *c, Oms__AskReadRequest *r, struct buf *into, bool *more)
{
    Oms__AskReadReply *reply;

    if (!cli_call(c, "AskRead", &r->base, &reply))
        return false;
    if (reply->has_chunk)
        buf_append(into ? into : &c->out, reply->chunk.data, reply->chunk.len);
    cli_flush(c);
    *more = !reply->last;
    r->cursor = reply->cursor;
    if (reply->error && reply->error->code && *reply->error->code) {
        enum err_code code = ERR_UNAVAILABLE;

        (void)err_code_from_name(reply->error->code, &code); /* an unknown one stays UNAVAILABLE */
        return err_set(&c->e, code, "%s", cli_or(reply->error->message, reply->error->code));
    }
    return true;
}

bool cli_ask_begin(struct cli *c, struct cli_ask *a, const char *component, const char *what,
                   const char *const *args, size_t n_args)
{
    Oms__AskRequest r = OMS__ASK_REQUEST__INIT;
    Oms__AskReply *ask;

    r.component_id = (char *)component;
    r.what = (char *)what;
    r.args = (char **)args;
    r.n_args = n_args;
    if (!cli_call(c, "AskStart", &r.base, &ask))
        return false;
    *a = (struct cli_ask){.id = ask->ask_id, .more = true, .hold_ms = LOG_HOLD_MS};
    return true;
}

bool cli_ask_next(struct cli *c, struct cli_ask *a, struct buf *into)
{
    Oms__AskReadRequest read = OMS__ASK_READ_REQUEST__INIT;
    struct arena outer = c->arena;
    bool fine;

    read.ask_id = (char *)a->id;
    read.has_cursor = read.has_hold_ms = true;
    read.cursor = a->cursor;
    read.hold_ms = a->hold_ms;
    arena_init(&c->arena, 0); /* each piece's memory goes with the piece */
    fine = read_piece(c, &read, into, &a->more);
    arena_fini(&c->arena);
    c->arena = outer;
    a->cursor = read.cursor;
    return fine;
}

/* Asks a component's host and prints the answer as it comes. */
enum cli_exit cli_ask(struct cli *c, const char *component, const char *what,
                      const char *const *args, size_t n_args)
{
    bool fine = true, json = c->output == OUTPUT_JSON;
    bool follows = json && strcmp(what, "logs") == 0 && cli_value(c, "follow");
    struct cli_ask ask;
    struct buf text;

    if (!cli_ask_begin(c, &ask, component, what, args, n_args))
        return cli_failed(c);
    buf_init(&text, ASK_TEXT_MAX);
    while (ask.more && fine) {
        fine = cli_ask_next(c, &ask, json ? &text : NULL);
        if (text.len > 0 && follows)
            put_text_json(c, component, &text);
    }
    if (!buf_ok(&text))
        fine =
            err_set(&c->e, ERR_LIMIT, "the log is too long for one answer; ask for fewer --lines");
    if (json && fine && !follows)
        put_text_json(c, component, &text);
    buf_fini(&text);
    return fine ? CLI_FINE : cli_failed(c);
}

enum cli_exit cli_component_logs(struct cli *c)
{
    const char *args[2] = {NULL, "follow"};
    long lines = 200;

    if (!cli_number(c, "lines", 1, 1000000, &lines))
        return cli_usage(c, "%s", c->e.message);
    args[0] = arena_printf(&c->arena, "%ld", lines);
    return cli_ask(c, c->args[0], "logs", args, cli_value(c, "follow") ? 2 : 1);
}

enum cli_exit cli_component_restart(struct cli *c)
{
    Oms__NameRequest r = OMS__NAME_REQUEST__INIT;

    r.name = (char *)c->args[0];
    return cli_command_call(c, "ComponentRestart", &r.base);
}
