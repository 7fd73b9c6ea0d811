/* One server and one session for a group of tests (one_server.h). */
#include "test/lib/one_server.h"

#include <stdio.h>

#include "components/endpoint/mysql/endpoint.h"

struct mariadb server;
struct session *root;

static void connect_root(void)
{
    struct endpoint_address a = mariadb_address(&server);
    check(session_open(&a, SESSION_DDL, &root, e));
}

void one_server_start(uint32_t server_id)
{
    check(mariadb_start(&server, server_id, NULL, e));
    connect_root();
}

static void start_mysql(uint32_t server_id, const char *const *extra)
{
    if (!mysql_available())
        return;
    check(mysql_start(&server, server_id, extra, e));
    connect_root();
    (void)fprintf(stderr, "# MySQL %s\n", mysql_get_server_info(root->my));
}

void one_server_start_mysql(uint32_t server_id)
{
    start_mysql(server_id, NULL);
}

const char *const no_gtids[] = {"--gtid-mode=OFF", "--enforce-gtid-consistency=OFF", NULL};

void one_server_start_mysql_no_gtids(uint32_t server_id)
{
    start_mysql(server_id, no_gtids);
}

int one_server_stop(void **state)
{
    (void)state;
    session_close(root);
    root = NULL;
    mariadb_stop(&server);
    return 0;
}

void run(const char *sql)
{
    check(session_exec(root, sql, e));
}

void run_refused(const char *sql)
{
    struct err ignored = ERR_INIT;

    assert_false(session_exec(root, sql, &ignored));
}

const struct table_def *load_def(const char *db, const char *name)
{
    const struct table_def *t = NULL;

    check(mysql_catalog_ops.load_table(root, db, name, &t, e));
    return t;
}
