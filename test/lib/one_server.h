/*
 * What tests against one private MariaDB server share: the server, a session on it whose statement
 * text is utf8mb4, and a macro that fails the test with the error's text. Thread: the test's.
 */
#ifndef OMS_TEST_LIB_ONE_SERVER_H
#define OMS_TEST_LIB_ONE_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "components/endpoint/mysql/session.h"
#include "test/lib/mariadb.h"

extern struct mariadb server;
extern struct session *root;

#define check(call)                                                        \
    do {                                                                   \
        struct err e_ = ERR_INIT;                                          \
        struct err *e = &e_;                                               \
        if (!(call))                                                       \
            fail_msg("%s: %s (%s)", #call, e_.message, err_name(e_.code)); \
    } while (0)

/* For a group's setup and teardown. */
void one_server_start(uint32_t server_id);
/* A MySQL server; where there is none, root stays NULL and need_server() skips each test. */
void one_server_start_mysql(uint32_t server_id);
/* One that gives its transactions no GTIDs; its options. */
void one_server_start_mysql_no_gtids(uint32_t server_id);
extern const char *const no_gtids[];
#define need_server() \
    do {              \
        if (!root)    \
            skip();   \
    } while (0)
int one_server_stop(void **state); /* as a group's teardown */
void run(const char *sql);
void run_refused(const char *sql); /* it fails */
const struct table_def *load_def(const char *db, const char *name);

#endif
