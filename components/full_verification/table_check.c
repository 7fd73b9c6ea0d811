/*
 * One table's comparison. Tables with a key: chunk by chunk, digests first, rows where they
 * disagree. Tables without: one digest of everything, which does not depend on order, so duplicates
 * count.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/log/log.h"
#include "components/convert/translate.h"
#include "components/full_verification/verification_priv.h"
#include "components/record/value_text.h"

#define CHUNK_ROWS 20000
#define CLOSE_ROWS 4000 /* rows compared at once where digests disagree: bounds memory */
#define ROUNDS 3        /* the log is asked of what still disagrees */
#define ROUNDS_KEYLESS 5
#define KEYS_MAX (256u << 20)
#define BATCH_BYTES (1u << 20)
#define KEY_SHOWN 40 /* bytes of a key's part */

struct collect {
    struct check_table *t;
    const struct reader_ops *ops;
    const struct read_rows *also;
    bool of_source;
    struct side *side;
    struct buf key;
};

static bool collect_rows(void *arg, struct rows *batch, struct err *e)
{
    struct collect *c = arg;
    bool ok = true;

    for (uint32_t i = 0; ok && i < batch->n; i++) {
        struct view row = rows_at(batch, i);

        buf_clear(&c->key);
        ok = c->ops->bound_of(c->t->def, batch->encoding, row, &c->key, e);
        if (ok)
            side_add(c->side, (struct view){c->key.p, c->key.len}, row);
        if (ok && c->also)
            c->also->each(c->also->arg, c->of_source, (struct view){c->key.p, c->key.len}, row);
    }
    rows_free(batch);
    if (ok && !buf_ok(&c->side->keys))
        return err_set(e, ERR_LIMIT, "keys of one chunk of '%s' need more than %u bytes", c->t->key,
                       KEYS_MAX);
    return ok;
}

static bool read_side(struct reader *r, const struct table_def *def, struct key_range range,
                      struct collect *c, struct err *e)
{
    bool ok;

    side_clear(c->side);
    buf_init(&c->key, 1u << 20);
    ok = c->ops->read(r, def, range, ROWS_MYSQL_TEXT, BATCH_BYTES, collect_rows, c, e);
    buf_fini(&c->key);
    return ok;
}

bool read_source(struct checker *k, struct check_table *t, struct key_range range,
                 struct side *side, const struct read_rows *also, struct err *e)
{
    struct collect c = {
        .t = t, .ops = k->v->source->reader, .also = also, .of_source = true, .side = side};

    return read_side(k->source, t->def, range, &c, e);
}

bool read_target(struct checker *k, struct check_table *t, struct key_range range,
                 struct side *side, const struct read_rows *also, struct err *e)
{
    struct collect c = {.t = t, .ops = k->v->target->reader, .also = also, .side = side};

    return read_side(k->target, t->there, range, &c, e);
}

/* One round on one range: source, its position, the wait, target. */
static bool read_both(struct checker *k, struct check_table *t, struct key_range range,
                      struct side *source, struct side *target, struct err *e)
{
    struct position p1 = {0};
    bool ok;

    txn_set_init(&p1.set);
    ok = read_source(k, t, range, source, NULL, e) && wait_until_passed(k, &p1, e) &&
         read_target(k, t, range, target, NULL, e);
    txn_set_fini(&p1.set);
    return ok;
}

/* column='value' of each part, as people read it; what is not text as its bytes. */
void put_key_text(struct buf *out, const struct table_def *t, struct view key)
{
    const struct key_def *k = &t->keys[t->row_key];
    struct cursor c = cursor_of(key.p, key.len);

    for (uint16_t i = 0; i < k->n_parts; i++) {
        struct view v = cursor_bytes(&c);
        size_t n = v.len < KEY_SHOWN ? v.len : KEY_SHOWN;

        buf_printf(out, "%s%s=", i ? "," : "", t->columns[k->parts[i].column].name);
        if (bytes_are_utf8(v.p, v.len) && !memchr(v.p, '\n', v.len)) {
            while (n < v.len && n > 0 && (v.p[n] & 0xc0) == 0x80)
                n--; /* whole letters */
            buf_printf(out, "'%.*s'", (int)n, (const char *)v.p);
        } else {
            buf_str(out, "0x");
            for (size_t b = 0; b < n; b++)
                buf_printf(out, "%02x", v.p[b]);
        }
        buf_str(out, n < v.len ? "..." : "");
    }
}

static void note_examples(struct check_table *t, const struct suspects *s)
{
    static const char *const words[] = {[SUSPECT_DIFFERENT] = "different",
                                        [SUSPECT_MISSING] = "missing",
                                        [SUSPECT_EXTRA] = "extra"};
    struct buf one CLEANUP(buf_fini);

    buf_init(&one, 1u << 16);
    for (size_t n = 0; n < s->list.n && t->n_examples < EXAMPLES_MAX; n++) {
        const struct suspect *x = &s->list.at[n];
        size_t at = strlen(t->examples);

        buf_clear(&one);
        buf_printf(&one, "%s%s ", at ? "; " : "", x->moved ? "moving" : words[x->kind]);
        put_key_text(&one, t->def, x->key);
        if (!buf_ok(&one) || one.len >= sizeof t->examples - at)
            return;
        memcpy(t->examples + at, buf_cstr(&one), one.len + 1);
        t->n_examples++;
    }
}

static bool compare_rows(struct checker *k, struct check_table *t, struct key_range range,
                         struct err *e)
{
    struct side source, target;
    struct suspects suspects;
    bool ok;

    side_init(&source, KEYS_MAX);
    side_init(&target, KEYS_MAX);
    suspects_init(&suspects, KEYS_MAX);
    ok = read_both(k, t, range, &source, &target, e);
    if (ok)
        suspects_find(&suspects, &source, &target);
    for (int round = 1; ok && round < ROUNDS && suspects.list.n > 0; round++) {
        ok = read_both(k, t, range, &source, &target, e);
        if (ok)
            suspects_again(&suspects, &source, &target);
    }
    ok = ok && (suspects.list.n == 0 || settle_by_log(k, t, range, &suspects, e));
    if (ok) {
        suspects_tally(&suspects, &t->tally);
        note_examples(t, &suspects);
    }
    side_fini(&source);
    side_fini(&target);
    suspects_fini(&suspects);
    return ok;
}

static bool digests_agree(struct checker *k, struct check_table *t, struct key_range range,
                          bool *agree, bool *source_moved, struct digest *first, struct err *e)
{
    struct digest a, b;
    struct position p1 = {0};
    bool ok;

    txn_set_init(&p1.set);
    ok = k->v->source->reader->digest(k->source, t->def, t->def, range, &a, e) &&
         wait_until_passed(k, &p1, e) &&
         k->v->target->reader->digest(k->target, t->there, t->def, range, &b, e);
    txn_set_fini(&p1.set);
    if (!ok)
        return false;
    *agree = digest_equal(&a, &b);
    *source_moved = !digest_equal(&a, first);
    *first = a;
    return true;
}

/* The range again in small steps, row by row. */
static bool look_close(struct checker *k, struct check_table *t, struct key_range range,
                       struct err *e)
{
    struct buf lo, hi;
    bool done = false, ok = true;

    buf_init(&lo, 1u << 20);
    buf_init(&hi, 1u << 20);
    buf_append(&lo, range.lo.p, range.lo.len);
    while (ok && !done) {
        struct key_range step = {{range.lo.p || lo.len ? lo.p : NULL, lo.len}, range.hi};

        buf_clear(&hi);
        ok = k->v->source->reader->next_bound(k->source, t->def, step, CLOSE_ROWS, &hi, &done, e);
        if (ok && !done)
            step.hi = (struct view){hi.p, hi.len};
        ok = ok && compare_rows(k, t, step, e);
        buf_clear(&lo);
        buf_append(&lo, hi.p, hi.len);
    }
    buf_fini(&lo);
    buf_fini(&hi);
    return ok;
}

static bool check_range(struct checker *k, struct check_table *t, struct key_range range,
                        struct err *e)
{
    struct digest first = {0};
    bool agree = false, moved;

    if (!digests_agree(k, t, range, &agree, &moved, &first, e))
        return false;
    atomic_fetch_add(&t->rows_done, first.rows);
    t->tally.rows += first.rows;
    return agree || look_close(k, t, range, e);
}

/* Do both sides put the keys in one order? Between families text gets another collation, and a
 * range would then hold other rows on the target. */
static bool same_order(const struct checker *k, const struct check_table *t)
{
    enum convert_way way = convert_way_of(k->v->source_at.kind, k->v->target_at.kind);
    const struct key_def *key = &t->def->keys[t->def->row_key];
    char name[64];

    for (uint16_t i = 0; i < key->n_parts; i++) {
        const char *collation = t->def->columns[key->parts[i].column].collation;
        if (strcmp(convert_collation(collation, way, name, NULL), collation) != 0)
            return false;
    }
    return true;
}

/* All of it in one range, which no order cuts. */
static bool check_uncut(struct checker *k, struct check_table *t, struct err *e)
{
    struct key_range all = {{NULL, 0}, {NULL, 0}};
    struct digest first = {0};
    bool agree = false, moved;

    if (!digests_agree(k, t, all, &agree, &moved, &first, e))
        return false;
    atomic_fetch_add(&t->rows_done, first.rows);
    t->tally.rows += first.rows;
    return agree || compare_rows(k, t, all, e);
}

/* The last range is open at the end, so that rows that only the target has are seen too. */
static bool check_keyed(struct checker *k, struct check_table *t, struct err *e)
{
    struct view open = {NULL, 0};
    struct buf lo, hi;
    bool done = false, ok = true;

    if (!same_order(k, t))
        return check_uncut(k, t, e);
    buf_init(&lo, 1u << 20);
    buf_init(&hi, 1u << 20);
    while (ok && !done) {
        struct key_range range = {lo.len ? (struct view){lo.p, lo.len} : open, open};

        if (verification_is_stopping(k->v)) {
            ok = err_set(e, ERR_CANCELLED, "told to stop");
            break;
        }
        buf_clear(&hi);
        ok = k->v->source->reader->next_bound(k->source, t->def, range, CHUNK_ROWS, &hi, &done, e);
        if (ok && !done)
            range.hi = (struct view){hi.p, hi.len};
        ok = ok && check_range(k, t, range, e);
        buf_clear(&lo);
        buf_append(&lo, hi.p, hi.len);
    }
    buf_fini(&lo);
    buf_fini(&hi);
    return ok;
}

static bool check_keyless(struct checker *k, struct check_table *t, struct err *e)
{
    struct key_range all = {{NULL, 0}, {NULL, 0}};
    struct digest source = {0};
    bool agree = false, moved, ever_moved = false;

    for (int round = 0; round < ROUNDS_KEYLESS && !agree; round++) {
        if (!digests_agree(k, t, all, &agree, &moved, &source, e))
            return false;
        ever_moved |= round > 0 && moved;
    }
    atomic_store(&t->rows_done, source.rows);
    t->tally.rows = source.rows;
    if (!agree && ever_moved) {
        t->tally.moving = 1;
        snprintf(t->log_why, sizeof t->log_why, "a table without a key has no rows to ask for");
    } else if (!agree) {
        t->tally.different = 1;
    }
    return true;
}

bool table_check(struct checker *k, struct check_table *t, struct err *e)
{
    t->tally = (struct tally){0};
    t->examples[0] = '\0';
    t->n_examples = 0;
    t->log_at[0] = t->log_why[0] = '\0';
    t->log_failures = t->log_shown = 0;
    atomic_store(&t->rows_done, 0);
    if (t->def->row_key >= 0 ? check_keyed(k, t, e) : check_keyless(k, t, e))
        return true;
    return err_wrap(e, "compare '%s'", t->key);
}
