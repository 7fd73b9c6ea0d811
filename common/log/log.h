/*
 * Log lines: one line an event, "time level event key=value ... message", to a file the program
 * owns (rotated by size, a few kept) or to standard error. Nothing secret is ever given to it.
 * Event names are dotted lower case ("store.recovered"). Thread: any.
 */
#ifndef OMS_COMMON_LOG_LOG_H
#define OMS_COMMON_LOG_LOG_H
#include "common/base/err.h"
#include <stdbool.h>
#include <stddef.h>
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
/* path NULL: standard error. max_bytes a file, `keep` old ones (path.1, path.2 ...). */
bool log_open(const char *path, size_t max_bytes, int keep, enum log_level least,
              struct err *e) MUST_CHECK;
void log_close(void);
void log_event(enum log_level level, const char *event, const char *fmt, ...) PRINTF(3, 4);
void log_err(enum log_level level, const char *event, const struct err *e);
#endif
