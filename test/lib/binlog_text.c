/* Binlog files as lines (binlog_text.h). */
#include "test/lib/binlog_text.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/binlog/mysql_gtid.h"
#include "components/endpoint/mysql/binlog/payload.h"
#include "components/endpoint/mysql/binlog/query.h"
#include "components/endpoint/mysql/binlog/rows_event.h"
#include "test/lib/row_text.h"

#define BYTES_MAX (64u << 20)
#define MAPS_MAX 4

static const struct collation all[] = {
    {8, 1, "latin1_swedish_ci", "latin1"},
    {33, 3, "utf8mb3_general_ci", "utf8mb3"},
    {45, 4, "utf8mb4_general_ci", "utf8mb4"},
    {46, 4, "utf8mb4_bin", "utf8mb4"},
    {63, 1, "binary", "binary"},
    {255, 4, "utf8mb4_0900_ai_ci", "utf8mb4"},
};
const struct collations binlog_text_collations = {all, ARRAY_LEN(all)};

struct telling {
    struct binlog_format format;
    struct inflater z;
    struct buf scratch, records, *out;
    struct arena arena;
    const struct table_def *table; /* of the rows being read */
    struct told_map {
        uint64_t id;
        const struct table_def *table;
        struct rows_plan plan;
    } maps[MAPS_MAX];
    size_t n_maps, next_map; /* the oldest one makes room */
    struct payload payload;
};

static const struct table_def *resolve(void *arg, uint32_t id)
{
    struct telling *t = arg;

    return t->table && t->table->id == id ? t->table : NULL;
}

static void put_changes(struct telling *t)
{
    static const char *const ops[] = {
        [CHANGE_INSERT] = "INSERT", [CHANGE_UPDATE] = "UPDATE", [CHANGE_DELETE] = "DELETE"};
    struct cursor c = cursor_of(t->records.p, t->records.len);
    struct record r;
    struct txn_head h;
    struct change_iter it;
    struct change ch;

    must(record_next(&c, &r));
    struct cursor body = cursor_of(r.body.p, r.body.len);
    must(txn_head_read(&body, &h));
    change_iter_init(&it, (struct view){body.p, cursor_left(&body)}, resolve, t);
    while (change_next(&it, &ch)) {
        bool absent = ch.flags & CHANGE_F_ABSENT;
        buf_printf(t->out, "%s %s.%s ", ops[ch.op], ch.table->db, ch.table->name);
        if (ch.before.p) {
            row_text(ch.table, absent, ch.before, t->out);
            buf_str(t->out, " ");
        }
        buf_str(t->out, "=>");
        if (ch.after.p) {
            buf_str(t->out, " ");
            row_text(ch.table, absent, ch.after, t->out);
        }
        buf_str(t->out, "\n");
    }
    must(!it.c.failed);
}

static bool tell_rows(struct telling *t, const struct binlog_header *h, struct view body,
                      struct err *e)
{
    struct txn_head head = {.id = {origin_intern("test", 4), 1}, .covers_from = 1};
    struct rows_event r;
    struct txn_writer w;

    struct told_map *m = NULL;

    if (!rows_event_open(&t->format, h, body, &t->z, &t->scratch, &r, e))
        return false;
    for (size_t i = 0; i < t->n_maps; i++)
        if (t->maps[i].id == r.table_id)
            m = &t->maps[i];
    if (!m)
        return err_set(e, ERR_LOG_DAMAGED, "rows without a map");
    t->table = m->table;
    buf_clear(&t->records);
    txn_writer_init(&w, &t->records);
    txn_write_begin(&w, RECORD_TXN, &head);
    if (!rows_decode(&r, &m->plan, &t->z, &w, BYTES_MAX, e))
        return false;
    txn_write_end(&w);
    put_changes(t);
    return true;
}

static void forget(struct told_map *m)
{
    rows_plan_fini(&m->plan);
    table_def_unref(m->table);
    *m = (struct told_map){.id = 0};
}

static bool tell_map(struct telling *t, struct view body, struct err *e)
{
    const struct table_def *const models[2] = {NULL, NULL};
    struct told_map *to = NULL;
    struct table_map m;

    arena_reset(&t->arena);
    if (!table_map_read(&t->format, body, &t->arena, &m, e))
        return false;
    for (size_t i = 0; i < t->n_maps; i++)
        if (t->maps[i].id == m.table_id)
            to = &t->maps[i];
    if (!to) {
        to = &t->maps[t->next_map];
        t->next_map = (t->next_map + 1) % MAPS_MAX;
        t->n_maps += t->n_maps < MAPS_MAX;
    }
    forget(to);
    to->id = m.table_id;
    return map_build(&m, &binlog_text_collations, models, 1, &to->table, e) &&
           rows_plan_init(&to->plan, &m, to->table, e);
}

static bool tell_query(struct telling *t, const struct binlog_header *h, struct view body,
                       struct err *e)
{
    struct binlog_query q;

    if (!binlog_read_query(h, body, &t->z, &t->scratch, &q, e))
        return false;
    buf_printf(t->out, "QUERY %.*s: %.*s\n", (int)q.db.len, (const char *)q.db.p, (int)q.sql.len,
               (const char *)q.sql.p);
    return true;
}

static bool tell_mysql_gtid(struct telling *t, const struct binlog_header *h, struct view body,
                            struct err *e)
{
    struct binlog_mysql_gtid g;

    if (!binlog_read_mysql_gtid(h, body, &g, e))
        return false;
    buf_printf(t->out, "GTID %s %" PRIu64 " in %" PRIu64 "\n", mysql_gtid_origin(g.uuid, g.tag),
               g.seq, g.length);
    return true;
}

static bool tell_previous(struct telling *t, struct view body, struct err *e)
{
    struct txn_set set;

    txn_set_init(&set);
    bool ok = mysql_gtid_set_read(body, &set, e);
    buf_str(t->out, "PREVIOUS_GTIDS ");
    ok = ok && mysql_gtid_set_text(&set, t->out, e);
    buf_str(t->out, "\n");
    txn_set_fini(&set);
    return ok;
}

static bool tell(struct telling *t, const struct binlog_header *h, struct view body, struct err *e);

static bool tell_payload(struct telling *t, struct view body, struct err *e)
{
    struct binlog_format inner = t->format;
    struct binlog_header h;
    struct view event, inside;
    bool got;

    inner.has_crc = false;
    buf_str(t->out, "PAYLOAD\n");
    if (!payload_open(&t->payload, body, e))
        return false;
    for (;;) {
        if (!payload_next(&t->payload, &event, &got, e))
            return false;
        if (!got)
            return true;
        if (!binlog_event_open(&inner, event, &h, &inside, e) || !tell(t, &h, inside, e))
            return false;
    }
}

static bool tell(struct telling *t, const struct binlog_header *h, struct view body, struct err *e)
{
    struct binlog_gtid g;

    if (binlog_is_rows(h->type))
        return tell_rows(t, h, body, e);
    if (binlog_is_mysql_gtid(h->type))
        return tell_mysql_gtid(t, h, body, e);
    switch (h->type) {
    case BINLOG_FORMAT:
        return binlog_read_format(body, &t->format, e);
    case BINLOG_TABLE_MAP:
        return tell_map(t, body, e);
    case BINLOG_QUERY:
    case BINLOG_QUERY_COMPRESSED:
        return tell_query(t, h, body, e);
    case BINLOG_TRANSACTION_PAYLOAD:
        return tell_payload(t, body, e);
    case BINLOG_PREVIOUS_GTIDS:
        return tell_previous(t, body, e);
    case BINLOG_MARIADB_GTID:
        if (!binlog_read_gtid(h, body, &g, e))
            return false;
        buf_printf(t->out, "GTID %u-%u-%" PRIu64 "\n", g.domain, g.server_id, g.seq);
        return true;
    default:
        buf_printf(t->out, "%s\n", binlog_type_name(h->type));
        return true;
    }
}

static bool tell_all(struct telling *t, struct view bytes, struct err *e)
{
    struct binlog_header h;
    struct view body;

    for (size_t at = 4; at < bytes.len;) {
        uint32_t size = 0;
        if (bytes.len - at >= BINLOG_HEADER_SIZE)
            memcpy(&size, bytes.p + at + 9, sizeof size);
        if (size < BINLOG_HEADER_SIZE || size > bytes.len - at)
            return err_set(e, ERR_LOG_DAMAGED, "the file ends in an event at %zu", at);
        if (!binlog_event_open(&t->format, (struct view){bytes.p + at, size}, &h, &body, e) ||
            !tell(t, &h, body, e))
            return err_wrap(e, "at %zu", at);
        at += size;
    }
    return true;
}

bool binlog_text(struct view bytes, struct buf *out, struct err *e)
{
    struct telling t = {.out = out};

    binlog_format_init(&t.format);
    arena_init(&t.arena, 0);
    buf_init(&t.scratch, BYTES_MAX);
    buf_init(&t.records, BYTES_MAX);
    payload_init(&t.payload, BYTES_MAX);
    bool ok = tell_all(&t, bytes, e);
    for (size_t i = 0; i < t.n_maps; i++)
        forget(&t.maps[i]);
    inflater_fini(&t.z);
    payload_fini(&t.payload);
    buf_fini(&t.scratch);
    buf_fini(&t.records);
    arena_fini(&t.arena);
    return ok;
}

struct view binlog_text_file(const char *path)
{
    FILE *f = fopen(path, "re");

    must(f && fseek(f, 0, SEEK_END) == 0);
    size_t n = (size_t)ftell(f);
    rewind(f);
    uint8_t *p = must_alloc(n);
    must(fread(p, 1, n, f) == n);
    fclose(f);
    return (struct view){p, n};
}

const char *binlog_text_of(const char *path, struct buf *out)
{
    struct view v = binlog_text_file(path);
    struct err e = ERR_INIT;

    buf_init(out, 64u << 20);
    if (!binlog_text(v, out, &e))
        fail_msg("%s", e.message);
    free((void *)(uintptr_t)v.p);
    return buf_cstr(out);
}
