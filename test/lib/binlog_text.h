/*
 * A binlog file as lines, for tests: "GTID 0-7-28", "QUERY text", "INSERT f.a => 1, 'x'",
 * "UPDATE f.a 1 => 2", "DELETE f.a 1 =>", XID, other events by name. Definitions come from the
 * table maps alone. Single-threaded.
 */
#ifndef OMS_TEST_LIB_BINLOG_TEXT_H
#define OMS_TEST_LIB_BINLOG_TEXT_H

#include "common/base/buf.h"
#include "components/endpoint/mysql/binlog/map_def.h"

extern const struct collations binlog_text_collations; /* those of the fixtures */

/* bytes: a whole file with its magic. False: *e says where reading stopped; what was read is in
 * out.
 */
bool binlog_text(struct view bytes, struct buf *out, struct err *e) MUST_CHECK;
/* Reads a file below the project's folder. Aborts the test when it is not there. */
struct view binlog_text_file(const char *path);
/* The lines of such a file; out is initialised here and is the caller's. Fails the test on an
 * error. */
const char *binlog_text_of(const char *path, struct buf *out);

#endif
