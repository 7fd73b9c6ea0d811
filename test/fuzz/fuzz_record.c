/* Records, as a damaged or foreign log could have them: every walk ends, inside its bytes; what can
 * be read can be written and read again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/record/txn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TABLES 16
static const struct table_def *tables[TABLES];

static const struct table_def *resolve(void *arg, uint32_t id)
{
    (void)arg;
    return tables[id % TABLES];
}

static void learn(struct cursor *body)
{
    const struct table_def *t = NULL, *again = NULL;
    struct err e = ERR_INIT;
    struct cursor c;
    struct buf b;

    if (!table_def_decode(body, &t, &e))
        return;
    buf_init(&b, 64u << 20);
    table_def_encode(t, &b);
    must(buf_ok(&b));
    c = cursor_of(b.p, b.len);
    must(table_def_decode(&c, &again, &e) && table_def_same_rows(t, again));
    table_def_unref(again);
    buf_fini(&b);
    table_def_unref(tables[t->id % TABLES]);
    tables[t->id % TABLES] = t;
}

/* A row that can be split is written again to the same bytes, but for the order of varints' forms.
 */
static void split(const struct change *c, struct view row)
{
    struct value *v = must_calloc(c->table->n_columns + 1u, sizeof *v);
    bool has_absent = c->flags & CHANGE_F_ABSENT;

    if (row.p && row_read(c->table, ROWS_CANONICAL, has_absent, row, v))
        for (uint16_t i = 0; i < c->table->n_columns; i++)
            if (v[i].state == VALUE_SET)
                must(v[i].p >= row.p && v[i].p + v[i].len <= row.p + row.len);
    if (row.p && !row_read(c->table, ROWS_MYSQL_TEXT, has_absent, row, v))
        must(row.len < 1u << 30);
    free(v);
}

static void walk_changes(struct cursor *body)
{
    struct change_iter it;
    struct txn_head h;
    struct change c;

    if (!txn_head_read(body, &h))
        return;
    must(h.covers_from <= h.id.seq);
    change_iter_init(&it, (struct view){body->p, cursor_left(body)}, resolve, NULL);
    while (change_next(&it, &c)) {
        split(&c, c.before);
        split(&c, c.after);
    }
}

static void walk_ddl(struct cursor *body)
{
    struct ddl_record d;
    struct txn_head h;

    if (txn_head_read(body, &h) && ddl_record_read(body, &d))
        must(d.sql.len <= (size_t)(body->end - body->start));
}

static void walk_set(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(data, size);
    struct txn_set s, again;
    struct err e = ERR_INIT;
    struct buf b;

    if (!txn_set_decode(&c, &s, &e))
        return;
    buf_init(&b, 64u << 20);
    txn_set_encode(&s, &b);
    c = cursor_of(b.p, b.len);
    must(txn_set_decode(&c, &again, &e) && txn_set_equal(&s, &again));
    txn_set_fini(&again);
    txn_set_fini(&s);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c;
    struct record r;

    if (size == 0)
        return 0;
    if (data[0] & 0x80)
        walk_set(data + 1, size - 1);
    c = cursor_of(data + 1, size - 1);
    while (record_next(&c, &r)) {
        struct cursor body = cursor_of(r.body.p, r.body.len);

        if (r.type == RECORD_TABLE_VERSION)
            learn(&body);
        else if (r.type == RECORD_DDL)
            walk_ddl(&body);
        else if (r.type != RECORD_HEARTBEAT)
            walk_changes(&body);
    }
    for (size_t i = 0; i < TABLES; i++) {
        table_def_unref(tables[i]);
        tables[i] = NULL;
    }
    return 0;
}
