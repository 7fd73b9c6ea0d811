#include "components/incr_sync/conflict.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "components/incr_sync/sync_priv.h"

#define RECORD_TEXT_MAX (4u << 20)

enum { TEXT_KEY, TEXT_BEFORE, TEXT_AFTER, TEXT_REASON };

enum conflict_policy conflict_policy_of(const char *text)
{
    if (text && strcmp(text, "source-wins") == 0)
        return CONFLICT_SOURCE_WINS;
    return text && strcmp(text, "skip-and-record") == 0 ? CONFLICT_SKIP : CONFLICT_STOP;
}

static bool is_about(const struct conflict_book *b, struct txn_id id)
{
    return b->id.origin == id.origin && b->id.seq == id.seq;
}

uint32_t conflict_round(const struct conflict_book *b, struct txn_id id)
{
    return is_about(b, id) ? b->round : 0;
}

void conflict_choose(struct conflict_book *b, struct txn_id id, uint64_t at, enum conflict_fix fix)
{
    if (!is_about(b, id)) {
        b->id = id;
        b->round = 0;
        b->choices.n = 0;
    }
    b->round++;
    if (fix == FIX_NONE)
        return;
    for (size_t i = 0; i < b->choices.n; i++)
        if (b->choices.at[i].at == at) {
            b->choices.at[i].fix = fix;
            return;
        }
    vec_push(&b->choices, ((struct conflict_choice){at, fix}));
}

void conflict_case_init(struct conflict_case *c, enum conflict_policy policy,
                        const struct conflict_book *book)
{
    c->policy = policy;
    c->book = book;
    for (size_t i = 0; i < ARRAY_LEN(c->text); i++)
        buf_init(&c->text[i], RECORD_TEXT_MAX);
}

void conflict_case_fini(struct conflict_case *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->text); i++)
        buf_fini(&c->text[i]);
    vec_fini(&c->skips);
}

void conflict_case_begin(struct conflict_case *c, const struct source_txn *t,
                         const struct txn_table *tables, uint32_t n_tables,
                         const struct write *writes, uint64_t first)
{
    c->txn = t;
    c->tables = tables;
    c->n_tables = n_tables;
    c->writes = writes;
    c->first = first;
    c->overruled = 0;
    c->skips.n = 0;
    c->open = false;
}

static const struct sync_table *table_of(const struct conflict_case *c, const struct write *w)
{
    for (uint32_t k = 0; k < c->n_tables; k++)
        if (c->tables[k].table->plan == w->table)
            return c->tables[k].table;
    return NULL;
}

static enum conflict_fix wanted(const struct conflict_case *c, const struct conflict *x)
{
    uint64_t at = c->first + x->at;

    for (size_t i = 0; is_about(c->book, c->txn->id) && i < c->book->choices.n; i++)
        if (c->book->choices.at[i].at == at && !x->third &&
            (x->can_win || c->book->choices.at[i].fix == FIX_SKIP))
            return c->book->choices.at[i].fix;
    if (c->policy == CONFLICT_SOURCE_WINS && x->can_win)
        return FIX_SOURCE_WINS;
    return c->policy == CONFLICT_SKIP && x->of_row ? FIX_SKIP : FIX_NONE;
}

static const char *reason(struct conflict_case *c, const struct conflict *x)
{
    struct buf *b = &c->text[TEXT_REASON];

    buf_clear(b);
    if (x->error)
        buf_printf(b, "target's error %d: %s", x->error, x->text);
    else
        buf_printf(b, "%s", x->text);
    if (x->third)
        buf_str(b, "; another row of the target holds a unique value of the source's row: it is "
                   "never deleted");
    return buf_cstr(b);
}

static const char *image(struct buf *b, const struct sync_table *t, const struct write *w,
                         struct view row, size_t shown)
{
    buf_clear(b);
    if (row.p)
        evidence_row(t->def, w->has_absent, row, shown, b);
    return buf_cstr(b);
}

static const char *key(struct conflict_case *c, const struct sync_table *t, const struct write *w)
{
    struct buf *b = &c->text[TEXT_KEY];

    buf_clear(b);
    evidence_key(t->def, w->has_absent, w->before.p ? w->before : w->after, b);
    return buf_cstr(b);
}

static void make_record(struct conflict_case *c, const struct conflict *x,
                        const struct sync_table *t, struct skipped *r)
{
    const struct write *w = &c->writes[x->at];

    *r = (struct skipped){.txid = txn_text(c->txn->id, c->id),
                          .n = c->first + x->at,
                          .table = t->key,
                          .op = evidence_op(w->op),
                          .row_key = key(c, t, w),
                          .before = image(&c->text[TEXT_BEFORE], t, w, w->before, RECORD_SHOWN),
                          .after = image(&c->text[TEXT_AFTER], t, w, w->after, RECORD_SHOWN),
                          .target_row = x->row[0]         ? x->row
                                        : x->image_row[0] ? x->image_row
                                                          : x->holder,
                          .reason = reason(c, x)};
    log_event(LOG_WARN, "incr_sync.skipped", "%s, change %" PRIu64 ", %s of %s where %s: %s",
              r->txid, r->n + 1, r->op, r->table, r->row_key, r->reason);
}

static void put_evidence(struct conflict_case *c, const struct conflict *x,
                         const struct sync_table *t)
{
    const struct write *w = &c->writes[x->at];
    char id[TXN_TEXT_MAX];
    struct buf b;

    buf_init(&b, sizeof c->evidence - 1);
    buf_printf(&b, "transaction %s", txn_text(c->txn->id, id));
    if (c->txn->native.len > 0)
        buf_printf(&b, " (%.*s)", (int)c->txn->native.len, (const char *)c->txn->native.p);
    /* counted from 1, as `oms store dump` does */
    buf_printf(&b, ", change %" PRIu64 ": %s of %s (%s.%s on the target) where %s; ",
               c->first + x->at + 1, evidence_op(w->op), t->key, t->to_db, t->to_name,
               key(c, t, w));
    buf_str(&b, reason(c, x));
    if (w->before.p)
        buf_printf(&b, "; the source's row before: (%s)",
                   image(&c->text[TEXT_BEFORE], t, w, w->before, EVIDENCE_SHOWN));
    if (w->after.p)
        buf_printf(&b, "; the source's row after: (%s)",
                   image(&c->text[TEXT_AFTER], t, w, w->after, EVIDENCE_SHOWN));
    buf_printf(&b, "; the target's row: %s", x->row[0] ? x->row : "none");
    if (x->image_row[0])
        buf_printf(&b, "; the target's row under the new key: %s", x->image_row);
    if (x->holder[0])
        buf_printf(&b, "; the target's row that holds a unique value of it: %s", x->holder);
    snprintf(c->evidence, sizeof c->evidence, "%s", buf_cstr(&b));
    buf_fini(&b);
}

enum conflict_fix conflict_ask(void *arg, const struct conflict *x, struct skipped *record)
{
    struct conflict_case *c = arg;
    const struct sync_table *t = table_of(c, &c->writes[x->at]);
    enum conflict_fix fix = t ? wanted(c, x) : FIX_NONE;

    c->open = fix == FIX_NONE;
    /* Asked in the order of the writes: an earlier one again means that the group begins anew. */
    while (c->skips.n > 0 && c->skips.at[c->skips.n - 1].at >= x->at)
        c->skips.n--;
    switch (fix) {
    case FIX_SOURCE_WINS:
        c->overruled++;
        break;
    case FIX_SKIP:
        c->overruled -= x->third && c->overruled > 0;
        vec_push(&c->skips, ((struct conflict_skip){x->at, t}));
        make_record(c, x, t, record);
        break;
    case FIX_NONE:
        c->overruled -= x->third && c->overruled > 0;
        c->at = c->first + x->at;
        c->can_win = x->can_win;
        if (t)
            put_evidence(c, x, t);
        break;
    }
    return fix;
}

void conflict_count(const struct conflict_case *c, struct account *a)
{
    for (size_t i = 0; i < c->skips.n; i++)
        account_skipped(a, c->skips.at[i].table);
}
