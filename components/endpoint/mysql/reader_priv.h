/*
 * What the files of the reader share: its connection, and what is asked about a whole range or
 * table (reader_look.c). Thread: one at a time per reader.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_READER_PRIV_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_READER_PRIV_H

#include "components/endpoint/mysql/session.h"

struct reader {
    struct session *s;
    struct endpoint_address address; /* borrowed strings */
    struct buf sql;
    bool cut;             /* a result was abandoned: the connection is gone */
    struct session *look; /* read_keys: definitions as they are, whatever the snapshot sees */
};

bool reader_usable(const struct reader *r, struct err *e) MUST_CHECK;

/* As reader_ops says. */
bool reader_is_unchanged(struct reader *r, const struct table_def *t, bool *yes,
                         struct err *e) MUST_CHECK;
bool reader_digest(struct reader *r, const struct table_def *t, const struct table_def *columns,
                   struct key_range range, struct digest *out, struct err *e) MUST_CHECK;
bool reader_count(struct reader *r, const struct table_def *t, uint64_t *rows,
                  struct err *e) MUST_CHECK;

#endif
