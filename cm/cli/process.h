/*
 * Programs that `oms up` and `oms down` run: started, found again and stopped. A daemon is found by
 * its command line (program and configuration file), so that no pid file can lie. Thread: main.
 */
#ifndef OMS_CM_CLI_PROCESS_H
#define OMS_CM_CLI_PROCESS_H

#include <sys/types.h>

#include "cm/cli/cli.h"
#include "common/os/spawn.h"

/* Directory of the program that runs now. */
bool process_own_dir(struct cli *c, const char **out) MUST_CHECK;
/* Runs a program to its end. ERR_TIMEOUT: it is killed. */
bool process_run(struct cli *c, const struct spawn_options *o, int timeout_ms,
                 int *exit_code) MUST_CHECK;
/* The process that runs `program` (a file name) with the words `option` `value`; a value that ends
 * in '/' matches everything below. 0: none. `after`: go on behind this pid. */
pid_t process_find(const char *program, const char *option, const char *value, pid_t after);
/* Sends sig and waits for the end. True: it is gone. */
bool process_stop(pid_t pid, int sig, int timeout_ms);
/* Waits up to timeout_ms for the end of fd's process; true: it ended. */
bool process_ended(int pidfd, int timeout_ms);

#endif
