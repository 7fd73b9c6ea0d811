/*
 * Fault points: one table of names (fault_table.h), compiled into test builds only (OMS_FAULTS=1;
 * elsewhere FAULT() is nothing). At run time OMS_FAULT="name[:nth][=action],..." chooses: action
 * kill (default; SIGKILL to self), stop (SIGSTOP), err (FAULT_ERR returns true), delay:MS.
 * Thread: any.
 */
#ifndef OMS_COMMON_OS_FAULT_H
#define OMS_COMMON_OS_FAULT_H
#include "common/os/fault_table.h"
#include <stdbool.h>
#define FAULT_ENUM(name, text) FAULT_##name,
enum fault_point { FAULT_TABLE(FAULT_ENUM) FAULT_COUNT };
#undef FAULT_ENUM
const char *fault_name(enum fault_point p);
const char *fault_text(enum fault_point p);
#ifdef OMS_FAULTS
bool fault_hit(enum fault_point p); /* true: action err was asked for at this hit */
#define FAULT(name) ((void)fault_hit(FAULT_##name))
#define FAULT_ERR(name) fault_hit(FAULT_##name)
#else
#define FAULT(name) ((void)0)
#define FAULT_ERR(name) false
#endif
#endif
