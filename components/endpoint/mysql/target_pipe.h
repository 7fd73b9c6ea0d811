/*
 * Many commands sent to the target before the first answer is read (target_pipe.c). Answers come in
 * the order of their commands. Thread: one per slot.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_TARGET_PIPE_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_TARGET_PIPE_H

#include "common/base/buf.h"
#include "common/base/vec.h"
#include "components/endpoint/mysql/session.h"

struct pipe_result {
    uint32_t tag;
    unsigned error; /* the server's number; 0 = fine */
    char text[512];
    uint64_t affected;
    uint64_t duplicates; /* of an INSERT of several rows */
    uint32_t warnings;
};
typedef void pipe_got(void *arg, const struct pipe_result *r);
struct pipe_expect {
    uint32_t tag;
    uint8_t sequence; /* of the answer's packet */
};
struct pipe {
    struct session *s;
    size_t max_packet; /* of the server */
    bool tls;
    bool lost; /* the connection is gone; nothing more is sent or read */
    unsigned lost_errno;
    struct buf payload; /* of the command being built */
    struct buf out;     /* whole packets, not yet written */
    VEC(struct pipe_expect) expects;
    size_t read_at;
    pipe_got *got;
    void *got_arg;
};
void pipe_init(struct pipe *p);
void pipe_fini(struct pipe *p);
void pipe_attach(struct pipe *p, struct session *s, size_t max_packet);
static inline size_t pipe_waiting(const struct pipe *p)
{
    return p->expects.n - p->read_at;
}
/* Begins a command; the caller appends to p->payload, then pipe_send. */
void pipe_command(struct pipe *p, uint8_t command);
/* Queues the command; answers are handed to `got` in order when enough are outstanding. ERR_LIMIT:
 * larger than the server takes. A lost connection is no error here: p->lost. */
bool pipe_send(struct pipe *p, uint32_t tag, struct err *e) MUST_CHECK;
bool pipe_send_text(struct pipe *p, uint32_t tag, const char *sql, struct err *e) MUST_CHECK;
void pipe_flush(struct pipe *p); /* writes what is queued */
/* Reads answers until at most `left` are outstanding, or the connection is lost. */
void pipe_read(struct pipe *p, size_t left);

#endif
