/* Tables in the report: row accounting, and forgetting a step's; see component.h. */
#include <stdlib.h>
#include <string.h>

#include "components/runtime/runtime_priv.h"

void tables_forget(struct component *c, const char *step)
{
    size_t kept = 0;

    for (size_t i = 0; i < c->tables.n; i++) {
        struct table_row *r = &c->tables.at[i];

        if (strcmp(r->step, step) != 0) {
            c->tables.at[kept++] = *r;
            continue;
        }
        free(r->step);
        free(r->table);
        free(r->state);
        free(r->detail);
    }
    c->tables.n = kept;
}

void component_row_counts(struct component *c, struct wall since, const struct component_rows *rows,
                          size_t n)
{
    pthread_mutex_lock(&c->lock);
    c->rows_since = since;
    for (size_t i = 0; i < n; i++) {
        if (i == c->row_counts.n)
            vec_push(&c->row_counts, (struct component_rows){0});
        struct component_rows *r = &c->row_counts.at[i];
        char *table = (char *)r->table;
        if (!table || strcmp(table, rows[i].table) != 0) {
            free(table);
            table = must_strdup(rows[i].table);
        }
        *r = rows[i];
        r->table = table;
    }
    pthread_mutex_unlock(&c->lock);
}

void rows_build(const struct component *c, struct arena *a, Oms__ComponentReport *out)
{
    if (c->row_counts.n == 0)
        return;
    out->has_rows_since_us = 1;
    out->rows_since_us = c->rows_since.us;
    out->row_counts = arena_calloc(a, c->row_counts.n, sizeof *out->row_counts);
    for (size_t i = 0; i < c->row_counts.n; i++) {
        const struct component_rows *r = &c->row_counts.at[i];
        Oms__RowCounts *o = arena_alloc(a, sizeof *o);
        oms__row_counts__init(o);
        o->table = arena_strdup(a, r->table);
        o->has_source = o->has_applied = o->has_merged = o->has_skipped = 1;
        o->source = r->source;
        o->applied = r->applied;
        o->merged = r->merged;
        o->skipped = r->skipped;
        out->row_counts[out->n_row_counts++] = o;
    }
}

void rows_fini(struct component *c)
{
    for (size_t i = 0; i < c->row_counts.n; i++)
        free((char *)c->row_counts.at[i].table);
    vec_fini(&c->row_counts);
}
