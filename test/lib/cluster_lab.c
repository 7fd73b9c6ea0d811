/* MetaDB as a list, commands, time (cluster_lab.h). */
#include "test/lib/cluster_lab.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char *text(const char *s)
{
    return must_strdup(s ? s : "");
}

uint64_t lab_random(struct lab *l, uint64_t below)
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return below ? (l->random >> 11) % below : 0;
}

void lab_open(struct lab *l, uint64_t seed)
{
    memset(l, 0, sizeof *l);
    l->random = seed * 2654435761u + 88172645463325252u;
    l->now.ns = 1000000000;
    lab_boot(l);
}

static void row_free(struct lab_row *r)
{
    free(r->table);
    free(r->key);
    free(r->state);
    free(r->body);
}

void lab_close(struct lab *l)
{
    cluster_free(l->c);
    for (size_t i = 0; i < l->rows.n; i++)
        row_free(&l->rows.at[i]);
    vec_fini(&l->rows);
    for (size_t i = 0; i < l->events.n; i++)
        free(l->events.at[i]);
    vec_fini(&l->events);
}

static struct lab_row *find(const struct lab *l, const char *table, const char *key)
{
    for (size_t i = 0; i < l->rows.n; i++)
        if (strcmp(l->rows.at[i].table, table) == 0 && strcmp(l->rows.at[i].key, key) == 0)
            return &l->rows.at[i];
    return NULL;
}

const struct lab_row *lab_find(const struct lab *l, const char *table, const char *key)
{
    return find(l, table, key);
}

static void commit_write(struct lab *l, const struct write *w)
{
    struct lab_row *r = find(l, w->table, w->key);

    if (r) {
        row_free(r);
        *r = l->rows.at[--l->rows.n];
    }
    if (!w->body)
        return;
    struct lab_row fresh = {text(w->table), text(w->key), text(w->state), must_alloc(w->len + 1),
                            w->len};
    memcpy(fresh.body, w->body, w->len);
    vec_push(&l->rows, fresh);
}

static void commit(struct lab *l, const struct effects *x)
{
    for (size_t i = 0; i < x->writes.n; i++)
        commit_write(l, &x->writes.at[i]);
    for (size_t i = 0; i < x->events.n; i++) {
        const Oms__Event *ev = x->events.at[i];
        size_t n = strlen(ev->name) + strlen(ev->subject) + 2;
        char *line = must_alloc(n);
        snprintf(line, n, "%s %s", ev->name, ev->subject);
        vec_push(&l->events, line);
        must(ev->id == l->last_event + 1);
        l->last_event = ev->id;
    }
    if (x->revision) {
        must(x->revision > l->revision);
        l->revision = x->revision;
    }
}

static void note_answer(struct lab *l, const struct answer *a)
{
    if (!a->message)
        snprintf(l->text, sizeof l->text, "%s", a->error.message);
    else if (a->message->descriptor == &oms__command_reply__descriptor)
        snprintf(l->text, sizeof l->text, "%s", ((const Oms__CommandReply *)a->message)->text);
    else if (a->message->descriptor == &oms__task_result__descriptor)
        snprintf(l->text, sizeof l->text, "%s", ((const Oms__TaskResult *)a->message)->state);
}

void lab_break(struct lab *l, const char *fmt, ...)
{
    va_list ap;

    if (l->broken[0] != '\0')
        return;
    va_start(ap, fmt);
    (void)vsnprintf(l->broken, sizeof l->broken, fmt, ap);
    va_end(ap);
}

/* Nobody hears an answer of a cycle that was not committed. */
static bool die_uncommitted(struct lab *l, struct err *e)
{
    l->lose_commit = false;
    lab_crash(l);
    return err_set(e, ERR_UNAVAILABLE, "the CM died");
}

bool lab_step(struct lab *l, const struct cluster_event *ev, struct err *e)
{
    struct cluster_now now = {l->now, {l->now.ns / 1000}};
    struct effects x = {0};
    struct arena a;
    bool ok = true;

    arena_init(&a, 0);
    cluster_step(l->c, ev, ev ? 1 : 0, now, &a, &x);
    if (l->lose_commit)
        ok = die_uncommitted(l, e);
    else
        commit(l, &x);
    for (size_t i = 0; l->c && i < x.answers.n; i++) {
        note_answer(l, &x.answers.at[i]);
        if (ev && x.answers.at[i].call == ev->call && !x.answers.at[i].message) {
            *e = x.answers.at[i].error;
            ok = false;
        }
    }
    effects_fini(&x);
    arena_fini(&a);
    return ok;
}

bool lab_command(struct lab *l, enum command command, const ProtobufCMessage *m, struct err *e)
{
    struct cluster_event ev = {
        .kind = EVENT_COMMAND, .command = command, .request = m, .call = &ev, .sealed = "sealed"};

    ev.sealed_len = 6;
    for (size_t i = 0; i < sizeof ev.fresh.b; i++)
        ev.fresh.b[i] = (uint8_t)lab_random(l, 256);
    return lab_step(l, &ev, e);
}

bool lab_named(struct lab *l, enum command command, const char *name, struct err *e)
{
    Oms__NameRequest r = OMS__NAME_REQUEST__INIT;

    r.name = (char *)name;
    return lab_command(l, command, &r.base, e);
}

void lab_pass(struct lab *l, int64_t ms)
{
    struct err e = ERR_INIT;

    l->now = mono_add_ms(l->now, ms);
    if (l->c)
        (void)!lab_step(l, NULL, &e); /* only a lost commit fails it */
}

void lab_crash(struct lab *l)
{
    cluster_free(l->c);
    l->c = NULL;
}

void lab_boot(struct lab *l)
{
    static const char *const tables[] = {"source",    "host",     "project", "step",
                                         "component", "incident", "detail"};
    struct cluster_options o = {.host_lease_ms = 3000};
    struct err e = ERR_INIT;

    l->c = cluster_new(&o);
    for (size_t t = 0; t < ARRAY_LEN(tables); t++)
        for (size_t i = 0; i < l->rows.n; i++) {
            const struct lab_row *r = &l->rows.at[i];
            if (strcmp(r->table, tables[t]) == 0)
                must(cluster_load_row(l->c, r->table, r->key, r->state, r->body, r->len, &e));
        }
    must(cluster_loaded(l->c, l->revision, l->last_event, &e));
    cluster_awake(l->c, l->now);
}

unsigned lab_count(const struct lab *l, const char *event, const char *subject)
{
    unsigned n = 0;
    size_t len = strlen(event);

    for (size_t i = 0; i < l->events.n; i++) {
        const char *line = l->events.at[i];
        n += strncmp(line, event, len) == 0 && line[len] == ' ' &&
             (!subject || strcmp(line + len + 1, subject) == 0);
    }
    return n;
}

bool lab_sources(struct lab *l, struct err *e)
{
    for (int i = 0; i < 2; i++) {
        Oms__DataSourceAddRequest r = OMS__DATA_SOURCE_ADD_REQUEST__INIT;
        Oms__DataSourceFile f = OMS__DATA_SOURCE_FILE__INIT;
        f.name = (char *)(i ? "b" : "a");
        f.kind = (char *)"mariadb";
        f.host = (char *)"127.0.0.1";
        f.user = (char *)"oms";
        f.idc = (char *)(i ? "east" : "west");
        r.file = &f;
        if (!lab_command(l, COMMAND_SOURCE_ADD, &r.base, e))
            return false;
    }
    return true;
}

bool lab_project(struct lab *l, const char *name, struct err *e)
{
    Oms__ProjectCreateRequest r = OMS__PROJECT_CREATE_REQUEST__INIT;
    Oms__ProjectFile f = OMS__PROJECT_FILE__INIT;
    Oms__ObjectScope o = OMS__OBJECT_SCOPE__INIT;
    char *include = (char *)"shop.*";

    f.name = (char *)name;
    f.source = (char *)"a";
    f.target = (char *)"b";
    f.objects = &o;
    o.include = &include;
    o.n_include = 1;
    r.file = &f;
    return lab_command(l, COMMAND_PROJECT_CREATE, &r.base, e);
}

struct step *lab_project_step(struct lab *l, const char *project, enum step_kind k)
{
    struct project *p = cluster_project(l->c, project);

    must(p);
    return &p->steps[k];
}

const char *lab_state(struct lab *l, const char *project)
{
    const struct project *p = cluster_project(l->c, project);

    return p ? project_state_name(p) : "gone";
}
