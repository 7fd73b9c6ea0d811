/*
 * Bounded queue that passes ownership of pointers between threads. Any number of producers and
 * consumers. Closing wakes everybody: pushes fail at once, pops drain what is there, then fail.
 * Every wait has a deadline. Thread: any.
 */
#ifndef OMS_COMMON_OS_QUEUE_H
#define OMS_COMMON_OS_QUEUE_H
#include "common/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
struct queue;
enum queue_result { QUEUE_OK, QUEUE_TIMEOUT, QUEUE_CLOSED };
struct queue *queue_new(size_t capacity);
void queue_free(struct queue *q);  /* must be empty or its items owned elsewhere */
void queue_close(struct queue *q); /* twice is fine */
enum queue_result queue_push(struct queue *q, void *item, int64_t timeout_ms) MUST_CHECK;
enum queue_result queue_pop(struct queue *q, int64_t timeout_ms, void **item) MUST_CHECK;
size_t queue_len(struct queue *q); /* a snapshot, for figures */
#endif
