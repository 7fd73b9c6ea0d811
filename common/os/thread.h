/* Named threads fixed at start (pthread wrapper), joined by their owner. */
#ifndef OMS_COMMON_OS_THREAD_H
#define OMS_COMMON_OS_THREAD_H
#include "common/base/err.h"
#include <stdbool.h>
struct thread {
    unsigned long handle;
    bool started;
};
typedef void thread_fn(void *arg);
/* name: at most 15 bytes, shown by top -H. All signals are blocked in the new thread. */
bool thread_start(struct thread *t, const char *name, thread_fn *fn, void *arg,
                  struct err *e) MUST_CHECK;
void thread_join(struct thread *t); /* a thread never started: nothing */
#endif
