/* Conditions whose timed waits no change of the wall clock moves. Thread: any. */
#ifndef OMS_COMMON_OS_COND_H
#define OMS_COMMON_OS_COND_H
#include <pthread.h>
#include <stdint.h>
#include <time.h>
/* For pthread_cond_timedwait with cond_deadline; pthread_cond_destroy ends it. */
void cond_init(pthread_cond_t *c);
/* So long from now; what is below 0 counts as 0. */
struct timespec cond_deadline(int64_t timeout_ms);
#endif
