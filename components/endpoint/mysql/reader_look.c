/* What the reader is asked about a whole range or table: counts, digests, whether the table is
 * still defined as it was. See reader.c. Thread: one at a time per reader. */
#include <stdlib.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/reader_priv.h"
#include "components/endpoint/mysql/sqltext.h"

static bool fetch_numbers(struct reader *r, uint64_t *out, unsigned n, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    if (!session_query_buf(r->s, &r->sql, &res, e))
        return false;
    MYSQL_ROW row = mysql_fetch_row(res);
    if (!row || mysql_num_fields(res) != n)
        return err_set(e, ERR_BUG, "an aggregate gave no row");
    for (unsigned i = 0; i < n; i++)
        out[i] = row[i] ? strtoull(row[i], NULL, 10) : 0;
    return true;
}

bool reader_is_unchanged(struct reader *r, const struct table_def *t, bool *yes, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    *yes = false;
    if (!reader_usable(r, e))
        return false;
    buf_clear(&r->sql);
    buf_str(&r->sql, "SHOW CREATE TABLE ");
    mysql_dialect_ops.quote_table(&r->sql, t->db, t->name);
    if (!session_query_buf(r->s, &r->sql, &res, e)) {
        if (e->code != ERR_SERVER_NO_OBJECT)
            return err_wrap(e, "look at table '%s.%s'", t->db, t->name);
        err_clear(e);
        return true;
    }
    MYSQL_ROW row = mysql_fetch_row(res);
    struct table_def now = *t;
    now.create_text = row && row[1] ? row[1] : "";
    *yes = table_def_same_text(t, &now);
    return true;
}

bool reader_digest(struct reader *r, const struct table_def *t, const struct table_def *columns,
                   struct key_range range, struct digest *out, struct err *e)
{
    uint64_t n[3];
    enum digest_form form =
        r->s->is_mariadb && r->s->version >= 100800 ? DIGEST_CRC32C : DIGEST_REVERSE;

    if (!reader_usable(r, e))
        return false;
    buf_clear(&r->sql);
    buf_str(&r->sql, "SELECT ");
    sqltext_digest(&r->sql, columns, form);
    sqltext_from(&r->sql, t);
    if (!sqltext_where(&r->sql, columns, range, e) || !fetch_numbers(r, n, ARRAY_LEN(n), e))
        return err_wrap(e, "digest table '%s.%s'", t->db, t->name);
    *out = (struct digest){.rows = n[0], .sum_a = n[1], .sum_b = n[2], .form = form};
    return true;
}

bool reader_count(struct reader *r, const struct table_def *t, uint64_t *rows, struct err *e)
{
    if (!reader_usable(r, e))
        return false;
    buf_clear(&r->sql);
    buf_str(&r->sql, "SELECT COUNT(*) FROM ");
    mysql_dialect_ops.quote_table(&r->sql, t->db, t->name);
    return fetch_numbers(r, rows, 1, e) || err_wrap(e, "count table '%s.%s'", t->db, t->name);
}
