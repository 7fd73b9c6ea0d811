/*
 * A one-host installation: DIR/oms.yaml says what `oms up` made, and a file in the user's state
 * directory remembers which one was started last. Thread: main.
 */
#ifndef OMS_CM_CLI_INSTALLATION_H
#define OMS_CM_CLI_INSTALLATION_H

#include "cm/cli/cli.h"
#include "proto/daemon.pb-c.h"

/* Absolute form of a path that need not exist. */
bool installation_absolute(struct cli *c, const char *path, const char **out) MUST_CHECK;
/* ERR_NOT_FOUND: dir holds no installation. */
bool installation_read(struct cli *c, const char *dir, Oms__Installation **out) MUST_CHECK;
bool installation_write(struct cli *c, const Oms__Installation *i) MUST_CHECK;
/* The directory last started; ERR_UNAVAILABLE if none is remembered. */
bool installation_remembered(struct cli *c, const char **dir) MUST_CHECK;
bool installation_remember(struct cli *c, const char *dir) MUST_CHECK;
/* First line of a small file. */
bool installation_read_line(struct cli *c, const char *path, const char **out) MUST_CHECK;
/* Every path of unix sockets below dir fits into sun_path. */
bool installation_is_short(const char *dir);

#endif
