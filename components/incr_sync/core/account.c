/* Row accounting. See account.h. */
#include "components/incr_sync/core/account.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"

void account_begin(struct account *a)
{
    a->rows.n = 0;
    a->last = 0;
}

void account_fini(struct account *a)
{
    vec_fini(&a->rows);
}

static struct account_row *row_of(struct account *a, const struct sync_table *t)
{
    if (a->last < a->rows.n && a->rows.at[a->last].table == t)
        return &a->rows.at[a->last];
    for (a->last = 0; a->last < a->rows.n; a->last++)
        if (a->rows.at[a->last].table == t)
            return &a->rows.at[a->last];
    vec_push(&a->rows, ((struct account_row){.table = t}));
    return &a->rows.at[a->last];
}

void account_met(struct account *a, const struct sync_table *t)
{
    row_of(a, t)->source++;
}

void account_sent(struct account *a, const struct sync_table *t)
{
    row_of(a, t)->sent++;
}

void account_skipped(struct account *a, const struct sync_table *t)
{
    row_of(a, t)->skipped++;
}

bool account_agrees(const struct account *a, uint64_t sent, uint64_t merged, struct err *e)
{
    uint64_t all_source = 0, all_sent = 0;

    for (size_t i = 0; i < a->rows.n; i++) {
        const struct account_row *r = &a->rows.at[i];

        if (r->sent > r->source || r->skipped > r->sent)
            return err_set(e, ERR_BUG,
                           "table '%s': %" PRIu64 " changes, %" PRIu64 " operations, %" PRIu64
                           " skipped",
                           r->table->key, r->source, r->sent, r->skipped);
        all_source += r->source;
        all_sent += r->sent;
    }
    return (all_sent == sent && all_source == sent + merged) ||
           err_set(e, ERR_BUG,
                   "%" PRIu64 " changes became %" PRIu64 " operations; %" PRIu64 " and %" PRIu64
                   " merged were counted",
                   all_source, all_sent, sent, merged);
}

static struct account_total *total_of(struct account_book *b, const char *table)
{
    size_t from = 0, to = b->tables.n;

    while (from < to) {
        size_t mid = (from + to) / 2;

        if (strcmp(b->tables.at[mid].table, table) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    if (from < b->tables.n && strcmp(b->tables.at[from].table, table) == 0)
        return &b->tables.at[from];
    vec_push(&b->tables, (struct account_total){0});
    memmove(&b->tables.at[from + 1], &b->tables.at[from],
            (b->tables.n - 1 - from) * sizeof *b->tables.at);
    b->tables.at[from] = (struct account_total){.table = must_strdup(table)};
    return &b->tables.at[from];
}

void account_book_add(struct account_book *b, const struct account *a)
{
    for (size_t i = 0; i < a->rows.n; i++) {
        const struct account_row *r = &a->rows.at[i];
        struct account_total *t = total_of(b, r->table->key);

        t->source += r->source;
        t->applied += r->sent - r->skipped;
        t->merged += r->source - r->sent;
        t->skipped += r->skipped;
    }
}

void account_book_fini(struct account_book *b)
{
    for (size_t i = 0; i < b->tables.n; i++)
        free(b->tables.at[i].table);
    vec_fini(&b->tables);
}
