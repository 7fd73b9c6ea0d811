/*
 * The private PostgreSQL of a one-host installation: made, started and stopped by PostgreSQL's own
 * programs, never by SQL. It listens on a unix socket alone, in a directory only its user can
 * enter; run by root it becomes `postgres`, else `nobody`. Thread: main.
 */
#ifndef OMS_CM_CLI_METADB_H
#define OMS_CM_CLI_METADB_H

#include "cm/cli/cli.h"

struct metadb {
    const char *dir;        /* data, log */
    const char *socket_dir; /* short enough for a unix socket */
    const char *user;       /* to become; NULL: stay */
    const char *bin;        /* of PostgreSQL */
};

/* The user that runs it: NULL when we are not root. */
bool metadb_choose_user(struct cli *c, const char **user) MUST_CHECK;
/* The user may enter every directory above dir. */
bool metadb_is_reachable(const char *dir, const char *user);
/* Finds PostgreSQL, makes the cluster and the database if absent, starts it if it does not run. */
bool metadb_up(struct cli *c, struct metadb *m, bool *started) MUST_CHECK;
bool metadb_down(struct cli *c, struct metadb *m, bool *stopped) MUST_CHECK;

#endif
