/* Named threads. See thread.h. */
#include "common/os/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/must.h"

struct start {
    thread_fn *fn;
    void *arg;
};

static void *thread_main(void *p)
{
    struct start s = *(struct start *)p;

    free(p);
    s.fn(s.arg);
    return NULL;
}

bool thread_start(struct thread *t, const char *name, thread_fn *fn, void *arg, struct err *e)
{
    struct start *s = must_alloc(sizeof *s);
    sigset_t all, old;
    pthread_t handle;
    int rc;

    *s = (struct start){fn, arg};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&handle, NULL, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        free(s);
        return err_set_errno(e, ERR_SYSTEM, rc, "cannot start thread '%s'", name);
    }
    pthread_setname_np(handle, name);
    t->handle = handle;
    t->started = true;
    return true;
}

void thread_join(struct thread *t)
{
    if (t->started) {
        must(pthread_join(t->handle, NULL) == 0);
        t->started = false;
    }
}
