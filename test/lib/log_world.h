/*
 * What the contract tests of a source's log share: one open log, a replay of what it gives into
 * rows by key, and comparison with the server. Every before-image must be the row that is there,
 * byte by byte. Single-threaded.
 */
#ifndef OMS_TEST_LIB_LOG_WORLD_H
#define OMS_TEST_LIB_LOG_WORLD_H

#include "test/lib/one_server.h"

#include "common/base/vec.h"
#include "components/endpoint/mysql/endpoint.h"

struct kept_row { /* of a table whose first column is an INT key */
    char table[80];
    int32_t key;
    uint32_t table_id;
    struct buf image;
};
struct kept_ddl {
    char sql[400];
    char table[80];
    uint64_t seq;
    int64_t commit_us;
    uint64_t sql_mode;
    uint32_t flags;
    uint8_t kind;
};
struct reading { /* what a reader of a Store would have */
    struct txn_set after;
    VEC(const struct table_def *) versions;
    VEC(struct kept_row) rows;
    VEC(struct kept_ddl) ddl;
    uint64_t txns, parts, filtered, changes;
    uint32_t next_table_id;
    struct log_progress last;
    bool in_parts; /* the last record was a part that is not the last */
    bool any;      /* changes are counted, not replayed */
    void (*each)(void *arg, uint64_t seq, int32_t key); /* of every row's after image; or NULL */
    void *each_arg;
    uint64_t at;    /* the seq being replayed */
    bool has_holes; /* XA transactions are prepared and open for a while */
};
struct asked { /* how to open and read */
    name_filter *filter;
    size_t part_bytes, want_bytes;
    uint32_t server_id;
    uint32_t open_xa; /* so many prepared transactions stay open: their identities do not come */
};

bool only_w(void *arg, const char *db, const char *table); /* a filter: the database w */
/* Empty databases w, the session's own, and other; create may be NULL. */
void fresh_w(const char *create);
/* For a group's setup and teardown: one MariaDB server that takes dates of every kind. */
int reading_start(void **state);
void reading_init(struct reading *r); /* begins at the server's present end */
void reading_fini(struct reading *r);
bool reading_open(struct reading *r, const struct asked *a, struct log **l, struct err *e);
/* Reads until the log is at its end. False: the log's error. */
bool reading_go(struct reading *r, struct log *l, const struct asked *a, struct err *e);
/* Opens, reads to the end, closes; fails the test on an error. */
void read_to_end(struct reading *r, const struct asked *a);
/* Opens and reads; the error that must come. */
void assert_stops(struct reading *r, const struct asked *a, enum err_code code, const char *text);
/* The replayed rows of the table are the server's, and what a reader selects is the same bytes. */
void assert_same(struct reading *r, const char *db, const char *name);
const struct table_def *version(struct reading *r, const char *name); /* the newest; or NULL */

#endif
