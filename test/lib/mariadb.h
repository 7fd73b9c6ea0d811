/*
 * A private server for tests, MariaDB or MySQL: own directory under /tmp, own socket and free port,
 * dies with the test. Runs as user mysql (or nobody, where there is none) when the test is root.
 * One thread per server.
 */
#ifndef OMS_TEST_LIB_MARIADB_H
#define OMS_TEST_LIB_MARIADB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "components/endpoint/endpoint.h"

struct mariadb {
    char dir[64];
    char socket[96];
    uint16_t port; /* on 127.0.0.1 */
    uint32_t server_id;
    pid_t pid; /* 0 = not running */
    bool is_mysql;
};

/* Makes the directory and starts the server: binary log ROW, FULL images and FULL metadata, CRC32,
 * utf8mb4, GTID strict. `extra` (NULL-terminated, or NULL) are further options; the last one wins.
 * User 'oms' with password 'oms' may do everything; 'root' has no password. On failure nothing is
 * left behind. Returns when it answers (about a second). */
bool mariadb_start(struct mariadb *m, uint32_t server_id, const char *const *extra,
                   struct err *e) MUST_CHECK;
/* The same with MySQL of Debian's sid (deploy/sample/mysql-server fetches it): GTIDs, FULL
 * metadata. Its user 'oms' logs in by caching_sha2_password. */
bool mysql_start(struct mariadb *m, uint32_t server_id, const char *const *extra,
                 struct err *e) MUST_CHECK;
/* Can it be had? Fetches it the first time; false is told on standard error, once. */
bool mysql_available(void);
/* Starts it again on the same directory and port after mariadb_kill or mariadb_shutdown. */
bool mariadb_again(struct mariadb *m, const char *const *extra, struct err *e) MUST_CHECK;
/* SIGKILL (a crash), or SIGTERM and waiting for the end; the directory stays. */
void mariadb_kill(struct mariadb *m);
void mariadb_shutdown(struct mariadb *m);
/* Kills it and removes the directory. Twice is fine. */
void mariadb_stop(struct mariadb *m);
/* TCP address as user 'oms'; strings are static or in m. */
struct endpoint_address mariadb_address(const struct mariadb *m);

#endif
