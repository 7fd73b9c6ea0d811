/* Events of a log: any bytes are decoded or refused, never read past their end; and what rows are
 * decoded to always has its table's form. Input: events as u8 type, u16 length, body. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/binlog/map_def.h"
#include "components/endpoint/mysql/binlog/mysql_gtid.h"
#include "components/endpoint/mysql/binlog/payload.h"
#include "components/endpoint/mysql/binlog/query.h"
#include "components/endpoint/mysql/binlog/rows_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS_MAX (1u << 20)

static const struct collation collations[] = {
    {8, 1, "latin1_swedish_ci", "latin1"},
    {45, 4, "utf8mb4_general_ci", "utf8mb4"},
    {63, 1, "binary", "binary"},
    {255, 4, "utf8mb4_0900_ai_ci", "utf8mb4"},
};
static const struct collations all = {collations, ARRAY_LEN(collations)};

struct fuzz {
    struct binlog_format format;
    struct inflater z;
    struct buf scratch, records, why;
    struct arena arena;
    const struct table_def *table;
    struct rows_plan plan;
    bool inside;
};

static const struct table_def *resolve(void *arg, uint32_t id)
{
    struct fuzz *f = arg;

    return f->table && f->table->id == id ? f->table : NULL;
}

static void check_image(const struct change *c, struct view image, struct value *values)
{
    if (image.p)
        must(row_read(c->table, ROWS_CANONICAL, c->flags & CHANGE_F_ABSENT, image, values));
}

static void check_records(struct fuzz *f)
{
    struct value *values = must_calloc(f->table->n_columns, sizeof *values);
    struct cursor c = cursor_of(f->records.p, f->records.len);
    struct change_iter it;
    struct change change;
    struct record r;
    struct txn_head h;

    must(record_next(&c, &r));
    struct cursor body = cursor_of(r.body.p, r.body.len);
    must(txn_head_read(&body, &h));
    change_iter_init(&it, (struct view){body.p, cursor_left(&body)}, resolve, f);
    while (change_next(&it, &change)) {
        check_image(&change, change.before, values);
        check_image(&change, change.after, values);
    }
    must(!it.c.failed && cursor_left(&c) == 0);
    free(values);
}

static void read_rows(struct fuzz *f, const struct binlog_header *h, struct view body)
{
    struct txn_head head = {.id = {origin_intern("fuzz", 4), 1}, .covers_from = 1};
    struct err e = ERR_INIT;
    struct rows_event r;
    struct txn_writer w;

    if (!f->table || !rows_event_open(&f->format, h, body, &f->z, &f->scratch, &r, &e))
        return;
    buf_clear(&f->records);
    txn_writer_init(&w, &f->records);
    txn_write_begin(&w, RECORD_TXN, &head);
    if (!rows_decode(&r, &f->plan, &f->z, &w, RECORDS_MAX / 2, &e))
        return;
    txn_write_end(&w);
    if (buf_ok(&f->records))
        check_records(f);
}

static void read_map(struct fuzz *f, struct view body)
{
    const struct table_def *const models[2] = {NULL, NULL};
    struct err e = ERR_INIT;
    struct table_map m;

    arena_reset(&f->arena);
    rows_plan_fini(&f->plan);
    table_def_unref(f->table);
    f->table = NULL;
    if (!table_map_read(&f->format, body, &f->arena, &m, &e) ||
        !map_build(&m, &all, models, 1, &f->table, &e))
        return;
    (void)map_matches(&m, &all, f->table, &f->why);
    if (!rows_plan_init(&f->plan, &m, f->table, &e)) {
        table_def_unref(f->table);
        f->table = NULL;
    }
}

static void read_small(struct fuzz *f, const struct binlog_header *h, struct view body)
{
    struct err e = ERR_INIT;
    struct binlog_format format;
    struct binlog_rotate rotate;
    struct binlog_gtid gtid;
    struct binlog_gtid_list list;
    struct binlog_mysql_gtid mysql;
    struct txn_set set;
    struct binlog_query query;
    struct binlog_xid xa;
    struct view file;
    uint64_t xid;
    bool one;

    (void)!binlog_read_format(body, &format, &e);
    (void)!binlog_read_rotate(body, &rotate, &e);
    (void)!binlog_read_gtid(h, body, &gtid, &e);
    (void)!binlog_read_mysql_gtid(h, body, &mysql, &e);
    txn_set_init(&set);
    (void)!mysql_gtid_set_read(body, &set, &e);
    txn_set_fini(&set);
    (void)!binlog_read_query(h, body, &f->z, &f->scratch, &query, &e);
    (void)!binlog_read_xa_prepare(body, &one, &xa, &e);
    (void)!binlog_read_heartbeat(h, body, &file, &e);
    (void)!binlog_read_xid(body, &xid, &e);
    if (binlog_read_gtid_list(body, &list, &e))
        while (binlog_gtid_list_next(&list, &gtid))
            continue;
}

static void read_event(struct fuzz *f, uint8_t type, struct view body);

static void read_payload(struct fuzz *f, struct view body)
{
    struct err e = ERR_INIT;
    struct payload p;
    struct view event;
    bool got;

    if (f->inside) /* the log refuses one in another */
        return;
    f->inside = true;
    payload_init(&p, RECORDS_MAX);
    if (payload_open(&p, body, &e))
        while (payload_next(&p, &event, &got, &e) && got)
            read_event(f, event.p[4],
                       (struct view){event.p + BINLOG_HEADER_SIZE, event.len - BINLOG_HEADER_SIZE});
    payload_fini(&p);
    f->inside = false;
}

static void read_event(struct fuzz *f, uint8_t type, struct view body)
{
    struct binlog_header h = {.type = type};

    if (binlog_is_rows(type))
        read_rows(f, &h, body);
    else if (type == BINLOG_TABLE_MAP)
        read_map(f, body);
    else if (type == BINLOG_TRANSACTION_PAYLOAD)
        read_payload(f, body);
    else
        read_small(f, &h, body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(data, size);
    struct fuzz f = {.table = NULL};
    struct binlog_header h;
    struct view body;
    struct err e = ERR_INIT;

    binlog_format_init(&f.format);
    f.format.is_mariadb = size % 2 == 0;
    arena_init(&f.arena, 0);
    buf_init(&f.scratch, RECORDS_MAX);
    buf_init(&f.records, RECORDS_MAX);
    buf_init(&f.why, 4096);
    (void)!binlog_event_open(&f.format, (struct view){data, size}, &h, &body, &e);
    while (!c.failed && cursor_left(&c) >= 3) {
        uint8_t type = cursor_u8(&c);
        struct view event = cursor_take(&c, cursor_u16(&c));
        if (!c.failed)
            read_event(&f, type, event);
    }
    rows_plan_fini(&f.plan);
    table_def_unref(f.table);
    inflater_fini(&f.z);
    buf_fini(&f.scratch);
    buf_fini(&f.records);
    buf_fini(&f.why);
    arena_fini(&f.arena);
    return 0;
}
