/*
 * The endpoint of the MySQL protocol family: six tables, each in its own file (catalog.c,
 * reader.c, log.c, target.c, dialect.c). Flavours: "mariadb", "mysql". Only this folder includes
 * the client library.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_ENDPOINT_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_ENDPOINT_H

#include "components/endpoint/endpoint.h"

extern const struct catalog_ops mysql_catalog_ops;
extern const struct reader_ops mysql_reader_ops;
extern const struct log_ops mysql_log_ops;
extern const struct heartbeat_ops mysql_heartbeat_ops;
extern const struct target_ops mysql_target_ops;
extern const struct dialect_ops mysql_dialect_ops;

extern const struct endpoint mysql_endpoint;

#endif
