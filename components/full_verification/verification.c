/* Rounds of verification: tables, workers, verdicts. See verification.h. */
#include "components/full_verification/verification.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/os/clock.h"
#include "components/full_verification/verification_priv.h"
#include "components/transform/transform.h"

#define SHOW_MS 300

bool verification_is_stopping(struct verification *v)
{
    bool stopping;

    pthread_mutex_lock(&v->lock);
    stopping = v->stopping || v->error.code != ERR_NONE;
    pthread_mutex_unlock(&v->lock);
    return stopping || component_stopping(v->c);
}

static void say_verdict(struct verification *v, const struct check_table *t)
{
    const struct tally *y = &t->tally;
    const char *verdict = "equal";
    char detail[320 + sizeof t->log_at + sizeof t->log_why + EXAMPLES_LEN], by_log[260] = "";

    if (y->different + y->missing + y->extra > 0)
        verdict = "different";
    else if (y->moving > 0)
        verdict = "moving";
    if (y->by_log > 0)
        snprintf(by_log, sizeof by_log, "; %" PRIu64 " equal by the log, the last %s", y->by_log,
                 t->log_at);
    snprintf(detail, sizeof detail,
             "%" PRIu64 " rows compared, %" PRIu64 " different, %" PRIu64 " missing, %" PRIu64
             " extra, %" PRIu64 " moving%s%s%s%s%s",
             y->rows, y->different, y->missing, y->extra, y->moving, by_log,
             y->moving > 0 && t->log_why[0] ? "; the log cannot tell: " : "",
             y->moving > 0 ? t->log_why : "", t->examples[0] ? ". The first: " : "", t->examples);
    component_table(v->c, "verification", t->key, verdict, y->rows, y->rows, detail);
    log_event(LOG_INFO, "verification.table", "table=%s verdict=%s %s", t->key, verdict, detail);
}

static struct check_table *take_table(struct verification *v)
{
    struct check_table *t = NULL;

    pthread_mutex_lock(&v->lock);
    for (size_t i = 0; i < v->tables.n && !t && v->error.code == ERR_NONE; i++)
        if (v->tables.at[i]->state == CHECK_WAITING)
            t = v->tables.at[i];
    if (t)
        t->state = CHECK_RUNNING;
    pthread_mutex_unlock(&v->lock);
    return t;
}

static void put_table(struct verification *v, struct check_table *t, enum check_state s,
                      const struct err *fatal)
{
    pthread_mutex_lock(&v->lock);
    t->state = s;
    if (fatal && v->error.code == ERR_NONE)
        v->error = *fatal;
    pthread_mutex_unlock(&v->lock);
}

static void disconnect(struct checker *k)
{
    if (k->source)
        k->v->source->reader->close(k->source);
    if (k->target)
        k->v->target->reader->close(k->target);
    k->source = k->target = NULL;
}

static bool check_one(struct checker *k, struct check_table *t, struct err *e)
{
    struct verification *v = k->v;
    struct position p1 = {0};
    bool ok = true;

    if (!k->source && !v->source->reader->open(&v->source_at, &k->source, e))
        return err_wrap(e, "connect to the source");
    if (!k->target && !v->target->reader->open(&v->target_at, &k->target, e))
        return err_wrap(e, "connect to the target");
    if (t->absent > 0) {
        txn_set_init(&p1.set);
        ok = wait_until_passed(k, &p1, e);
        txn_set_fini(&p1.set);
    }
    return ok && table_check(k, t, e);
}

static void say_gone(struct verification *v, const struct check_table *t)
{
    component_table(v->c, "verification", t->key, "gone", 0, 0,
                    "dropped or renamed on the source while it was to be compared");
    log_event(LOG_INFO, "verification.gone", "table=%s", t->key);
}

/* Compared, by the definition that the source's table still has; or gone. False: *e;
 * SERVER_TABLE_CHANGED: once more. */
static bool settle_one(struct checker *k, struct check_table *t, struct err *e)
{
    enum definition_is is = DEFINITION_SAME;

    if (check_one(k, t, e)) {
        if (!definition_look(k->v, t, &is, e))
            return false;
    } else if (!definition_explains(k->v, t, &is, e)) {
        return false;
    } else if (is != DEFINITION_GONE) {
        struct err why = *e;

        return err_set(e, ERR_SERVER_TABLE_CHANGED, "%s", why.message);
    }
    if (is == DEFINITION_OTHER)
        return err_set(e, ERR_SERVER_TABLE_CHANGED, "'%s' changed while it was compared", t->key);
    if (is == DEFINITION_GONE)
        say_gone(k->v, t);
    else
        say_verdict(k->v, t);
    return true;
}

static void check_tables(void *arg)
{
    struct checker *k = arg;
    struct verification *v = k->v;
    struct backoff backoff = {0};
    struct check_table *t;

    while (!verification_is_stopping(v) && (t = take_table(v)) != NULL) {
        struct err e = ERR_INIT;

        component_table(v->c, "verification", t->key, "comparing", 0, t->rows_total, NULL);
        if (settle_one(k, t, &e)) {
            put_table(v, t, CHECK_DONE, NULL);
            backoff.tries = 0;
            continue;
        }
        disconnect(k);
        if (err_class_of(e.code) != ERR_CLASS_RETRY) {
            put_table(v, t, CHECK_WAITING, &e);
            break;
        }
        put_table(v, t, CHECK_WAITING, NULL);
        if (verification_is_stopping(v))
            break;
        log_err(LOG_WARN, "verification.retry", &e);
        component_error(v->c, &e);
        if (!component_backoff(v->c, &backoff))
            break;
        component_error(v->c, NULL);
    }
    disconnect(k);
    txn_set_fini(&k->passed);
}

static bool all_done(struct verification *v)
{
    bool all = true;

    pthread_mutex_lock(&v->lock);
    for (size_t i = 0; i < v->tables.n; i++)
        all &= v->tables.at[i]->state == CHECK_DONE;
    pthread_mutex_unlock(&v->lock);
    return all;
}

static void show(struct verification *v, struct mono began)
{
    uint64_t done = 0, total = 0;
    int64_t ms = mono_ms_between(began, clock_mono());
    double rate;

    for (size_t i = 0; i < v->tables.n; i++) {
        const struct check_table *t = v->tables.at[i];
        uint64_t d = atomic_load(&t->rows_done);

        done += d;
        total += t->state == CHECK_DONE || t->rows_total < d ? d : t->rows_total;
    }
    rate = ms > 0 ? (double)done * 1000 / (double)ms : 0;
    component_progress(v->c, "verification", "rows", done, total, rate,
                       rate > 0 ? (int64_t)((double)(total - done) / rate) : -1);
}

static bool run_workers(struct verification *v, struct err *e)
{
    struct checker *k = must_calloc(v->n_workers, sizeof *k);
    struct mono began = clock_mono();
    bool ok = true;

    for (uint32_t i = 0; ok && i < v->n_workers; i++) {
        k[i].v = v;
        txn_set_init(&k[i].passed);
        ok = thread_start(&k[i].thread, "compare", check_tables, &k[i], e);
    }
    while (ok && !all_done(v) && !verification_is_stopping(v)) {
        show(v, began);
        (void)component_wait(v->c, SHOW_MS); /* a stop is seen by verification_is_stopping */
    }
    pthread_mutex_lock(&v->lock);
    v->stopping = true;
    pthread_mutex_unlock(&v->lock);
    for (uint32_t i = 0; i < v->n_workers; i++)
        thread_join(&k[i].thread);
    free(k);
    show(v, began);
    if (v->error.code != ERR_NONE) {
        *e = v->error;
        return false;
    }
    return ok;
}

static bool wanted(const Oms__ComponentLive *live, const char *key)
{
    for (size_t i = 0; live && i < live->n_verify_tables; i++)
        if (strcmp(live->verify_tables[i], key) == 0)
            return true;
    return !live || live->n_verify_tables == 0;
}

static bool load_one(struct verification *v, struct session *s, const struct table_name *name,
                     const Oms__ComponentLive *live, struct err *e)
{
    const struct catalog_ops *cat = v->source->catalog;
    const char *key = transform_table_key(&v->arena, name->db, name->name);
    const struct table_def *def = NULL;
    struct check_table *t;
    uint64_t bytes = 0, rows = 0;

    if (!wanted(live, key))
        return true;
    if (!cat->load_table(s, name->db, name->name, &def, e) ||
        !cat->estimate(s, name->db, name->name, &rows, &bytes, e)) {
        table_def_unref(def);
        if (e->code != ERR_SERVER_NO_OBJECT)
            return err_wrap(e, "read the definition of '%s'", key);
        err_clear(e); /* dropped since the list was made */
        return true;
    }
    t = must_calloc(1, sizeof *t);
    t->key = key;
    t->rows_total = rows;
    vec_push(&v->tables, t);
    return definition_take(v, t, def, e);
}

static bool load_tables(struct verification *v, const Oms__ComponentLive *live, struct err *e)
{
    const struct catalog_ops *cat = v->source->catalog;
    struct table_name *names = NULL;
    struct session *s = NULL;
    size_t n = 0;
    bool ok;

    if (!cat->connect(&v->source_at, &s, e))
        return err_wrap(e, "connect to the source");
    ok = cat->list_tables(s, transform_filter, (void *)v->scope, &v->arena, &names, &n, e);
    for (size_t i = 0; ok && i < n; i++)
        ok = load_one(v, s, &names[i], live, e);
    cat->close(s);
    return ok;
}

static void drop_tables(struct verification *v)
{
    for (size_t i = 0; i < v->tables.n; i++) {
        table_def_unref(v->tables.at[i]->there);
        table_def_unref(v->tables.at[i]->def);
        free(v->tables.at[i]);
    }
    vec_fini(&v->tables);
}

/* One round: every verdict is said once, fresh; nothing of an earlier round counts. */
static bool run_round(struct verification *v, const Oms__ComponentLive *live, struct err *e)
{
    bool ok;

    v->stopping = false;
    component_step_begin(v->c, "verification");
    ok = load_tables(v, live, e) && run_workers(v, e);
    if (ok && all_done(v)) {
        component_metric(v->c, "verification.round",
                         live && live->has_verify_round ? (double)live->verify_round : 0);
        component_step_done(v->c, "verification");
    }
    drop_tables(v);
    return ok;
}

static uint64_t round_of(const Oms__ComponentLive *live)
{
    return live && live->has_verify_round ? live->verify_round : 0;
}

static bool run_rounds(struct verification *v, struct err *e)
{
    bool first = true, ok = true;
    uint64_t last = 0;

    while (ok && !component_stopping(v->c)) {
        Oms__ComponentLive *live = component_live(v->c);

        if (first || round_of(live) > last) {
            ok = run_round(v, live, e);
            last = round_of(live);
            first = false;
        }
        component_live_free(live);
        if (ok && component_wait(v->c, 1000))
            break;
    }
    return ok || component_stopping(v->c);
}

bool verification_run(struct component *c, struct err *e)
{
    const Oms__ComponentFixed *fixed = component_spec(c)->fixed;
    const Oms__VerificationOptions *o = fixed->verification;
    struct verification v = {.c = c, .n_workers = o && o->has_workers ? o->workers : 1};
    bool ok;

    v.incr_task = fixed->incr_task && *fixed->incr_task ? fixed->incr_task : NULL;
    v.store_id = fixed->store_id && *fixed->store_id ? fixed->store_id : NULL;
    arena_init(&v.arena, 0);
    pthread_mutex_init(&v.lock, NULL);
    ok = component_address(c, fixed->source->id, &v.source_at, &v.source, e) &&
         endpoint_first(v.source, &v.source_at, e) &&
         component_address(c, fixed->target->id, &v.target_at, &v.target, e) &&
         transform_scope(fixed->scope, &v.arena, &v.scope, e) && run_rounds(&v, e);
    pthread_mutex_destroy(&v.lock);
    arena_fini(&v.arena);
    return ok;
}
