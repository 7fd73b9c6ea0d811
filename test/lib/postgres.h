/*
 * A private PostgreSQL for tests: own directory under /tmp, unix socket only, dies with the test.
 * Runs as user postgres (or nobody, where there is none) when the test is root. One thread per
 * server.
 */
#ifndef OMS_TEST_LIB_POSTGRES_H
#define OMS_TEST_LIB_POSTGRES_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/err.h"

struct postgres {
    char dir[64];
    char conninfo[128]; /* database "postgres", user "oms", no password */
    pid_t pid;          /* 0 = not running */
};

/* initdb and start; on failure nothing is left behind. Returns when it answers. */
bool postgres_start(struct postgres *p, struct err *e) MUST_CHECK;
/* Starts it again on the same directory after postgres_kill. */
bool postgres_again(struct postgres *p, struct err *e) MUST_CHECK;
void postgres_kill(struct postgres *p); /* SIGQUIT: at once, as in a crash; the directory stays */
void postgres_stop(struct postgres *p); /* kills it and removes the directory; twice is fine */

#endif
