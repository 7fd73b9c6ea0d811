/*
 * XA transactions (correctness A7; log_priv.h). Their rows stand in the log at the PREPARE and
 * count from the COMMIT on; each of the two has an identity of its own. What is published at the
 * COMMIT is the whole transaction, under the commit's identity.
 *
 * Invariant: the identity of a prepare is covered by a record only behind the last record of what
 * ended it, and both are written in one step, so that they come out of one read() and a Store puts
 * them into one block. Until then the set of what was published has a hole there, and whoever opens
 * the log with that set reads the prepare again: MariaDB's log is read from before the first hole
 * on, what the set has is passed over; MySQL's server sends what the set lacks. So the set itself
 * says which prepares are open, nothing else has to be kept, and no position passes the oldest of
 * them.
 *
 * Rows that wait are kept as they will be written, without the head: in memory while all of them
 * take less than XA_MEMORY_MAX, else in an unnamed file of the directory that the caller gave.
 *
 * What can go wrong: a commit whose prepare was before the log's beginning (ERR_LOG_XA), no room
 * for the file. A transaction that stays prepared holds the position back; that is what it means.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/os/fileio.h"
#include "components/endpoint/mysql/log_priv.h"

#define XA_MEMORY_MAX ((size_t)32 << 20)
#define PART_MAX ((size_t)1100 << 20)

/* --- rows that wait -----------------------------------------------------------------------------
 */

static void rows_init(struct xa_rows *r)
{
    *r = (struct xa_rows){.fd = -1};
    buf_init(&r->memory, PART_MAX);
}

static void rows_fini(struct log *l, struct xa_rows *r)
{
    l->xa.memory -= r->memory.len;
    buf_fini(&r->memory);
    if (r->fd >= 0)
        close(r->fd);
    rows_init(r);
}

static bool write_all(int fd, const uint8_t *p, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t got = write(fd, p, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_set_sys(e, errno == ENOSPC ? ERR_NO_SPACE : ERR_SYSTEM, errno,
                               "cannot put rows of a prepared XA transaction aside: %s",
                               strerror(errno));
        p += got;
        n -= (size_t)got;
    }
    return true;
}

/* What is in memory goes to the file, which has everything from then on. */
static bool spill(struct log *l, struct xa_rows *r, struct err *e)
{
    if (r->fd < 0) {
        if (!l->spill_dir)
            return err_set(e, ERR_LIMIT, "prepared XA transactions take more than %zu bytes",
                           XA_MEMORY_MAX);
        r->fd = open(l->spill_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (r->fd < 0)
            return err_set_sys(e, ERR_SYSTEM, errno,
                               "cannot make a file in '%s' for a prepared XA transaction: %s",
                               l->spill_dir, strerror(errno));
    }
    if (!write_all(r->fd, r->memory.p, r->memory.len, e))
        return false;
    l->xa.memory -= r->memory.len;
    buf_fini(&r->memory);
    buf_init(&r->memory, PART_MAX);
    return true;
}

static bool rows_add(struct log *l, struct xa_rows *r, struct view changes, struct err *e)
{
    size_t before = r->memory.len;

    buf_u64(&r->memory, changes.len);
    buf_append(&r->memory, changes.p, changes.len);
    if (!buf_ok(&r->memory))
        return err_set(e, ERR_LIMIT, "rows of an XA transaction do not fit");
    l->xa.memory += r->memory.len - before;
    r->parts++;
    return (r->fd < 0 && l->xa.memory <= XA_MEMORY_MAX) || spill(l, r, e);
}

static bool read_at(const struct xa_rows *r, void *to, size_t n, uint64_t at, struct err *e)
{
    size_t got = 0;

    if (r->fd < 0) {
        must(at + n <= r->memory.len);
        memcpy(to, r->memory.p + at, n);
        return true;
    }
    if (!file_read_at(r->fd, to, n, at, &got))
        return err_set_errno(e, ERR_SYSTEM, errno,
                             "cannot read what was put aside of a prepared XA transaction");
    return got == n ||
           err_set(e, ERR_SYSTEM, "what was put aside of a prepared XA transaction ends too early");
}

bool xa_put_aside(struct log *l, struct err *e)
{
    struct buf *out = l->writer.out;
    size_t from = l->writer.record_at - 1;
    struct cursor c = cursor_of(out->p + from, out->len - from);
    struct txn_head h;
    struct record r;

    must(!l->writer.open);
    if (!buf_ok(out))
        return err_set(e, ERR_LIMIT, "records do not fit into %zu bytes", out->max);
    must(record_next(&c, &r));
    struct cursor body = cursor_of(r.body.p, r.body.len);
    must(txn_head_read(&body, &h));
    bool ok = rows_add(l, &l->xa.rows, (struct view){body.p, cursor_left(&body)}, e);
    out->len = from;
    txn_writer_init(&l->writer, out);
    return ok;
}

/* --- the open ones ------------------------------------------------------------------------------
 */

void xa_init(struct log *l)
{
    rows_init(&l->xa.rows);
    buf_init(&l->xa.part, PART_MAX);
}

static void free_open(struct log *l, struct xa_open *x)
{
    if (!x)
        return;
    rows_fini(l, &x->rows);
    free(x);
}

void xa_fini(struct log *l)
{
    for (size_t i = 0; i < l->xa.open.n; i++)
        free_open(l, l->xa.open.at[i]);
    vec_fini(&l->xa.open);
    free_open(l, l->xa.ending);
    l->xa.ending = NULL;
    rows_fini(l, &l->xa.rows);
    buf_fini(&l->xa.part);
}

void xa_forget_rows(struct log *l)
{
    rows_fini(l, &l->xa.rows);
}

static struct xa_open *take_group(struct log *l)
{
    struct xa_open *x = must_calloc(1, sizeof *x);

    x->group = l->group;
    x->rows = l->xa.rows;
    rows_init(&l->xa.rows);
    return x;
}

static size_t find(const struct log *l, const struct xid_key *key)
{
    size_t i = 0;

    while (i < l->xa.open.n && strcmp(l->xa.open.at[i]->key.text, key->text) != 0)
        i++;
    return i;
}

static void put_hex(char **w, struct view v)
{
    static const char digits[] = "0123456789abcdef";

    *(*w)++ = 'X';
    *(*w)++ = '\'';
    for (size_t i = 0; i < v.len; i++) {
        *(*w)++ = digits[v.p[i] >> 4];
        *(*w)++ = digits[v.p[i] & 15];
    }
    *(*w)++ = '\'';
    *(*w)++ = ',';
}

/* As the server writes it into its statements: X'67',X'62',1 */
bool xa_key_of_xid(const struct binlog_xid *xid, struct xid_key *key)
{
    char *w = key->text;

    if (xid->gtrid.len > XID_PART_MAX || xid->bqual.len > XID_PART_MAX)
        return false;
    put_hex(&w, xid->gtrid);
    put_hex(&w, xid->bqual);
    struct buf number CLEANUP(buf_fini);
    buf_init(&number, 32);
    buf_printf(&number, "%u", xid->format);
    memcpy(w, number.p, number.len);
    w[number.len] = '\0';
    return true;
}

static bool is_xid_letter(uint8_t b)
{
    return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F') || b == 'X' ||
           b == '\'' || b == ',';
}

bool xa_key_of_text(struct view sql, struct xid_key *key)
{
    const uint8_t *from = memmem(sql.p, sql.len, "X'", 2), *end = sql.p + sql.len;
    size_t n = 0;

    while (from && from + n < end && is_xid_letter(from[n]))
        n++;
    if (n == 0 || n >= sizeof key->text)
        return false;
    for (size_t i = 0; i < n; i++) /* servers differ in the case of the digits */
        key->text[i] = (char)(from[i] >= 'A' && from[i] <= 'F' ? from[i] + 'a' - 'A' : from[i]);
    key->text[n] = '\0';
    return true;
}

/* --- the log's events ---------------------------------------------------------------------------
 */

static bool prepared(struct log *l, const struct xid_key *key, struct err *e)
{
    if (l->group.known) { /* its end was published too, or the log began behind it */
        xa_forget_rows(l);
        group_over(l);
        return true;
    }
    if (find(l, key) < l->xa.open.n)
        return err_set(e, ERR_LOG_XA, "XA transaction %s is prepared a second time", key->text);
    struct xa_open *x = take_group(l);
    x->key = *key;
    x->is_prepare = true;
    vec_push(&l->xa.open, x);
    group_over(l);
    return true;
}

bool xa_prepare_in(struct log *l, const struct binlog_header *h, struct view body, struct err *e)
{
    struct binlog_xid xid;
    struct xid_key key;
    bool one_phase;

    if (!group_needed(l, h, e) || !binlog_read_xa_prepare(body, &one_phase, &xid, e))
        return false;
    if (!xa_key_of_xid(&xid, &key))
        return err_set(e, ERR_LOG_DAMAGED, "an XA identifier is too long");
    if (l->writer.open && !group_part_over(l, e))
        return false;
    if (!one_phase)
        return prepared(l, &key, e);
    if (l->group.known || l->xa.rows.parts == 0) {
        xa_forget_rows(l);
        group_commit(l);
        return true;
    }
    l->xa.ending = take_group(l);
    l->xa.ending->key = key;
    return true;
}

static struct view xid_of(const struct xa_open *x)
{
    return (struct view){(const uint8_t *)x->key.text, strlen(x->key.text)};
}

/* An empty record for the prepare's identity; its time is that of the end. */
static void put_prepare_covered(struct log *l, const struct xa_open *x)
{
    struct group end = l->group;

    l->group = x->group;
    l->group.parts = 0;
    l->group.commit = end.commit;
    struct txn_head h = group_head(l);
    h.flags |= TXN_F_XA | TXN_F_FILTERED;
    h.xid = xid_of(x);
    txn_write_begin(&l->writer, RECORD_TXN, &h);
    txn_write_end(&l->writer);
    l->group = end;
}

bool xa_end_in(struct log *l, struct view sql, bool commits, struct err *e)
{
    struct xid_key key;

    if (!xa_key_of_text(sql, &key))
        return err_set(e, ERR_LOG_DAMAGED, "an XA statement names no transaction");
    size_t i = find(l, &key);
    if (i == l->xa.open.n) {
        if (commits && !l->group.known)
            return err_set(e, ERR_LOG_XA,
                           "XA transaction %s commits, and its rows came before this log began",
                           key.text);
        group_commit(l);
        return true;
    }
    struct xa_open *x = l->xa.open.at[i];
    l->xa.open.at[i] = l->xa.open.at[--l->xa.open.n];
    if (commits && !l->group.known && x->rows.parts > 0) {
        l->xa.ending = x;
        return true;
    }
    group_commit(l);
    put_prepare_covered(l, x);
    free_open(l, x);
    return true;
}

/* --- publishing ---------------------------------------------------------------------------------
 */

bool xa_is_ending(const struct log *l)
{
    return l->xa.ending != NULL;
}

bool xa_end_step(struct log *l, struct err *e)
{
    struct xa_open *x = l->xa.ending;
    struct buf *part = &l->xa.part;
    struct txn_head h = group_head(l);
    uint64_t len;

    if (!read_at(&x->rows, &len, sizeof len, x->at, e))
        return false;
    buf_clear(part);
    if (len > PART_MAX || !buf_reserve(part, (size_t)len + 1) ||
        !read_at(&x->rows, part->p, (size_t)len, x->at + sizeof len, e))
        return err_wrap(e, "publish XA transaction %s", x->key.text);
    x->at += sizeof len + len;
    bool last = l->group.parts + 1 == x->rows.parts;
    h.flags |= TXN_F_XA;
    h.xid = xid_of(x);
    txn_write_begin(&l->writer, RECORD_TXN_PART, &h);
    buf_append(l->writer.out, part->p, (size_t)len);
    txn_write_set_last(&l->writer, last);
    txn_write_end(&l->writer);
    l->group.parts++;
    if (!last)
        return true;
    if (x->is_prepare)
        put_prepare_covered(l, x);
    group_done(l);
    free_open(l, x);
    l->xa.ending = NULL;
    return true;
}
