/* Records: transactions in parts, runs of changes, DDL, heartbeats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "test/lib/log_records.h"

static struct view text(const char *s)
{
    return (struct view){(const uint8_t *)s, strlen(s)};
}

static void assert_view(struct view v, const char *want)
{
    assert_int_equal(v.len, strlen(want));
    assert_memory_equal(v.p, want, v.len);
}

static const struct table_def *tables[3];
static const struct table_def *resolve(void *arg, uint32_t id)
{
    (void)arg;
    return id < ARRAY_LEN(tables) ? tables[id] : NULL;
}

static int set_up(void **state)
{
    (void)state;
    tables[1] = log_table(1, "a");
    tables[2] = log_table(2, "b");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    table_def_unref(tables[1]);
    table_def_unref(tables[2]);
    return 0;
}

static const struct change plan[] = {
    /* the images are said by number */
    {.table = NULL, .op = CHANGE_INSERT},
    {.table = NULL, .op = CHANGE_INSERT},
    {.table = NULL, .op = CHANGE_UPDATE, .flags = CHANGE_F_NO_FK},
    {.table = NULL, .op = CHANGE_UPDATE, .flags = CHANGE_F_NO_FK, .image = IMAGE_MINIMAL},
    {.table = NULL, .op = CHANGE_DELETE},
    {.table = NULL, .op = CHANGE_DELETE},
};

static void put_image(struct txn_writer *w, size_t i, bool after)
{
    size_t mark = txn_image_begin(w);

    for (size_t k = 0; k < i * 50 + after; k++)
        buf_u8(w->out, (uint8_t)(i * 2 + after));
    txn_image_end(w, mark);
}

static void check_image(struct view v, size_t i, bool after)
{
    assert_int_equal(v.len, i * 50 + after);
    for (size_t k = 0; k < v.len; k++)
        assert_int_equal(v.p[k], (uint8_t)(i * 2 + after));
}

static void write_plan(struct txn_writer *w)
{
    for (size_t i = 0; i < ARRAY_LEN(plan); i++) {
        txn_write_change(w, i < 5 ? 1 : 2, plan[i].op, plan[i].flags, plan[i].image);
        if (plan[i].op != CHANGE_INSERT)
            put_image(w, i, false);
        if (plan[i].op != CHANGE_DELETE)
            put_image(w, i, true);
    }
}

static struct txn_head whole_head(void)
{
    return (struct txn_head){.id = {origin_intern("mariadb:0", 9), 77},
                             .covers_from = 70,
                             .commit = {-5},
                             .part = 3,
                             .flags = TXN_F_XA,
                             .server_id = 9,
                             .server_uuid = text("uuid"),
                             .xid = text("x\0d"),
                             .native = text("bin.1:4")};
}

static void check_head(const struct txn_head *h, uint32_t flags)
{
    assert_ptr_equal(h->id.origin, origin_intern("mariadb:0", 9));
    assert_int_equal(h->id.seq, 77);
    assert_int_equal(h->covers_from, 70);
    assert_true(h->commit.us == -5);
    assert_int_equal(h->part, 3);
    assert_int_equal(h->flags, flags);
    assert_int_equal(h->server_id, 9);
    assert_view(h->server_uuid, "uuid");
    assert_view(h->native, "bin.1:4");
}

static void changes_come_back_in_order_with_their_images(void **state)
{
    struct txn_head h = whole_head();
    struct txn_writer w;
    struct change_iter it;
    struct change c;
    struct record r;
    struct cursor all, body;
    struct buf b;
    size_t i = 0;

    (void)state;
    buf_init(&b, 1 << 20);
    txn_writer_init(&w, &b);
    txn_write_begin(&w, RECORD_TXN, &h);
    write_plan(&w);
    txn_write_end(&w);
    assert_int_equal(w.n_changes, ARRAY_LEN(plan));
    all = cursor_of(b.p, b.len);
    assert_true(record_next(&all, &r));
    assert_int_equal(r.type, RECORD_TXN);
    body = cursor_of(r.body.p, r.body.len);
    assert_true(txn_head_read(&body, &h));
    check_head(&h, TXN_F_XA | TXN_F_LAST);
    change_iter_init(&it, (struct view){body.p, cursor_left(&body)}, resolve, NULL);
    for (; change_next(&it, &c); i++) {
        assert_ptr_equal(c.table, tables[i < 5 ? 1 : 2]);
        assert_int_equal(c.op, plan[i].op);
        assert_int_equal(c.flags, plan[i].flags);
        assert_int_equal(c.image, plan[i].image);
        assert_int_equal(c.before.p == NULL, c.op == CHANGE_INSERT);
        assert_int_equal(c.after.p == NULL, c.op == CHANGE_DELETE);
        if (c.before.p)
            check_image(c.before, i, false);
        if (c.after.p)
            check_image(c.after, i, true);
    }
    assert_false(it.c.failed);
    assert_int_equal(i, ARRAY_LEN(plan));
    assert_false(record_next(&all, &r));
    assert_false(all.failed);
    buf_fini(&b);
}

static void an_open_part_can_become_the_last_and_back(void **state)
{
    (void)state;
    for (int last = 0; last < 2; last++) {
        struct txn_head h = whole_head();
        struct txn_writer w;
        struct cursor all, body;
        struct record r;
        struct buf b;

        buf_init(&b, 1 << 20);
        txn_writer_init(&w, &b);
        txn_write_begin(&w, last ? RECORD_TXN_PART : RECORD_TXN, &h);
        txn_write_set_last(&w, last);
        txn_write_end(&w);
        all = cursor_of(b.p, b.len);
        assert_true(record_next(&all, &r));
        assert_int_equal(r.type, last ? RECORD_TXN : RECORD_TXN_PART);
        body = cursor_of(r.body.p, r.body.len);
        assert_true(txn_head_read(&body, &h));
        check_head(&h, TXN_F_XA | (last ? TXN_F_LAST : 0));
        buf_fini(&b);
    }
}

static void a_ddl_keeps_the_session_it_ran_in(void **state)
{
    struct ddl_record d = {.sql = text("ALTER TABLE `t` ADD x INT"),
                           .default_db = text("shop"),
                           .sql_mode = 0x1234567890,
                           .charset_client = 45,
                           .collation_connection = 255,
                           .collation_server = 8,
                           .time_zone = text("+02:00"),
                           .vars = {(const uint8_t *)"\0\1", 2},
                           .db = text("shop"),
                           .table = text("t"),
                           .n_tables = 3,
                           .ddl_kind = DDL_ALTER_TABLE,
                           .in_scope = true},
                      back;
    struct txn_head h = whole_head();
    struct cursor all, body;
    struct record r;
    struct buf b;

    (void)state;
    h.flags |= TXN_F_LAST;
    buf_init(&b, 1 << 20);
    record_write_ddl(&b, &h, &d);
    all = cursor_of(b.p, b.len);
    assert_true(record_next(&all, &r));
    assert_int_equal(r.type, RECORD_DDL);
    body = cursor_of(r.body.p, r.body.len);
    assert_true(txn_head_read(&body, &h) && ddl_record_read(&body, &back));
    assert_int_equal(cursor_left(&body), 0);
    assert_view(back.sql, "ALTER TABLE `t` ADD x INT");
    assert_view(back.default_db, "shop");
    assert_true(back.sql_mode == d.sql_mode && back.charset_client == 45 &&
                back.collation_connection == 255 && back.collation_server == 8);
    assert_view(back.time_zone, "+02:00");
    assert_memory_equal(back.vars.p, "\0\1", 2);
    assert_view(back.table, "t");
    assert_int_equal(back.n_tables, 3);
    assert_int_equal(back.ddl_kind, DDL_ALTER_TABLE);
    assert_true(back.in_scope);
    buf_fini(&b);
}

/* The changes of a record that was cut or changed: refused, or walked to some end within bounds. */
static bool walks_to_its_end(const uint8_t *p, size_t n)
{
    struct cursor all = cursor_of(p, n);
    struct record r;

    while (record_next(&all, &r)) {
        struct cursor body = cursor_of(r.body.p, r.body.len);
        struct change_iter it;
        struct txn_head h;
        struct change c;

        if (!txn_head_read(&body, &h))
            return false;
        change_iter_init(&it, (struct view){body.p, cursor_left(&body)}, resolve, NULL);
        while (change_next(&it, &c))
            continue;
        if (it.c.failed)
            return false;
    }
    return !all.failed;
}

static void a_ddl_names_its_tables_and_spans_outside_its_text_are_refused(void **state)
{
    struct ddl_record d = {.sql = text("DROP TABLE a"), .n_tables = 1, .flags = DDL_F_READ}, back;
    struct ddl_table t = {.db = text("d"), .name = text("a"), .at = 11, .len = 1, .version = 7};
    struct txn_head h = whole_head();
    struct cursor all, body, c;
    struct record r;

    (void)state;
    for (uint32_t len = 1; len <= 2; len++) {
        struct buf b, list;

        buf_init(&b, 1 << 20);
        buf_init(&list, 1 << 20);
        t.len = len;
        ddl_table_put(&list, &t);
        d.tables = (struct view){list.p, list.len};
        h = whole_head();
        h.flags = 0;
        record_write_ddl(&b, &h, &d);
        all = cursor_of(b.p, b.len);
        assert_true(record_next(&all, &r));
        assert_int_equal(r.type, RECORD_DDL_PART);
        body = cursor_of(r.body.p, r.body.len);
        assert_true(txn_head_read(&body, &h));
        assert_int_equal(ddl_record_read(&body, &back), len == 1);
        if (len == 1) {
            c = cursor_of(back.tables.p, back.tables.len);
            assert_true(ddl_table_next(&c, &t));
            assert_view(t.name, "a");
            assert_int_equal(t.version, 7);
            assert_false(ddl_table_next(&c, &t));
        }
        buf_fini(&b);
        buf_fini(&list);
        t.name = text("a");
        t.db = text("d");
    }
}

static void cut_records_are_refused(void **state)
{
    struct txn_head h = whole_head();
    struct txn_writer w;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    txn_writer_init(&w, &b);
    txn_write_begin(&w, RECORD_TXN, &h);
    write_plan(&w);
    txn_write_end(&w);
    for (size_t cut = 1; cut < b.len; cut++) {
        uint8_t *exact = malloc(cut);

        memcpy(exact, b.p, cut);
        assert_false(walks_to_its_end(exact, cut));
        free(exact);
    }
    assert_true(walks_to_its_end(b.p, b.len));
    buf_fini(&b);
}

static void a_change_of_an_unknown_table_fails(void **state)
{
    struct txn_head h = whole_head();
    struct txn_writer w;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    txn_writer_init(&w, &b);
    txn_write_begin(&w, RECORD_TXN, &h);
    txn_write_change(&w, 9, CHANGE_INSERT, 0, IMAGE_FULL);
    put_image(&w, 1, true);
    txn_write_end(&w);
    assert_false(walks_to_its_end(b.p, b.len));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_come_back_in_order_with_their_images),
        cmocka_unit_test(an_open_part_can_become_the_last_and_back),
        cmocka_unit_test(a_ddl_keeps_the_session_it_ran_in),
        cmocka_unit_test(a_ddl_names_its_tables_and_spans_outside_its_text_are_refused),
        cmocka_unit_test(cut_records_are_refused),
        cmocka_unit_test(a_change_of_an_unknown_table_fails),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
