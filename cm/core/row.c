/* Between the cluster in memory and its rows in MetaDB: what is durable, and nothing else. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cm/core/cycle.h"

#define TABLES_SAVE_MS 2000 /* states of tables are written at most so often */

static const char *const want_names[WANT_COUNT] = {"init", "run", "pause", "release", "finish"};

/* --- writing -----------------------------------------------------------------------------------
 */

static void put(struct cycle *y, const char *table, const char *key, const char *state,
                const ProtobufCMessage *body)
{
    char *seen = arena_strdup(y->a, state);
    struct write w = {.table = table, .key = arena_strdup(y->a, key), .state = seen};

    text_clean(seen);
    w.body = message_pack(body, y->a, &w.len);
    vec_push(&y->out->writes, w);
}

static void put_project(struct cycle *y, struct project *p)
{
    Oms__ProjectRow row = OMS__PROJECT_ROW__INIT;
    const Oms__ComponentLive *tables = (const Oms__ComponentLive *)p->verify_tables.m;
    const Oms__Secret *token = (const Oms__Secret *)p->stream_token.m;
    const Oms__ComponentLive *again = (const Oms__ComponentLive *)p->copy_again.m;

    row.file = (Oms__ProjectFile *)p->file.m;
    row.want = (char *)want_names[p->want];
    row.has_created_us = row.has_verify_round = row.has_number = true;
    row.created_us = p->created_us;
    row.verify_round = p->verify_round;
    row.number = p->number;
    row.verify_tables = tables ? tables->verify_tables : NULL;
    row.n_verify_tables = tables ? tables->n_verify_tables : 0;
    row.copy_again = again ? again->copied_again : NULL;
    row.n_copy_again = again ? again->n_copied_again : 0;
    row.has_stream_token = token != NULL;
    if (token)
        row.stream_token = token->value;
    put(y, "project", p->named.key, project_state_name(p), &row.base);
}

static void put_step(struct cycle *y, const struct project *p, enum step_kind k)
{
    Oms__StepRow row = OMS__STEP_ROW__INIT;
    Oms__Error e = OMS__ERROR__INIT;
    const struct step *s = &p->steps[k];

    row.state = (char *)step_state_name(s->state);
    if (!text_is(s->error_code, "")) {
        e.code = s->error_code;
        e.message = s->error_message;
        row.error = &e;
    }
    row.progress = (Oms__StepProgress *)s->progress.m;
    put(y, "step", arena_printf(y->a, "%s/%s", p->named.key, step_rows[k].name), row.state,
        &row.base);
}

static void put_component(struct cycle *y, const struct component *x)
{
    Oms__ComponentRow row = OMS__COMPONENT_ROW__INIT;

    row.project = x->project;
    row.step = (char *)step_rows[x->step].name;
    row.host = x->host;
    row.goal = (char *)(x->goal_run ? "RUN" : "STOP");
    row.has_epoch = row.has_revision = row.has_directive = row.has_live = true;
    row.epoch = x->epoch;
    row.revision = x->revision;
    row.directive = x->directive;
    row.live = x->live;
    row.address = x->address;
    put(y, "component", x->named.key, row.goal, &row.base);
}

static void put_detail(struct cycle *y, const struct project *p, const char *what,
                       const ProtobufCMessage *m)
{
    Oms__DetailRow empty = OMS__DETAIL_ROW__INIT;

    put(y, "detail", arena_printf(y->a, "%s/%s", p->named.key, what), "", m ? m : &empty.base);
}

static void put_tables(struct cycle *y, const struct project *p)
{
    Oms__DetailRow row = OMS__DETAIL_ROW__INIT;

    row.tables = arena_calloc(y->a, p->tables.n + 1, sizeof(void *));
    for (size_t i = 0; i < p->tables.n; i++) {
        const struct table *t = (const struct table *)p->tables.at[i];
        Oms__TableView *v = arena_alloc(y->a, sizeof *v);
        oms__table_view__init(v);
        v->name = t->named.key;
        v->copy = t->copy;
        v->verification = t->verification;
        v->schema = t->schema;
        v->detail = t->detail;
        v->has_rows_done = v->has_rows_total = true;
        v->rows_done = t->rows_done;
        v->rows_total = t->rows_total;
        row.tables[row.n_tables++] = v;
    }
    put_detail(y, p, "tables", &row.base);
}

static void write_project(struct cycle *y, struct project *p)
{
    bool any = p->named.dirty;

    for (int k = 0; k < STEP_COUNT; k++) {
        any |= p->steps[k].dirty;
        if (p->steps[k].dirty)
            put_step(y, p, (enum step_kind)k);
        p->steps[k].dirty = false;
    }
    if (any)
        put_project(y, p);
    if (p->checks_dirty)
        put_detail(y, p, "checks", p->checks.m);
    if (p->objects_dirty)
        put_detail(y, p, "objects", p->objects.m);
    if (p->tables_dirty &&
        (any || mono_ms_between(p->tables_saved, y->now.mono) >= TABLES_SAVE_MS)) {
        put_tables(y, p);
        p->tables_dirty = false;
        p->tables_saved = y->now.mono;
    }
    p->named.dirty = p->checks_dirty = p->objects_dirty = false;
}

static void write_incidents(struct cycle *y)
{
    for (size_t i = 0; i < y->c->incidents.n; i++) {
        struct incident *in = y->c->incidents.at[i];
        if (in->dirty)
            put(y, "incident", arena_printf(y->a, "%" PRIu64, in->id), incident_row(in)->state,
                in->row.m);
        in->dirty = false;
    }
}

void rows_write(struct cycle *y)
{
    struct cluster *c = y->c;

    for (size_t i = 0; i < c->sources.n; i++) {
        struct source *s = (struct source *)c->sources.at[i];
        if (s->named.dirty)
            put(y, "source", s->named.key, "", s->row.m);
        s->named.dirty = false;
    }
    for (size_t i = 0; i < c->hosts.n; i++) {
        struct host *h = (struct host *)c->hosts.at[i];
        Oms__HostRow row = OMS__HOST_ROW__INIT;
        row.identity = (Oms__HostIdentity *)h->identity.m;
        if (h->named.dirty)
            put(y, "host", h->named.key, text_or_empty(row.identity->name), &row.base);
        h->named.dirty = false;
    }
    for (size_t i = 0; i < c->projects.n; i++)
        write_project(y, (struct project *)c->projects.at[i]);
    for (size_t i = 0; i < c->components.n; i++) {
        struct component *x = (struct component *)c->components.at[i];
        if (x->named.dirty && x->step != STEP_NONE)
            put_component(y, x);
        x->named.dirty = false;
    }
    write_incidents(y);
    if (c->revision_dirty)
        y->out->revision = c->revision;
    c->revision_dirty = false;
}

/* --- loading -----------------------------------------------------------------------------------
 */

static void load_source(struct cluster *c, const char *key, const ProtobufCMessage *m)
{
    struct source *s = must_calloc(1, sizeof *s);

    text_set(&s->named.key, key);
    kept_set(&s->row, m);
    named_add(&c->sources, &s->named);
}

static void load_host(struct cluster *c, const char *key, const ProtobufCMessage *m)
{
    const Oms__HostRow *row = (const Oms__HostRow *)m;
    struct host *h = must_calloc(1, sizeof *h);

    text_set(&h->named.key, key);
    kept_set(&h->identity, &row->identity->base);
    named_add(&c->hosts, &h->named);
}

static void load_project(struct cluster *c, const char *key, const ProtobufCMessage *m)
{
    const Oms__ProjectRow *row = (const Oms__ProjectRow *)m;
    struct project *p = project_new(c, key);
    Oms__ComponentLive tables = OMS__COMPONENT_LIVE__INIT, again = OMS__COMPONENT_LIVE__INIT;
    Oms__Secret token = OMS__SECRET__INIT;

    kept_set(&p->file, &row->file->base);
    for (int w = 0; w < WANT_COUNT; w++)
        if (text_is(row->want, want_names[w]))
            p->want = (enum want)w;
    p->created_us = row->created_us;
    p->verify_round = row->verify_round;
    p->number = row->number;
    tables.verify_tables = row->verify_tables;
    tables.n_verify_tables = row->n_verify_tables;
    kept_set(&p->verify_tables, &tables.base);
    token.has_value = row->has_stream_token;
    token.value = row->stream_token;
    kept_set(&p->stream_token, &token.base);
    again.copied_again = row->copy_again;
    again.n_copied_again = row->n_copy_again;
    kept_set(&p->copy_again, &again.base);
    if (p->number > c->last_project)
        c->last_project = p->number;
}

static void load_component(struct cluster *c, const char *key, const ProtobufCMessage *m)
{
    const Oms__ComponentRow *row = (const Oms__ComponentRow *)m;
    struct component *x = must_calloc(1, sizeof *x);

    text_set(&x->named.key, key);
    text_set(&x->project, row->project);
    text_set(&x->host, row->host);
    text_set(&x->address, row->address);
    x->step = step_from_name(row->step);
    x->goal_run = text_is(row->goal, "RUN");
    x->epoch = row->epoch;
    x->revision = row->revision;
    x->directive = row->directive;
    x->live = row->live;
    named_add(&c->components, &x->named);
}

static void load_incident(struct cluster *c, const char *key, const ProtobufCMessage *m)
{
    struct incident *i = must_calloc(1, sizeof *i);

    (void)key;
    kept_set(&i->row, m);
    i->id = incident_row(i)->id;
    text_set(&i->nonce, "");
    if (i->id > c->last_incident)
        c->last_incident = i->id;
    vec_push(&c->incidents, i);
}

/* "PROJECT/rest" of a project that is loaded; NULL: there is none. */
static struct project *project_of_key(struct cluster *c, const char *key, const char **rest)
{
    const char *slash = strchr(key, '/');
    struct arena a;

    if (!slash)
        return NULL;
    arena_init(&a, 0);
    struct project *p = cluster_project(c, arena_strndup(&a, key, (size_t)(slash - key)));
    arena_fini(&a);
    *rest = slash + 1;
    return p;
}

static void load_step(struct cluster *c, const char *key, const ProtobufCMessage *m)
{
    const Oms__StepRow *row = (const Oms__StepRow *)m;
    const char *name;
    struct project *p = project_of_key(c, key, &name);
    enum step_kind k = p ? step_from_name(name) : STEP_NONE;

    if (k == STEP_NONE) /* of a later version, or of a project that is gone */
        return;
    for (int s = 0; s < STEP_STATES; s++)
        if (text_is(row->state, step_state_name((enum step_state)s)))
            p->steps[k].state = (enum step_state)s;
    if (row->error) {
        text_set(&p->steps[k].error_code, row->error->code);
        text_set(&p->steps[k].error_message, row->error->message);
    }
    kept_set(&p->steps[k].progress, row->progress ? &row->progress->base : NULL);
}

static void load_tables(struct project *p, const Oms__DetailRow *row)
{
    for (size_t i = 0; i < row->n_tables; i++) {
        const Oms__TableView *v = row->tables[i];
        struct table *t = project_table(p, text_or_empty(v->name));
        text_set(&t->copy, v->copy);
        text_set(&t->verification, v->verification);
        text_set(&t->schema, v->schema);
        text_set(&t->detail, v->detail);
        t->rows_done = v->rows_done;
        t->rows_total = v->rows_total;
        t->compared = !text_is(v->verification, "");
    }
}

static void load_detail(struct cluster *c, const char *key, const ProtobufCMessage *m)
{
    const char *what;
    struct project *p = project_of_key(c, key, &what);

    if (!p)
        return;
    if (text_is(what, "checks"))
        kept_set(&p->checks, m);
    else if (text_is(what, "objects"))
        kept_set(&p->objects, m);
    else if (text_is(what, "tables"))
        load_tables(p, (const Oms__DetailRow *)m);
}

static const struct {
    const char *table;
    const ProtobufCMessageDescriptor *type;
    void (*load)(struct cluster *c, const char *key, const ProtobufCMessage *m);
} loaders[] = {
    {"source", &oms__source_row__descriptor, load_source},
    {"host", &oms__host_row__descriptor, load_host},
    {"project", &oms__project_row__descriptor, load_project},
    {"component", &oms__component_row__descriptor, load_component},
    {"incident", &oms__incident__descriptor, load_incident},
    {"step", &oms__step_row__descriptor, load_step},
    {"detail", &oms__detail_row__descriptor, load_detail},
};

/* Messages inside that everything else relies on. */
static bool is_whole(const char *table, const char *key, const ProtobufCMessage *m)
{
    if (strcmp(table, "source") == 0)
        return ((const Oms__SourceRow *)m)->file != NULL;
    if (strcmp(table, "host") == 0)
        return ((const Oms__HostRow *)m)->identity != NULL;
    if (strcmp(table, "project") == 0)
        return ((const Oms__ProjectRow *)m)->file != NULL && strlen(key) <= PROJECT_NAME_MAX;
    if (strcmp(table, "component") == 0)
        return step_from_name(((const Oms__ComponentRow *)m)->step) != STEP_NONE;
    return true;
}

bool cluster_load_row(struct cluster *c, const char *table, const char *key, const char *state,
                      const void *body, size_t len, struct err *e)
{
    struct arena a;
    bool ok = false;

    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(loaders); i++) {
        if (strcmp(loaders[i].table, table) != 0)
            continue;
        ProtobufCMessage *m = message_unpack(loaders[i].type, body, len, &a);
        ok = m && is_whole(table, key, m);
        if (ok)
            loaders[i].load(c, key, m);
    }
    arena_fini(&a);
    return ok ? true
              : err_set(e, ERR_CORRUPT, "row '%s' of table '%s' in MetaDB cannot be read", key,
                        table);
}

bool cluster_loaded(struct cluster *c, uint64_t revision, uint64_t last_event, struct err *e)
{
    c->revision = revision;
    c->last_event = last_event;
    for (size_t i = 0; i < c->components.n; i++) {
        const struct component *x = (const struct component *)c->components.at[i];
        if (!cluster_project(c, x->project))
            return err_set(e, ERR_CORRUPT,
                           "component '%s' in MetaDB is of project '%s', which is not there",
                           x->named.key, x->project);
        if (x->directive > c->revision)
            c->revision = x->directive;
    }
    return true;
}
