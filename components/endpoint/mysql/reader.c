/*
 * Rows that exist: snapshots, chunk bounds, rows in batches, digests. SQL comes from sqltext.c.
 * Rows are streamed (mysql_use_result), one copy from the client library's buffer into the batch;
 * nothing is allocated per row. Bounds are compared by the server alone.
 *
 * When the caller refuses a batch, the rest of the result is not read: the connection is cut, and
 * the reader answers only errors of class RETRY until it is closed. Full copy and verification call
 * this. Thread: one at a time per reader.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/reader_priv.h"
#include "components/endpoint/mysql/session.h"
#include "components/endpoint/mysql/session_watch.h"
#include "components/endpoint/mysql/snapshot.h"
#include "components/endpoint/mysql/sqltext.h"
#include "components/endpoint/mysql/text_value.h"

#define SQL_MAX (8u << 20)
/* A batch may grow beyond the wanted size by one row, and a row is at most 1 GB in the protocol. */
#define BATCH_MAX (2047u << 20)

static bool reader_open(const struct endpoint_address *a, struct reader **out, struct err *e)
{
    struct session *s;

    if (!session_open(a, SESSION_READ, &s, e))
        return false;
    struct reader *r = must_calloc(1, sizeof *r);
    r->s = s;
    r->address = *a;
    buf_init(&r->sql, SQL_MAX);
    *out = r;
    return true;
}

static void reader_close(struct reader *r)
{
    if (!r)
        return;
    session_close(r->s);
    session_close(r->look);
    buf_fini(&r->sql);
    free(r);
}

bool reader_usable(const struct reader *r, struct err *e)
{
    return !r->cut || err_set(e, ERR_SERVER_UNREACHABLE,
                              "the connection %s was cut after an abandoned read", r->s->where);
}

/* --- positions ----------------------------------------------------------------------------------
 */

static bool reader_position_now(struct reader *r, struct position *pos, struct err *e)
{
    return reader_usable(r, e) && snapshot_log_end(r->s, pos, e);
}

static bool reader_position_past(struct reader *r, struct position *pos, struct err *e)
{
    return reader_usable(r, e) && snapshot_past(r->s, pos, e);
}

static bool reader_begin_snapshot(struct reader *r, struct position *pos, bool *exact,
                                  struct err *e)
{
    return reader_usable(r, e) && snapshot_open(r->s, pos, exact, e);
}

static bool reader_begin_table_snapshot(struct reader *r, const struct table_def *t,
                                        struct position *pos, bool *exact, struct err *e)
{
    return reader_usable(r, e) && snapshot_open_of(r->s, &r->address, t, pos, exact, e);
}

static bool reader_end_snapshot(struct reader *r, struct err *e)
{
    return reader_usable(r, e) && session_exec(r->s, "ROLLBACK", e);
}

/* --- bounds -------------------------------------------------------------------------------------
 */

/* The row's columns, in key order, in bound form. No row: *found false. */
static bool fetch_bound(struct reader *r, const struct table_def *t, struct buf *bound, bool *found,
                        struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    if (!session_query_buf(r->s, &r->sql, &res, e))
        return err_wrap(e, "find a chunk of table '%s.%s'", t->db, t->name);
    MYSQL_ROW row = mysql_fetch_row(res);
    *found = row != NULL;
    if (!row)
        return true;
    const unsigned long *len = mysql_fetch_lengths(res);
    buf_clear(bound);
    for (unsigned i = 0; i < mysql_num_fields(res); i++) {
        if (!row[i])
            return err_set(e, ERR_CORRUPT, "key '%s' of table '%s.%s' holds a NULL",
                           sqltext_key(t)->name, t->db, t->name);
        buf_bytes(bound, row[i], len[i]);
    }
    return buf_ok(bound) || err_set(e, ERR_LIMIT, "a bound of table '%s.%s' is larger than %zu",
                                    t->db, t->name, bound->max);
}

static bool bound_query(struct reader *r, const struct table_def *t, struct key_range range,
                        struct err *e)
{
    buf_clear(&r->sql);
    buf_str(&r->sql, "SELECT ");
    sqltext_key_values(&r->sql, t);
    sqltext_from(&r->sql, t);
    return sqltext_where(&r->sql, t, range, e);
}

/* The greatest key: the order turned round. */
static bool last_bound(struct reader *r, const struct table_def *t, struct key_range range,
                       struct buf *bound, struct err *e)
{
    bool found;

    if (!bound_query(r, t, range, e))
        return false;
    sqltext_order_reverse(&r->sql, t);
    buf_str(&r->sql, " LIMIT 1");
    if (!fetch_bound(r, t, bound, &found, e))
        return false;
    if (!found)
        buf_clear(bound);
    return true;
}

static bool reader_next_bound(struct reader *r, const struct table_def *t, struct key_range range,
                              uint64_t rows, struct buf *bound, bool *done, struct err *e)
{
    bool found;

    if (!reader_usable(r, e))
        return false;
    if (t->row_key < 0 || rows == 0)
        return err_set(e, ERR_BUG, "table '%s.%s' has no row key to cut it by", t->db, t->name);
    if (rows == UINT64_MAX && !range.hi.p) { /* no OFFSET: it would read the whole index */
        *done = true;
        return last_bound(r, t, range, bound, e);
    }
    if (!bound_query(r, t, range, e))
        return false;
    sqltext_order(&r->sql, t);
    buf_printf(&r->sql, " LIMIT 1 OFFSET %llu", (unsigned long long)(rows - 1));
    if (!fetch_bound(r, t, bound, &found, e))
        return false;
    *done = !found;
    if (found)
        return true;
    if (!range.hi.p)
        return last_bound(r, t, range, bound, e);
    buf_clear(bound);
    buf_append(bound, range.hi.p, range.hi.len);
    return true;
}

static bool reader_bound_of(const struct table_def *t, enum rows_encoding enc, struct view row,
                            struct buf *bound, struct err *e)
{
    if (enc != ROWS_MYSQL_TEXT)
        return err_set(e, ERR_UNSUPPORTED, "bounds are made of rows in the text encoding only");
    const struct key_def *k = sqltext_key(t);
    struct value *values = must_calloc(t->n_columns, sizeof *values);
    bool ok = row_read(t, enc, false, row, values);
    buf_clear(bound);
    for (uint16_t i = 0; ok && i < k->n_parts; i++) {
        const struct value *v = &values[k->parts[i].column];
        ok = v->state == VALUE_SET;
        buf_bytes(bound, v->p, ok ? v->len : 0);
    }
    free(values);
    if (!ok)
        return err_set(e, ERR_CORRUPT, "a row of table '%s.%s' does not have its form", t->db,
                       t->name);
    return buf_ok(bound) || err_set(e, ERR_LIMIT, "a bound of table '%s.%s' is larger than %zu",
                                    t->db, t->name, bound->max);
}

/* --- rows ---------------------------------------------------------------------------------------
 */

struct read { /* one read() while it runs */
    struct reader *r;
    const struct table_def *t;
    size_t batch_bytes;
    bool (*sink)(void *arg, struct rows *batch, struct err *e);
    void *arg;
    struct rows *batch;
    bool *selected;          /* per column: the result has it */
    const struct value *key; /* the one row of this key; NULL: the range */
};

/* Leaves the rest of a result where it is. */
static void cut_connection(struct reader *r)
{
    r->cut = true;
    (void)shutdown((int)mysql_get_socket(r->s->my), SHUT_RDWR);
}

static bool read_query(struct read *d, struct key_range range, struct err *e)
{
    struct buf *sql = &d->r->sql;
    unsigned n = 0;

    buf_clear(sql);
    buf_str(sql, "SELECT ");
    for (uint16_t i = 0; i < d->t->n_columns; i++) {
        d->selected[i] = sqltext_is_read(d->t, i);
        if (!d->selected[i])
            continue;
        if (n++ > 0)
            buf_u8(sql, ',');
        sqltext_value(sql, &d->t->columns[i]);
    }
    if (n == 0)
        buf_str(sql, "1");
    sqltext_from(sql, d->t);
    if (d->key ? !sqltext_by_key(sql, d->t, d->key, e) : !sqltext_where(sql, d->t, range, e))
        return false;
    if (d->t->row_key >= 0 && !d->key)
        sqltext_order(sql, d->t);
    return buf_ok(sql) || err_set(e, ERR_LIMIT, "a statement is larger than %zu bytes", sql->max);
}

static void put_row(struct read *d, MYSQL_ROW row, const unsigned long *len)
{
    struct row_writer w;
    unsigned at = 0;

    row_begin(&w, &d->batch->bytes, d->t, ROWS_MYSQL_TEXT, false);
    for (uint16_t i = 0; i < d->t->n_columns; i++) {
        if (!d->selected[i]) {
            row_put_null(&w);
            continue;
        }
        if (row[at])
            row_put_bytes(&w, row[at], len[at]);
        else
            row_put_null(&w);
        at++;
    }
    row_end(&w);
    rows_added(d->batch);
}

static bool give_batch(struct read *d, struct err *e)
{
    if (!buf_ok(&d->batch->bytes))
        return err_set(e, ERR_LIMIT, "a batch of table '%s.%s' is larger than %u bytes", d->t->db,
                       d->t->name, BATCH_MAX);
    if (d->batch->n == 0)
        return true;
    struct rows *batch = take(d->batch);
    return d->sink(d->arg, batch, e);
}

static MYSQL_ROW next_row(struct session *s, MYSQL_RES *res)
{
    MYSQL_ROW row;

    session_waits(s);
    row = mysql_fetch_row(res);
    session_waited(s);
    return row;
}

static bool stream(struct read *d, MYSQL_RES *res, struct err *e)
{
    for (;;) {
        MYSQL_ROW row = next_row(d->r->s, res);
        if (!row)
            break;
        if (!d->batch)
            d->batch = rows_new(d->t, ROWS_MYSQL_TEXT, BATCH_MAX);
        put_row(d, row, mysql_fetch_lengths(res));
        if (d->batch->bytes.len >= d->batch_bytes || !buf_ok(&d->batch->bytes))
            if (!give_batch(d, e)) {
                cut_connection(d->r);
                return false;
            }
    }
    if (mysql_errno(d->r->s->my))
        return session_fail(d->r->s, e, "cannot read rows");
    return !d->batch || give_batch(d, e);
}

static bool run_read(struct read *d, struct key_range range, struct err *e)
{
    struct session *s = d->r->s;
    int failed;

    if (!reader_usable(d->r, e) || !read_query(d, range, e))
        return false;
    session_waits(s);
    failed = mysql_real_query(s->my, (const char *)d->r->sql.p, d->r->sql.len);
    session_waited(s);
    if (failed)
        return session_fail(s, e, "cannot read rows");
    MYSQL_RES *res = mysql_use_result(s->my);
    if (!res)
        return session_fail(s, e, "cannot read rows");
    bool ok = stream(d, res, e);
    mysql_free_result(res);
    return ok;
}

static bool reader_read(struct reader *r, const struct table_def *t, struct key_range range,
                        enum rows_encoding enc, size_t batch_bytes,
                        bool (*sink)(void *arg, struct rows *batch, struct err *e), void *arg,
                        struct err *e)
{
    if (enc != ROWS_MYSQL_TEXT)
        return err_set(e, ERR_UNSUPPORTED, "rows are read in the text encoding only");
    struct read d = {.r = r, .t = t, .batch_bytes = batch_bytes, .sink = sink, .arg = arg};
    d.selected = must_calloc(t->n_columns, sizeof *d.selected);
    bool ok = run_read(&d, range, e);
    free(d.selected);
    rows_free(d.batch);
    return ok || err_wrap(e, "read table '%s.%s'", t->db, t->name);
}

/* --- rows by their keys --------------------------------------------------------------------------
 * Each read of a table holds its definition until the transaction ends, or until it goes back to a
 * savepoint from before (the snapshot stays): else a DDL on the source would wait for us, and
 * everybody behind the DDL. While it is held, the definition is compared. MariaDB lets go at a
 * savepoint only where the session does not write its log, which takes a right.
 */

static bool reader_lets_go(struct reader *r, bool *does, struct err *e)
{
    struct err denied = ERR_INIT;

    if (!reader_usable(r, e))
        return false;
    *does = !r->s->is_mariadb || session_exec(r->s, "SET SESSION sql_log_bin=0", &denied);
    if (*does || err_class_of(denied.code) != ERR_CLASS_RETRY)
        return true;
    *e = denied;
    return false;
}

struct found {
    struct rows *out;
    uint32_t n;
};

static bool keep_row(void *arg, struct rows *batch, struct err *e)
{
    struct found *f = arg;
    bool one = f->n == 0 && batch->n == 1;

    if (one) {
        struct view row = rows_at(batch, 0);
        buf_append(&f->out->bytes, row.p, row.len);
        rows_added(f->out);
    }
    f->n += batch->n;
    rows_free(batch);
    return one || err_set(e, ERR_UNSUPPORTED, "several rows have one key");
}

static bool read_key(struct read *d, struct view image, struct value *values, bool *found,
                     struct err *e)
{
    struct found f = {.out = d->arg};

    if (!row_read(d->t, ROWS_CANONICAL, true, image, values))
        return err_set(e, ERR_CORRUPT, "an image does not have its table's form");
    d->key = values;
    d->arg = &f;
    bool ok = run_read(d, (struct key_range){{NULL, 0}, {NULL, 0}}, e);
    d->arg = f.out;
    rows_free(take(d->batch));
    *found = f.n == 1;
    return ok && (buf_ok(&f.out->bytes) || err_set(e, ERR_LIMIT, "the rows are too large"));
}

static bool is_still(struct reader *r, const struct table_def *t, struct err *e)
{
    const struct table_def *now;

    if (!r->look && !session_open(&r->address, SESSION_READ, &r->look, e))
        return false;
    if (!mysql_catalog_ops.load_table(r->look, t->db, t->name, &now, e)) {
        session_close(take(r->look));
        return false;
    }
    bool same = table_def_same_rows(now, t);
    table_def_unref(now);
    return same || err_set(e, ERR_UNSUPPORTED, "its definition was changed since");
}

static bool reader_read_keys(struct reader *r, const struct table_def *t, const struct view *images,
                             size_t n, struct rows *out, bool *found, struct err *e)
{
    struct read d = {.r = r, .t = t, .batch_bytes = 1, .sink = keep_row, .arg = out};
    struct value *values = must_calloc(t->n_columns, sizeof *values);
    struct err ignored = ERR_INIT;

    d.selected = must_calloc(t->n_columns, sizeof *d.selected);
    bool ok = reader_usable(r, e) && session_exec(r->s, "SAVEPOINT oms_keys", e);
    for (size_t i = 0; ok && i < n; i++)
        ok = read_key(&d, images[i], values, &found[i], e);
    ok = ok && is_still(r, t, e);
    if (!r->cut && !session_exec(r->s, "ROLLBACK TO SAVEPOINT oms_keys", ok ? e : &ignored)) {
        cut_connection(r);
        ok = false;
    }
    free(d.selected);
    free(values);
    return ok || err_wrap(e, "read rows of table '%s.%s' by their keys", t->db, t->name);
}

const struct reader_ops mysql_reader_ops = {
    .open = reader_open,
    .close = reader_close,
    .begin_snapshot = reader_begin_snapshot,
    .begin_table_snapshot = reader_begin_table_snapshot,
    .end_snapshot = reader_end_snapshot,
    .position_now = reader_position_now,
    .position_past = reader_position_past,
    .next_bound = reader_next_bound,
    .read = reader_read,
    .read_keys = reader_read_keys,
    .lets_go = reader_lets_go,
    .bound_of = reader_bound_of,
    .canonical_of = text_value_row,
    .is_read = sqltext_is_read,
    .is_unchanged = reader_is_unchanged,
    .digest = reader_digest,
    .count = reader_count,
};
