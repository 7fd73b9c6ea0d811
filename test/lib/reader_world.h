/*
 * What tests of the MySQL reader against one private MariaDB server share: the server
 * (one_server.h), a reader of it, the database `r`, and the rows of a read. Thread: the test's.
 */
#ifndef OMS_TEST_LIB_READER_WORLD_H
#define OMS_TEST_LIB_READER_WORLD_H

#include "common/base/vec.h"
#include "components/endpoint/endpoint.h"
#include "test/lib/one_server.h"

extern struct reader *reader;
extern const struct reader_ops *const ops;
extern const struct key_range whole;

/* For a group's setup and teardown. */
void reader_world_start(uint32_t server_id);
void reader_world_stop(void);
/* The definition of r.NAME; owned by the caller. */
const struct table_def *load(const char *name);

struct kept { /* every row of a read, one after the other */
    VEC(struct rows *) batches;
    uint64_t n;
    size_t refuse_after; /* batches; 0 = never */
};

/* A row_sink that keeps; arg: struct kept. ERR_CANCELLED after refuse_after batches. */
bool keep(void *arg, struct rows *batch, struct err *e);
void kept_fini(struct kept *k);

#endif
