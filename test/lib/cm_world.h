/*
 * A whole CM for tests: a process of its own (the test's program again, with --cm CONFIG), its
 * directory, and clients with both tokens. The test's main calls cm_world_main first.
 */
#ifndef OMS_TEST_LIB_CM_WORLD_H
#define OMS_TEST_LIB_CM_WORLD_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/rpc/rpc.h"
#include "proto/admin.pb-c.h"
#include "proto/host.pb-c.h"

struct cm_world {
    char dir[80], config[96];
    char url[128], metadb_id[ID_TEXT_MAX];
    pid_t pid; /* 0 = not running */
    struct rpc_client *admin, *host;
    struct arena arena; /* replies */
};

/* True: this process was started to be the CM and has ended with *code. */
bool cm_world_main(int argc, char **argv, int *code);
/* Makes dir/cm with configuration and keys; starts nothing. */
bool cm_world_open(struct cm_world *w, const char *name, const char *parent_dir,
                   const char *conninfo, struct err *e) MUST_CHECK;
/* fault: value of OMS_FAULT, NULL = none. Returns when it listens; awaits: when it leads, too. */
bool cm_world_start(struct cm_world *w, const char *fault, bool awaits, struct err *e) MUST_CHECK;
bool cm_world_leads(struct cm_world *w);
bool cm_world_await(struct cm_world *w, int64_t timeout_ms, struct err *e) MUST_CHECK;
/* Sends the signal (0: none) and waits for the end; the status as of waitpid. */
int cm_world_end(struct cm_world *w, int sig);
void cm_world_close(struct cm_world *w);

bool cm_world_admin(struct cm_world *w, const char *method, const ProtobufCMessage *m,
                    const struct id *id, void *reply, struct err *e) MUST_CHECK;
bool cm_world_host(struct cm_world *w, const char *method, const ProtobufCMessage *m, void *reply,
                   struct err *e) MUST_CHECK;
bool cm_world_add_source(struct cm_world *w, const char *name, const struct id *id,
                         Oms__CommandReply **reply, struct err *e) MUST_CHECK;

#endif
