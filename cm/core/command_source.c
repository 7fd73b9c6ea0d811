/* Commands to data sources: add, replace, remove, test. */
#include <stdlib.h>

#include "cm/core/cycle.h"
#include "common/base/place.h"

#define TEST_MS 55000

bool command_check_name(const char *what, const char *name, struct err *e)
{
    size_t n = 0;

    for (; name && name[n] != '\0'; n++)
        if (!((name[n] >= 'a' && name[n] <= 'z') || (name[n] >= '0' && name[n] <= '9') ||
              (name[n] == '-' && n > 0)))
            return err_set(e, ERR_INVALID,
                           "name '%s' of a %s: only a-z, 0-9 and, not first, '-' are allowed", name,
                           what);
    if (n == 0 || n > PROJECT_NAME_MAX)
        return err_set(e, ERR_INVALID, "name of a %s: 1 to %d characters are needed", what,
                       PROJECT_NAME_MAX);
    return true;
}

/* The fence of a target is that of one server. */
static bool is_target(const struct cluster *c, const char *name)
{
    for (size_t i = 0; i < c->projects.n; i++)
        if (text_is(project_file((const struct project *)c->projects.at[i])->target, name))
            return true;
    return false;
}

static bool check_addresses(const struct cluster *c, const Oms__DataSourceFile *f, struct err *e)
{
    char host[PLACE_HOST_MAX];
    uint16_t port;

    for (size_t i = 0; i < f->n_addresses; i++)
        if (!place_parse(f->addresses[i], host, &port))
            return err_set(e, ERR_INVALID,
                           "data source '%s': addresses: '%s' is not of the form host:port",
                           f->name, f->addresses[i]);
    if (f->n_addresses > 0 && is_target(c, f->name))
        return err_set(e, ERR_INVALID, "data source '%s' is a target, which has one address",
                       f->name);
    return true;
}

static bool check_source(const struct cycle *y, const Oms__DataSourceAddRequest *r, struct err *e)
{
    const Oms__DataSourceFile *f = r->file;

    if (!f)
        return err_set(e, ERR_INVALID, "the data source is missing");
    if (!command_check_name("data source", f->name, e))
        return false;
    if (text_is(f->host, "") && text_is(f->socket, ""))
        return err_set(e, ERR_INVALID, "data source '%s': host or socket is needed", f->name);
    if (!check_addresses(y->c, f, e))
        return false;
    if (cluster_source(y->c, f->name) && !r->replace)
        return err_set(e, ERR_EXISTS, "there is a data source '%s' already (--replace changes it)",
                       f->name);
    return true;
}

static bool uses(const struct project *p, const char *source)
{
    return text_is(project_file(p)->source, source) || text_is(project_file(p)->target, source);
}

/* What runs with the old address or password starts again with the new one. */
static unsigned restart_users(struct cycle *y, const char *source)
{
    unsigned n = 0;

    for (size_t i = 0; i < y->c->components.n; i++) {
        struct component *x = (struct component *)y->c->components.at[i];
        const struct project *p = cluster_project(y->c, x->project);
        if (p && uses(p, source) && x->goal_run) {
            component_restart(y, x);
            n++;
        }
    }
    return n;
}

void command_source_add(struct cycle *y, const struct cluster_event *ev)
{
    const Oms__DataSourceAddRequest *r = (const Oms__DataSourceAddRequest *)ev->request;
    Oms__SourceRow row = OMS__SOURCE_ROW__INIT;
    Oms__DataSourceFile file;
    struct err e = ERR_INIT;
    struct source *s;

    if (!check_source(y, r, &e)) {
        cycle_refuse(y, ev->call, &e);
        return;
    }
    s = cluster_source(y->c, r->file->name);
    file = *r->file;
    file.password_file = file.password_env = NULL;
    row.file = &file;
    row.tls_ca_pem = r->tls_ca_pem;
    row.has_created_us = true;
    row.created_us = s ? source_row(s)->created_us : y->now.wall.us;
    row.has_sealed = ev->sealed != NULL;
    row.sealed.data = (uint8_t *)ev->sealed;
    row.sealed.len = ev->sealed_len;
    bool had = s != NULL;
    if (!had) {
        s = must_calloc(1, sizeof *s);
        text_set(&s->named.key, file.name);
        named_add(&y->c->sources, &s->named);
    }
    kept_set(&s->row, &row.base);
    s->named.dirty = true;
    unsigned n = had ? restart_users(y, file.name) : 0;
    cycle_event(y, had ? "datasource.replaced" : "datasource.added", file.name, 0,
                "%s at %s; %u components start again", text_or_empty(file.kind),
                text_or_empty(file.host ? file.host : file.socket), n);
    cycle_say(y, ev->call, "data source '%s' is %s", file.name, had ? "replaced" : "added");
}

void command_source_remove(struct cycle *y, const struct cluster_event *ev)
{
    const char *name = text_or_empty(((const Oms__NameRequest *)ev->request)->name);
    struct source *s = cluster_source(y->c, name);
    struct err e = ERR_INIT;

    if (!s)
        err_set(&e, ERR_NOT_FOUND, "there is no data source '%s'", name);
    for (size_t i = 0; s && i < y->c->projects.n && e.code == ERR_NONE; i++)
        if (uses((struct project *)y->c->projects.at[i], name))
            err_set(&e, ERR_WRONG_STATE, "cannot remove data source '%s': project '%s' uses it",
                    name, y->c->projects.at[i]->key);
    if (e.code != ERR_NONE) {
        cycle_refuse(y, ev->call, &e);
        return;
    }
    cycle_remove(y, "source", name);
    cycle_event(y, "datasource.removed", name, 0, "a person removes it");
    cycle_say(y, ev->call, "data source '%s' is removed", name);
    named_drop(&y->c->sources, &s->named);
    kept_fini(&s->row);
    free(s->named.key);
    free(s);
}

/* --- test: a short-lived component of no project, in no row; the answer waits for its outcome ----
 */

void command_source_test(struct cycle *y, const struct cluster_event *ev)
{
    const char *name = text_or_empty(((const Oms__NameRequest *)ev->request)->name);
    char hex[ID_TEXT_MAX];
    struct err e = ERR_INIT;

    if (!cluster_source(y->c, name)) {
        err_set(&e, ERR_NOT_FOUND, "there is no data source '%s'", name);
        cycle_refuse(y, ev->call, &e);
        return;
    }
    struct component *x = component_new(
        y, arena_printf(y->a, "test-%s.%.8s", name, id_format(ev->fresh, hex)), "", STEP_NONE);
    text_set(&x->test_source, name);
    x->test_call = ev->call;
    x->test_until = mono_add_ms(y->now.mono, TEST_MS);
    component_set_goal(y, x, true);
}

static Oms__TaskResult *result_of(struct cycle *y, const struct component *x,
                                  const Oms__ComponentStatus *st)
{
    Oms__TaskResult *r = arena_alloc(y->a, sizeof *r);
    const Oms__ComponentReport *rp = st->report;
    const Oms__Error *e = st->last_word ? st->last_word : rp ? rp->error : NULL;

    oms__task_result__init(r);
    r->state = (char *)(x->outcome.m ? "done" : "failed");
    r->result = arena_strdup(y->a, text_or_empty(rp ? rp->result : NULL));
    if (!x->outcome.m && e)
        r->error = (Oms__Error *)message_copy(&e->base, y->a);
    return r;
}

/* True: it is over and may go. */
static bool judge_test(struct cycle *y, struct component *x)
{
    const Oms__ComponentStatus *st = component_status(x);
    struct err e = ERR_INIT;

    if (st && !status_is_alive(st) && (x->outcome.m || (st->has_exit_code && st->exit_code > 0))) {
        cycle_answer(y, x->test_call, &result_of(y, x, st)->base);
        return true;
    }
    if (text_is(x->host, "")) {
        struct host *h = host_choose(y, x);
        if (h)
            component_put(y, x, h);
    }
    if (mono_cmp(y->now.mono, x->test_until) < 0)
        return false;
    err_set(&e, ERR_TIMEOUT,
            text_is(x->host, "") ? "no host is up to test data source '%s'"
                                 : "the test of data source '%s' gave no result in time",
            x->test_source);
    cycle_refuse(y, x->test_call, &e);
    return true;
}

void tests_judge(struct cycle *y)
{
    for (size_t i = 0; i < y->c->components.n;) {
        struct component *x = (struct component *)y->c->components.at[i];
        if (x->step == STEP_NONE && judge_test(y, x))
            component_remove(y, x); /* what of it still runs is an orphan now */
        else
            i++;
    }
}
