/*
 * Identities by place (correctness A4), for a MySQL server that gives its transactions none: origin
 * "mysql-file:<server uuid>", and the number is where the transaction ends in that server's log:
 * the number of the file, times 2^40, plus the offset in the file. A file has less than 2^40 bytes,
 * and files are numbered upwards, so the numbers grow with the log. A transaction covers everything
 * from its predecessor's end on, over the end of a file too: the set of what was read is one
 * interval.
 *
 * That a number never means two things is not in the number: a log that was reset counts from the
 * beginning again. It is kept by whoever goes on after a place: the log must not be shorter than
 * what is known of it (place_executed), and the last transaction that is known must be there again,
 * with the content, the time of commit and the file's begin that it had (A13).
 *
 * Thread: one at a time per session.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_PLACE_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_PLACE_H

#include "common/base/vec.h"
#include "components/endpoint/mysql/session.h"
#include "components/endpoint/mysql/snapshot.h"

#define PLACE_BEGIN 4 /* a file's first event stands behind the magic number */

/* "binlog.000012" and an offset in it. ERR_UNSUPPORTED: no such number can be made. Pure. */
bool place_seq(const char *file, uint64_t offset, uint64_t *seq, struct err *e) MUST_CHECK;
static inline uint64_t place_file(uint64_t seq)
{
    return seq >> PLACE_OFFSET_BITS;
}
static inline uint64_t place_offset(uint64_t seq)
{
    return seq & (((uint64_t)1 << PLACE_OFFSET_BITS) - 1);
}

enum gtid_mode { GTID_ON, GTID_OFF, GTID_MIXED };
/* text (may be NULL): as the server says it. MariaDB is always GTID_ON. */
bool place_gtid_mode(struct session *s, enum gtid_mode *mode, char text[32],
                     struct err *e) MUST_CHECK;
/* The origin of the connected server. ERR_SERVER_POSITION unless its gtid_mode is OFF. */
bool place_origin(struct session *s, const char **origin, struct err *e) MUST_CHECK;

struct log_file {
    char name[256];
    uint64_t number, size;
};
struct log_files { /* oldest first */
    VEC(struct log_file) list;
};
bool place_files(struct session *s, struct log_files *out, struct err *e) MUST_CHECK;
void place_files_fini(struct log_files *f);

/* Everything up to the log's end; without what `of` (or NULL) has behind the end of a file that is
 * shorter than it was. */
bool place_executed(struct session *s, const struct txn_set *of, struct txn_set *out,
                    struct err *e) MUST_CHECK;
/* The file and offset to go on from behind `seq`. again: only to read what is known once more; then
 * the oldest file will do if seq lies before it. ERR_LOG_LOST, ERR_SOURCE_DIVERGED. */
bool place_find(struct session *s, uint64_t seq, bool again, struct log_place *out,
                struct err *e) MUST_CHECK;

#endif
