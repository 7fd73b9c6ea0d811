/* Shared by the files of cm/meta alone. */
#ifndef OMS_CM_META_META_PRIV_H
#define OMS_CM_META_META_PRIV_H

#include <libpq-fe.h>

#include "cm/meta/meta.h"
#include "common/base/must.h"

struct meta {
    PGconn *conn;
    bool is_gone; /* an error said so; libpq may learn it later */
    char id[ID_TEXT_MAX];
};

#define META_PARAMS_MAX 8
struct meta_params { /* text parameters, or binary ones (len >= 0) */
    const char *value[META_PARAMS_MAX];
    int len[META_PARAMS_MAX];
    int format[META_PARAMS_MAX];
    char digits[META_PARAMS_MAX][24];
    int n;
};
void meta_text(struct meta_params *p, const char *value);
void meta_u64(struct meta_params *p, uint64_t value);
void meta_bytes(struct meta_params *p, const void *value, size_t len);

void meta_result_clear(PGresult **r);
/* Runs one statement; *out is the caller's to clear (CLEANUP(meta_result_clear)). binary: results
 * in binary form. p NULL: no parameters. */
bool meta_exec(struct meta *m, const char *sql, const struct meta_params *p, bool binary,
               PGresult **out, struct err *e) MUST_CHECK;
/* The (last, or first failed) result of what was sent before. */
bool meta_result(struct meta *m, PGresult **out, struct err *e) MUST_CHECK;
bool meta_run(struct meta *m, const char *sql, const struct meta_params *p,
              struct err *e) MUST_CHECK;
uint64_t meta_cell_u64(const PGresult *r, int row, int column); /* text results */

bool meta_migrate(struct meta *m, struct err *e) MUST_CHECK;

#endif
