/* "host:port" in texts that people write. Pure. */
#ifndef OMS_COMMON_BASE_PLACE_H
#define OMS_COMMON_BASE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/compiler.h"

#define PLACE_HOST_MAX 256

/* "db2.example:3306", "[::1]:3306": the brackets do not belong to the host. Nothing is set when it
 * is not of that form. */
bool place_parse(const char *text, char host[PLACE_HOST_MAX], uint16_t *port) MUST_CHECK;

#endif
