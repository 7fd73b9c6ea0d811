/*
 * For contract tests of targets: one private server, a connection of the tester's own, claims,
 * tables and rows in few words. Every function fails the running test by itself.
 */
#ifndef OMS_TEST_LIB_TARGET_WORLD_H
#define OMS_TEST_LIB_TARGET_WORLD_H

#include "components/endpoint/endpoint.h"
#include "test/lib/mariadb.h"

struct target_world {
    struct mariadb server;
    const struct endpoint *endpoint;
    struct session *own; /* not registered: looks and disturbs */
    struct arena arena;
    VEC(struct txn_set *) sets;
};

int target_world_open(void **state); /* cmocka group set-up: *state is a struct target_world * */
int target_world_close(void **state);

/* Runs statements of the tester. */
void world_sql(struct target_world *w, const char *fmt, ...) PRINTF(2, 3);
/* The first column of the first row; "" when there is none. Lives in the arena. */
const char *world_value(struct target_world *w, const char *fmt, ...) PRINTF(2, 3);
long world_number(struct target_world *w, const char *fmt, ...) PRINTF(2, 3);

struct claim *world_claim(struct target_world *w, const char *task, uint64_t epoch, uint32_t slots);
struct claim *world_claim_at(struct target_world *w, const struct endpoint_address *a,
                             const char *task, uint64_t epoch, uint32_t slots);
/* The error of a takeover that must be refused. */
enum err_code world_claim_refused(struct target_world *w, const char *task, uint64_t epoch);
struct slot *world_slot(struct target_world *w, struct claim *c, uint32_t n);
/* Source definition = the target's own table. */
struct target_table *world_table(struct target_world *w, struct claim *c, const char *db,
                                 const char *name, const struct table_def **def);

/* Rows of tables (id INT, v VARCHAR): canonical. */
struct view world_row(struct target_world *w, const struct table_def *def, int32_t id,
                      const char *v);
struct write world_insert(struct target_table *t, struct view after);
struct write world_update(struct target_table *t, struct view before, struct view after);
struct write world_delete(struct target_table *t, struct view before);

struct txn_set *world_set(struct target_world *w, uint64_t last); /* mariadb:0 = 1-last */
/* One claim, slot and table d.t, which begins empty. */
struct target_bench {
    struct target_world *w;
    const struct target_ops *to;
    struct claim *c;
    struct slot *s;
    const struct table_def *def;
    struct target_table *t;
};
void bench_open(struct target_bench *b, struct target_world *w, const char *task, uint32_t slots,
                const char *columns);
void bench_close(struct target_bench *b);
struct view bench_row(struct target_bench *b, int32_t id, const char *v);

struct apply_result world_apply(struct target_world *w, struct slot *s, const struct txn_set *low,
                                const struct write *writes, size_t n);
enum err_code world_apply_fails(struct target_world *w, struct slot *s, const struct write *writes,
                                size_t n);

#endif
