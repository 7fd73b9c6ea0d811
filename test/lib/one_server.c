/* One server and one session for a group of tests (one_server.h). */
#include "test/lib/one_server.h"

#include "components/endpoint/mysql/endpoint.h"

struct mariadb server;
struct session *root;

void one_server_start(uint32_t server_id)
{
    check(mariadb_start(&server, server_id, NULL, e));
    struct endpoint_address a = mariadb_address(&server);
    check(session_open(&a, SESSION_DDL, &root, e));
}

void one_server_stop(void)
{
    session_close(root);
    mariadb_stop(&server);
}

void run(const char *sql)
{
    check(session_exec(root, sql, e));
}

const struct table_def *load_def(const char *db, const char *name)
{
    const struct table_def *t = NULL;

    check(mysql_catalog_ops.load_table(root, db, name, &t, e));
    return t;
}
