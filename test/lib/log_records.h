/* Records of a made-up source, for tests of what stores, sends and reads them. Single-threaded. */
#ifndef OMS_TEST_LIB_LOG_RECORDS_H
#define OMS_TEST_LIB_LOG_RECORDS_H

#include "components/record/txn.h"

/* id BIGINT PRIMARY KEY, v TEXT NULL, in database "shop"; one reference. */
const struct table_def *log_table(uint32_t id, const char *name);
/* A whole transaction: one INSERT of (seq, a text of text_len bytes made from seq). */
void log_txn(struct buf *out, const char *origin, uint64_t seq, const struct table_def *t,
             size_t text_len);
/* One part of transaction seq; commit time is seq seconds. */
void log_txn_part(struct buf *out, const char *origin, uint64_t seq, uint32_t part, bool last,
                  const struct table_def *t, size_t text_len);
/* Adds the identities of the transactions that are whole in these records; counts them. */
size_t log_ids(struct view records, struct txn_set *out);
/* The set of a text, which must be right. */
struct txn_set log_set(const char *text);

#endif
