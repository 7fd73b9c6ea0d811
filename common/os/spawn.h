/* Processes: posix_spawn, pidfd. Thread: any. */
#ifndef OMS_COMMON_OS_SPAWN_H
#define OMS_COMMON_OS_SPAWN_H
#include "common/base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
struct spawn_options {
    const char *const *argv; /* NULL-terminated; argv[0] is the program's path */
    const char *const *env;  /* NULL: inherit */
    const char *cwd;         /* NULL: inherit */
    const char *stdout_path; /* appended to; NULL: /dev/null */
    const char *stderr_path; /* NULL: same as stdout */
    bool new_session;        /* setsid, so that the child outlives a terminal */
    const char *run_as;      /* user name to become when we are root; NULL: stay */
};
bool spawn_process(const struct spawn_options *o, pid_t *pid, struct err *e) MUST_CHECK;
bool pidfd_open_pid(pid_t pid, int *fd, struct err *e) MUST_CHECK;
bool pidfd_signal(int fd, int sig, struct err *e) MUST_CHECK;
/* Start time in clock ticks since boot from /proc/PID/stat: with the pid it names one process. */
bool process_start_time(pid_t pid, uint64_t *ticks, struct err *e) MUST_CHECK;
#endif
