/* A project's steps, and what of it survives: tables, checks, objects. */
#include <stdlib.h>
#include <string.h>

#include "cm/core/cycle.h"

struct project *project_new(struct cluster *c, const char *name)
{
    struct project *p = must_calloc(1, sizeof *p);

    text_set(&p->named.key, name);
    p->verify_round = 1;
    p->version = 1;
    for (int k = 0; k < STEP_COUNT; k++) {
        text_set(&p->steps[k].error_code, "");
        text_set(&p->steps[k].error_message, "");
    }
    named_add(&c->projects, &p->named);
    return p;
}

static void table_free(struct table *t)
{
    free(t->named.key);
    free(t->copy);
    free(t->verification);
    free(t->schema);
    free(t->detail);
    free(t);
}

void project_free(struct project *p)
{
    for (int k = 0; k < STEP_COUNT; k++) {
        free(p->steps[k].error_code);
        free(p->steps[k].error_message);
        kept_fini(&p->steps[k].progress);
    }
    for (size_t i = 0; i < p->tables.n; i++)
        table_free((struct table *)p->tables.at[i]);
    named_fini(&p->tables);
    kept_fini(&p->file);
    kept_fini(&p->verify_tables);
    kept_fini(&p->stream_token);
    kept_fini(&p->copy_again);
    kept_fini(&p->checks);
    kept_fini(&p->objects);
    free(p->named.key);
    free(p);
}

bool project_copies(const struct project *p)
{
    const Oms__FullOptions *o = project_file(p)->full;

    return !o || !o->has_enabled || o->enabled;
}

bool step_is_over(enum step_state s)
{
    return s == STEP_DONE || s == STEP_SKIPPED;
}

void step_set(struct project *p, enum step_kind k, enum step_state s)
{
    struct step *st = &p->steps[k];

    st->state = s;
    st->dirty = true;
    text_set(&st->error_code, "");
    text_set(&st->error_message, "");
}

void step_fail(struct project *p, enum step_kind k, const char *code, const char *message)
{
    step_set(p, k, STEP_FAILED);
    text_set(&p->steps[k].error_code, code);
    text_set(&p->steps[k].error_message, message);
}

struct table *project_table(struct project *p, const char *name)
{
    struct table *t = (struct table *)named_find(&p->tables, name);

    if (t)
        return t;
    t = must_calloc(1, sizeof *t);
    text_set(&t->named.key, name);
    text_set(&t->copy, "");
    text_set(&t->verification, "");
    text_set(&t->schema, "");
    text_set(&t->detail, "");
    named_add(&p->tables, &t->named);
    return t;
}

/* A verdict counts in the round that compared it: one of an older round may still be in reports. */
static bool take_verdict(struct table *t, const Oms__TableProgress *r, bool whole_round)
{
    if (whole_round || text_is(r->state, "comparing"))
        t->compared = true;
    if (!t->compared)
        return false;
    bool changed = text_set(&t->verification, r->state);
    return text_set(&t->detail, r->detail) || changed;
}

static bool take_copy(struct table *t, const Oms__TableProgress *r)
{
    t->rows_done = r->done;
    t->rows_total = r->total;
    return text_set(&t->copy, r->state);
}

void detail_tables(struct project *p, const Oms__ComponentReport *r, bool verification_open,
                   bool whole_round)
{
    for (size_t i = 0; i < r->n_tables; i++) {
        const Oms__TableProgress *in = r->tables[i];
        enum step_kind k = step_from_name(in->step);
        if (k == STEP_NONE || text_is(in->table, ""))
            continue;
        struct table *t = project_table(p, in->table);
        if (k == STEP_FULL)
            p->tables_dirty |= take_copy(t, in);
        else if (k == STEP_VERIFICATION && verification_open)
            p->tables_dirty |= take_verdict(t, in, whole_round);
        else if (k == STEP_SCHEMA)
            p->tables_dirty |= text_set(&t->schema, in->state);
    }
}

static bool is_in_round(const Oms__ComponentLive *tables, const char *name)
{
    for (size_t i = 0; tables && i < tables->n_verify_tables; i++)
        if (text_is(tables->verify_tables[i], name))
            return true;
    return !tables || tables->n_verify_tables == 0;
}

void detail_new_round(struct project *p, const Oms__ComponentLive *tables)
{
    p->verify_round++;
    kept_set(&p->verify_tables, tables ? &tables->base : NULL);
    for (size_t i = 0; i < p->tables.n; i++) {
        struct table *t = (struct table *)p->tables.at[i];
        if (!is_in_round(tables, t->named.key))
            continue;
        t->compared = false;
        text_set(&t->verification, "");
        text_set(&t->detail, "");
        p->tables_dirty = true;
    }
    p->named.dirty = true;
}

static bool is_same_object(const Oms__ObjectView *a, const Oms__ObjectView *b)
{
    return text_is(a->type, b->type) && text_is(a->name, b->name);
}

/* What a later task says of an object replaces what an earlier one said; the rest stays. */
static void merge_objects(struct project *p, const Oms__TaskOutcome *o)
{
    const Oms__DetailRow *had = (const Oms__DetailRow *)p->objects.m;
    Oms__DetailRow row = OMS__DETAIL_ROW__INIT;
    size_t n_had = had ? had->n_objects : 0;

    row.objects = must_calloc(n_had + o->n_objects + 1, sizeof(void *));
    for (size_t i = 0; i < n_had; i++) {
        bool replaced = false;
        for (size_t j = 0; j < o->n_objects && !replaced; j++)
            replaced = is_same_object(had->objects[i], o->objects[j]);
        if (!replaced)
            row.objects[row.n_objects++] = had->objects[i];
    }
    for (size_t j = 0; j < o->n_objects; j++)
        row.objects[row.n_objects++] = o->objects[j];
    kept_set(&p->objects, &row.base);
    free(row.objects);
    p->objects_dirty = true;
}

void detail_outcome(struct project *p, enum step_kind k, const Oms__TaskOutcome *o)
{
    if (k == STEP_PRECHECK) {
        Oms__DetailRow row = OMS__DETAIL_ROW__INIT;
        row.checks = o->checks;
        row.n_checks = o->n_checks;
        kept_set(&p->checks, &row.base);
        p->checks_dirty = true;
        return;
    }
    if (k == STEP_SCHEMA) {
        kept_set(&p->objects, NULL);
        p->objects_dirty = true;
    }
    if (o->n_objects > 0)
        merge_objects(p, o);
}
