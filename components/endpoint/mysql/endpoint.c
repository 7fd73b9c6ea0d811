/* Puts the six tables of this folder together. No code. */
#include "components/endpoint/mysql/endpoint.h"

static const char *const flavours[] = {"mariadb", "mysql", NULL};

const struct endpoint mysql_endpoint = {
    .name = "mysql",
    .flavours = flavours,
    .catalog = &mysql_catalog_ops,
    .reader = &mysql_reader_ops,
    .log = &mysql_log_ops,
    .heartbeat = &mysql_heartbeat_ops,
    .target = &mysql_target_ops,
    .dialect = &mysql_dialect_ops,
};
