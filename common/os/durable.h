/*
 * Durability lives here. Write, fsync the file, rename, fsync the directory. An fsync error is
 * ERR_SYSTEM with the file named: the caller exits and recovers, never fsyncs again (B2).
 * Thread: any.
 */
#ifndef OMS_COMMON_OS_DURABLE_H
#define OMS_COMMON_OS_DURABLE_H
#include "common/base/buf.h"
#include "common/base/err.h"
#include <stdbool.h>
#include <stddef.h>
/* Replaces `path` atomically by `len` bytes with the given mode (e.g. 0600). */
bool durable_write_file(const char *path, const void *p, size_t len, unsigned mode,
                        struct err *e) MUST_CHECK;
/* Reads a whole file of at most out->max bytes. ERR_NOT_FOUND if absent. */
bool durable_read_file(const char *path, struct buf *out, struct err *e) MUST_CHECK;
bool durable_sync_fd(int fd, const char *path, struct err *e) MUST_CHECK; /* fdatasync */
bool durable_sync_dir(const char *dir, struct err *e) MUST_CHECK;
bool durable_mkdirs(const char *path, unsigned mode, struct err *e) MUST_CHECK; /* and parents */
bool durable_unlink(const char *path, struct err *e) MUST_CHECK; /* absent is fine; syncs the dir */
/* Takes an exclusive OFD lock on path (created); *fd stays open while it is held. ERR_EXISTS if
 * another process holds it, still after 3 s (a killed holder takes a moment to let go). */
bool durable_lock(const char *path, int *fd, struct err *e) MUST_CHECK;
#endif
