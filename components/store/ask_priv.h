/* What the files of a Store's answers share. */
#ifndef OMS_COMPONENTS_STORE_ASK_PRIV_H
#define OMS_COMPONENTS_STORE_ASK_PRIV_H

#include <stdatomic.h>

#include "common/base/buf.h"
#include "components/runtime/component.h"
#include "components/store/log_walk.h"
#include "components/store/store.h"

#define PIECE_BYTES (64u << 10)
#define LINE_MAX_BYTES (256u << 20) /* one record as JSON */

struct ask_job { /* one ask while it is answered */
    struct component *c;
    struct store *store;
    const char *id, *what;
    char *const *args; /* "name=value", or "name" */
    size_t n_args;
    atomic_bool *stopping;
    struct buf out;
};

/* Value of an argument, "" of one without; NULL: not given. */
const char *ask_arg(const struct ask_job *j, const char *name);
/* Sends what is in out when it is a piece or more, or now. WALK_ENOUGH: nobody reads it. */
enum walk_answer ask_send(struct ask_job *j, bool now, struct err *e);
/* The places from= and to=, and follow. */
bool ask_places(const struct ask_job *j, struct log_walk_params *p, struct err *e) MUST_CHECK;

/* Each writes its answer into out and sends pieces; the caller ends the answer. */
bool ask_show(struct ask_job *j, struct err *e) MUST_CHECK;
bool ask_dump(struct ask_job *j, struct err *e) MUST_CHECK;
bool ask_trace(struct ask_job *j, struct err *e) MUST_CHECK;

/* --- ask_line.c: records as JSON lines ----------------------------------------------------------
 */
/* {"kind": "...", "txn": "...", "commit": "..." and what else every record has; open at the end */
void line_begin(struct buf *out, const char *kind, const struct txn_head *h);
void line_text(struct buf *out, const char *name, const void *p, size_t n);
/* A row's values by column; the before image gives what an after image lacks nothing of: absent
 * columns are left out. False: the bytes are not of this table. */
bool line_row(struct buf *out, const char *name, const struct table_def *t, const struct change *ch,
              struct view row) MUST_CHECK;
void line_ddl(struct buf *out, const struct walk_record *r);
void line_heartbeat(struct buf *out, const struct walk_record *r);
/* A change with both images. */
bool line_change(struct buf *out, const struct walk_record *r, const struct change *ch,
                 uint64_t number) MUST_CHECK;

#endif
