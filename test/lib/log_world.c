/* Reading a source's log in tests (log_world.h). */
#include "test/lib/log_world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/os/clock.h"
#include "test/lib/row_text.h"

#define OUT_MAX (256u << 20)
#define END_MS 30000

bool only_w(void *arg, const char *db, const char *table)
{
    (void)arg;
    (void)table;
    return strcmp(db, "w") == 0;
}

void fresh_w(const char *create)
{
    run("DROP DATABASE IF EXISTS w");
    run("DROP DATABASE IF EXISTS other");
    run("CREATE DATABASE w CHARACTER SET utf8mb4");
    run("CREATE DATABASE other");
    run("USE w");
    if (create)
        run(create);
}

int reading_start(void **state)
{
    (void)state;
    one_server_start(7);
    run("SET sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'");
    return 0;
}

void reading_init(struct reading *r)
{
    *r = (struct reading){.next_table_id = 1};
    txn_set_init(&r->after);
    check(mysql_log_ops.executed(root, NULL, &r->after, e));
}

void reading_fini(struct reading *r)
{
    txn_set_fini(&r->after);
    for (size_t i = 0; i < r->versions.n; i++)
        table_def_unref(r->versions.at[i]);
    for (size_t i = 0; i < r->rows.n; i++)
        buf_fini(&r->rows.at[i].image);
    vec_fini(&r->versions);
    vec_fini(&r->rows);
    vec_fini(&r->ddl);
}

bool reading_open(struct reading *r, const struct asked *a, struct log **l, struct err *e)
{
    static struct endpoint_address address;

    address = mariadb_address(&server);
    struct log_params p = {.address = &address,
                           .after = &r->after,
                           .after_native = "",
                           .server_id = a->server_id ? a->server_id : 4711,
                           .heartbeat_ms = 200,
                           .filter = a->filter,
                           .next_table_id = r->next_table_id,
                           .known = r->versions.at,
                           .n_known = r->versions.n,
                           .part_bytes = a->part_bytes,
                           .spill_dir = server.dir};
    return mysql_log_ops.open(&p, l, e);
}

const struct table_def *version(struct reading *r, const char *name)
{
    for (size_t i = r->versions.n; i-- > 0;)
        if (strcmp(r->versions.at[i]->name, name) == 0)
            return r->versions.at[i];
    return NULL;
}

static bool is_at_end(const struct reading *r, const struct txn_set *end, uint32_t open_xa)
{
    struct txn_set left;

    if (txn_set_has_places(end)) { /* they come in their order */
        const char *origin = end->origins.at[0].origin;
        return txn_set_last(&r->after, origin) >= txn_set_last(end, origin);
    }
    txn_set_copy(&left, end);
    txn_set_subtract(&left, &r->after);
    bool done = txn_set_count(&left) <= open_xa;
    txn_set_fini(&left);
    return done;
}

static const struct table_def *resolve(void *arg, uint32_t id)
{
    struct reading *r = arg;

    for (size_t i = 0; i < r->versions.n; i++)
        if (r->versions.at[i]->id == id)
            return r->versions.at[i];
    return NULL;
}

/* --- replay -------------------------------------------------------------------------------------
 */

static int32_t key_of(const struct table_def *t, struct view row)
{
    struct value values[256];
    int32_t key;

    assert_true(t->n_columns <= ARRAY_LEN(values));
    assert_true(row_read(t, ROWS_CANONICAL, false, row, values));
    assert_int_equal(values[0].len, sizeof key);
    memcpy(&key, values[0].p, sizeof key);
    return key;
}

static struct kept_row *find_row(struct reading *r, const char *table, int32_t key)
{
    for (size_t i = 0; i < r->rows.n; i++)
        if (r->rows.at[i].key == key && strcmp(r->rows.at[i].table, table) == 0)
            return &r->rows.at[i];
    return NULL;
}

static void take_away(struct reading *r, const char *table, const struct change *c)
{
    struct kept_row *row = find_row(r, table, key_of(c->table, c->before));

    if (!row || row->table_id != c->table->id || row->image.len != c->before.len ||
        memcmp(row->image.p, c->before.p, c->before.len) != 0)
        fail_msg("the before image of key %d of %s is not the row that is there",
                 key_of(c->table, c->before), table);
    buf_fini(&row->image);
    *row = r->rows.at[--r->rows.n];
}

static void put_in(struct reading *r, const char *table, const struct change *c)
{
    struct kept_row row = {.key = key_of(c->table, c->after), .table_id = c->table->id};

    (void)snprintf(row.table, sizeof row.table, "%s", table);
    assert_null(find_row(r, table, row.key));
    buf_init(&row.image, OUT_MAX);
    buf_append(&row.image, c->after.p, c->after.len);
    vec_push(&r->rows, row);
}

static void replay(struct reading *r, struct view changes)
{
    struct change_iter it;
    struct change c;
    char table[80];

    change_iter_init(&it, changes, resolve, r);
    while (change_next(&it, &c)) {
        r->changes++;
        if (r->each && c.after.p)
            r->each(r->each_arg, r->at, key_of(c.table, c.after));
        if (r->any)
            continue;
        assert_int_equal(c.image, IMAGE_FULL);
        (void)snprintf(table, sizeof table, "%.30s.%.40s", c.table->db, c.table->name);
        if (c.before.p)
            take_away(r, table, &c);
        if (c.after.p)
            put_in(r, table, &c);
    }
    assert_false(it.c.failed);
}

static void take_ddl(struct reading *r, const struct txn_head *h, struct cursor *body)
{
    struct kept_ddl kept = {.seq = h->id.seq, .commit_us = h->commit.us};
    struct ddl_record d;

    assert_true(ddl_record_read(body, &d));
    (void)snprintf(kept.sql, sizeof kept.sql, "%.*s", (int)d.sql.len, (const char *)d.sql.p);
    (void)snprintf(kept.table, sizeof kept.table, "%.*s.%.*s", (int)d.db.len, (const char *)d.db.p,
                   (int)d.table.len, (const char *)d.table.p);
    kept.kind = d.ddl_kind;
    kept.sql_mode = d.sql_mode;
    kept.flags = d.flags;
    vec_push(&r->ddl, kept);
}

/* Nothing comes twice, and nothing is left out but identities of open prepares: what comes covers
 * all from the one before on. */
static void assert_covers(struct reading *r, const struct txn_head *h)
{
    struct txn_set covered;

    txn_set_init(&covered);
    txn_set_add(&covered, h->id.origin, h->covers_from, h->id.seq);
    txn_set_intersect(&covered, &r->after);
    assert_true(txn_set_is_empty(&covered));
    txn_set_fini(&covered);
    if (!r->has_holes)
        assert_int_equal(h->covers_from, txn_set_last(&r->after, h->id.origin) + 1);
}

static void take_txn(struct reading *r, const struct record *rec)
{
    struct cursor body = cursor_of(rec->body.p, rec->body.len);
    struct txn_head h;
    bool last = rec->type != RECORD_TXN_PART && rec->type != RECORD_DDL_PART;

    assert_true(txn_head_read(&body, &h));
    assert_int_equal(last, (h.flags & TXN_F_LAST) != 0);
    assert_covers(r, &h);
    r->at = h.id.seq;
    if (rec->type == RECORD_DDL || rec->type == RECORD_DDL_PART)
        take_ddl(r, &h, &body);
    else
        replay(r, (struct view){body.p, cursor_left(&body)});
    r->parts += h.part > 0;
    r->filtered += (h.flags & TXN_F_FILTERED) != 0;
    r->in_parts = !last;
    if (!last)
        return;
    r->txns++;
    txn_set_add(&r->after, h.id.origin, h.covers_from, h.id.seq);
}

static void take_version(struct reading *r, const struct record *rec)
{
    struct cursor body = cursor_of(rec->body.p, rec->body.len);
    const struct table_def *t;

    check(table_def_decode(&body, &t, e));
    assert_int_equal(t->id, r->next_table_id);
    r->next_table_id++;
    vec_push(&r->versions, t);
}

static void take_records(struct reading *r, const struct buf *out)
{
    struct cursor c = cursor_of(out->p, out->len);
    struct record rec;

    while (record_next(&c, &rec))
        if (rec.type == RECORD_TABLE_VERSION)
            take_version(r, &rec);
        else
            take_txn(r, &rec);
    assert_false(c.failed);
}

/* --- reading ------------------------------------------------------------------------------------
 */

bool reading_go(struct reading *r, struct log *l, const struct asked *a, struct err *why)
{
    struct mono until = mono_add_ms(clock_mono(), END_MS);
    struct txn_set end;
    struct buf out;
    bool ok = true;

    txn_set_init(&end);
    check(mysql_log_ops.executed(root, NULL, &end, e));
    buf_init(&out, OUT_MAX);
    while (ok && !is_at_end(r, &end, a->open_xa)) {
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("the log did not come to its end");
        buf_clear(&out);
        ok = mysql_log_ops.read(l, &out, a->want_bytes ? a->want_bytes : 1u << 20, 100, &r->last,
                                why);
        if (!ok)
            break;
        take_records(r, &out);
        assert_int_equal(r->last.inside_txn, r->in_parts);
    }
    buf_fini(&out);
    txn_set_fini(&end);
    return ok;
}

void read_to_end(struct reading *r, const struct asked *a)
{
    struct log *l = NULL;

    check(reading_open(r, a, &l, e));
    check(reading_go(r, l, a, e));
    mysql_log_ops.close(l);
}

void assert_stops(struct reading *r, const struct asked *a, enum err_code code, const char *text)
{
    struct err e = ERR_INIT;
    struct log *l = NULL;

    bool ok = reading_open(r, a, &l, &e) && reading_go(r, l, a, &e);
    mysql_log_ops.close(l);
    if (ok)
        fail_msg("it did not stop");
    if (e.code != code || !strstr(e.message, text))
        fail_msg("it stopped with %s: %s", err_name(e.code), e.message);
}

static int by_key(const void *a, const void *b)
{
    const struct kept_row *x = a, *y = b;

    return x->key < y->key ? -1 : x->key > y->key;
}

struct shown { /* by a reader, while they are held against the log's rows */
    struct reading *r;
    const struct table_def *t;
    char table[80];
    size_t n;
};

static const struct kept_row *kept_of(const struct shown *s, int32_t key)
{
    for (size_t i = 0; i < s->r->rows.n; i++)
        if (s->r->rows.at[i].key == key && strcmp(s->r->rows.at[i].table, s->table) == 0)
            return &s->r->rows.at[i];
    return NULL;
}

static void assert_same_values(const struct table_def *t, const struct value *log,
                               const struct value *shown)
{
    for (uint16_t i = 0; i < t->n_columns; i++) {
        if (!mysql_reader_ops.is_read(t, i))
            continue;
        if (log[i].state != shown[i].state || log[i].len != shown[i].len ||
            (log[i].len > 0 && memcmp(log[i].p, shown[i].p, log[i].len) != 0))
            fail_msg("column '%s' (%s): the log and a reader show two values", t->columns[i].name,
                     t->columns[i].native);
    }
}

static bool compare_shown(void *arg, struct rows *batch, struct err *why)
{
    struct shown *s = arg;
    struct value *log = calloc(s->t->n_columns, sizeof *log),
                 *shown = calloc(s->t->n_columns, sizeof *shown);
    struct buf canonical CLEANUP(buf_fini);

    buf_init(&canonical, OUT_MAX);
    for (uint32_t i = 0; i < batch->n; i++, s->n++) {
        int32_t key;

        buf_clear(&canonical);
        check(mysql_reader_ops.canonical_of(s->t, rows_at(batch, i), &canonical, e));
        assert_true(row_read(s->t, ROWS_CANONICAL, false, (struct view){canonical.p, canonical.len},
                             shown));
        memcpy(&key, shown[0].p, sizeof key);
        const struct kept_row *k = kept_of(s, key);
        assert_non_null(k);
        assert_true(row_read(resolve(s->r, k->table_id), ROWS_CANONICAL, false,
                             (struct view){k->image.p, k->image.len}, log));
        assert_same_values(s->t, log, shown);
    }
    free(log);
    free(shown);
    rows_free(batch);
    (void)why;
    return true;
}

/* What a reader selects, in canonical form, is what the log has: verification holds one against the
 * other. */
static void assert_read_same(struct reading *r, const char *db, const char *name, size_t rows)
{
    struct endpoint_address address = mariadb_address(&server);
    struct shown s = {.r = r, .t = load_def(db, name)};
    struct reader *reader;

    (void)snprintf(s.table, sizeof s.table, "%.30s.%.40s", db, name);
    check(mysql_reader_ops.open(&address, &reader, e));
    check(mysql_reader_ops.read(reader, s.t, (struct key_range){{NULL, 0}, {NULL, 0}},
                                ROWS_MYSQL_TEXT, 1 << 20, compare_shown, &s, e));
    assert_int_equal(s.n, rows);
    mysql_reader_ops.close(reader);
    table_def_unref(s.t);
}

void assert_same(struct reading *r, const char *db, const char *name)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;
    struct buf sql CLEANUP(buf_fini), mine CLEANUP(buf_fini);
    char table[80];
    size_t at = 0, shown = 0;

    buf_init(&sql, 1u << 20);
    buf_init(&mine, OUT_MAX);
    (void)snprintf(table, sizeof table, "%.30s.%.40s", db, name);
    qsort(r->rows.at, r->rows.n, sizeof *r->rows.at, by_key);
    const struct table_def *t = version(r, name);
    assert_non_null(t);
    buf_str(&sql, "SELECT ");
    row_text_sql(t, &sql);
    buf_printf(&sql, " FROM `%s`.`%s` ORDER BY `%s`", db, name, t->columns[0].name);
    check(session_query_buf(root, &sql, &res, e));
    for (MYSQL_ROW row; (row = mysql_fetch_row(res)); at++, shown++) {
        while (at < r->rows.n && strcmp(r->rows.at[at].table, table) != 0)
            at++;
        assert_true(at < r->rows.n);
        struct view image = {r->rows.at[at].image.p, r->rows.at[at].image.len};
        buf_clear(&mine);
        row_text_hex(resolve(r, r->rows.at[at].table_id), false, image, &mine);
        assert_string_equal(buf_cstr(&mine), row[0]);
    }
    while (at < r->rows.n && strcmp(r->rows.at[at].table, table) != 0)
        at++;
    assert_int_equal(at, r->rows.n);
    assert_read_same(r, db, name, shown);
}
