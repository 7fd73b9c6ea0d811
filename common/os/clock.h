/* The clocks. Thread: any. */
#ifndef OMS_COMMON_OS_CLOCK_H
#define OMS_COMMON_OS_CLOCK_H
#include "common/base/time.h"
struct mono clock_mono(void); /* CLOCK_BOOTTIME */
struct wall clock_wall(void);
#endif
