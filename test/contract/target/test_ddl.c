/*
 * The source's DDL on a real target (correctness A1): a claim that was taken over neither runs a
 * statement nor remembers one, even where the statement had begun and waits for a lock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/os/clock.h"
#include "common/os/thread.h"
#include "test/lib/target_world.h"

#define LONG_S 60

struct running {
    struct target_world *w;
    struct claim *c;
    bool ok;
    struct err e;
};

static void run_in_thread(void *arg)
{
    struct running *r = arg;
    struct ddl_session as = {0};

    r->ok =
        r->w->endpoint->target->ddl_run(r->c, &as, "d", "ALTER TABLE z ADD COLUMN w INT", &r->e);
}

static long columns_of_z(struct target_world *w)
{
    return world_number(w, "SELECT COUNT(*) FROM information_schema.columns WHERE "
                           "table_schema='d' AND table_name='z'");
}

static void wait_until_it_waits(struct target_world *w)
{
    for (int tries = 0; tries < LONG_S * 20; tries++) {
        if (world_number(w, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE "
                            "'ALTER TABLE z%%' AND state LIKE 'Waiting%%'") == 1)
            return;
        world_sql(w, "DO SLEEP(0.05)");
    }
    fail_msg("the statement does not wait");
}

static void a_ddl_that_waits_ends_with_its_claim_and_never_runs(void **state)
{
    struct target_world *w = *state;
    struct running r = {.w = w, .e = ERR_INIT};
    struct memo m = {.state = "intent"};
    struct thread thread = {0};
    struct err e = ERR_INIT;

    world_sql(w, "CREATE DATABASE IF NOT EXISTS d");
    world_sql(w, "CREATE TABLE d.z (id INT PRIMARY KEY)");
    world_sql(w, "INSERT INTO d.z VALUES (1)");
    r.c = world_claim(w, "zombie", 1, 1);
    world_sql(w, "START TRANSACTION");
    world_sql(w, "UPDATE d.z SET id=2"); /* the statement waits for it */
    assert_true(thread_start(&thread, "ddl", run_in_thread, &r, &e));
    wait_until_it_waits(w);
    struct claim *next = world_claim(w, "zombie", 1, 1);
    world_sql(w, "COMMIT");
    thread_join(&thread);
    assert_false(r.ok);
    assert_int_equal(columns_of_z(w), 1);
    run_in_thread(&r); /* it does not know yet, and tries once more */
    assert_false(r.ok);
    assert_int_equal(r.e.code, ERR_FENCED);
    assert_false(w->endpoint->target->memo_put(r.c, "mariadb:0:5", &m, &e));
    assert_int_equal(e.code, ERR_FENCED);
    assert_int_equal(columns_of_z(w), 1);
    r.e = (struct err)ERR_INIT;
    w->endpoint->target->claim_close(r.c);
    r.c = next;
    run_in_thread(&r);
    assert_true(r.ok);
    assert_int_equal(columns_of_z(w), 2);
    w->endpoint->target->claim_close(next);
}

/* What the target shows of a table, with the engine's number of it. */
static char *look(struct claim *c, struct target_world *w, const char *db, const char *name)
{
    struct err e = ERR_INIT;
    struct buf b;

    buf_init(&b, 1 << 20);
    if (!w->endpoint->target->ddl_look(c, db, name, true, &b, &e))
        fail_msg("%s", e.message);
    char *text = strdup(buf_cstr(&b));
    buf_fini(&b);
    return text;
}

static void a_table_is_known_again_under_another_name(void **state)
{
    static const char *const names[] = {"plain", "a`b", "T 1", "t 1", "t\xc3\xa4`", "a.b", "--9"};
    const size_t n = sizeof names / sizeof *names;
    struct target_world *w = *state;
    struct claim *c = world_claim(w, "looks", 1, 1);
    struct buf sql;
    char *seen[sizeof names / sizeof *names];

    buf_init(&sql, 4096);
    world_sql(w, "CREATE DATABASE IF NOT EXISTS `d-1`");
    for (size_t i = 0; i < n; i++) { /* a column has the table's name, and another the next one's */
        buf_clear(&sql);
        buf_str(&sql, "CREATE TABLE ");
        w->endpoint->dialect->quote_table(&sql, "d-1", names[i]);
        buf_str(&sql, " (plain INT PRIMARY KEY, `a``b` INT CHECK (plain > 0))");
        world_sql(w, "%s", buf_cstr(&sql));
        seen[i] = look(c, w, "d-1", names[i]);
        assert_int_equal(seen[i][0], '#');
        for (size_t k = 0; k < i; k++) { /* the same definition, and told apart */
            assert_string_equal(strchr(seen[i], '\n'), strchr(seen[k], '\n'));
            assert_string_not_equal(seen[i], seen[k]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        buf_clear(&sql);
        buf_str(&sql, "RENAME TABLE ");
        w->endpoint->dialect->quote_table(&sql, "d-1", names[i]);
        buf_str(&sql, " TO ");
        w->endpoint->dialect->quote_table(&sql, "d-1", "and `now");
        world_sql(w, "%s", buf_cstr(&sql));
        char *now = look(c, w, "d-1", "and `now");
        assert_string_equal(now, seen[i]);
        world_sql(w, "DROP TABLE `d-1`.`and ``now`");
        free(now);
        free(seen[i]);
    }
    buf_fini(&sql);
    w->endpoint->target->claim_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ddl_that_waits_ends_with_its_claim_and_never_runs),
        cmocka_unit_test(a_table_is_known_again_under_another_name),
    };

    return cmocka_run_group_tests(tests, target_world_open, target_world_close);
}
