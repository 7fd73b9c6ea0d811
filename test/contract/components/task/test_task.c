/* The verbs between two real servers; the runtime is a fake that only remembers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/endpoint/mysql/endpoint.h"
#include "components/task/task.h"
#include "components/transform/transform.h"
#include "test/lib/one_server.h"

/* --- the fake runtime ---------------------------------------------------------------------------
 */

static const char *sealed[8];
static size_t n_sealed;

bool component_stopping(const struct component *c)
{
    (void)c;
    return false;
}
const char *component_dir(const struct component *c)
{
    (void)c;
    return "/tmp";
}
uint64_t component_epoch(const struct component *c)
{
    (void)c;
    return 3;
}
void component_progress(struct component *c, const char *step, const char *unit, uint64_t done,
                        uint64_t total, double rate_per_s, int64_t eta_s)
{
    (void)c, (void)step, (void)unit, (void)rate_per_s, (void)eta_s;
    assert_true(done <= total);
}
void component_table(struct component *c, const char *step, const char *table, const char *state,
                     uint64_t done, uint64_t total, const char *detail)
{
    (void)c, (void)step, (void)table, (void)state, (void)done, (void)total, (void)detail;
}
void component_step_done(struct component *c, const char *step)
{
    (void)c, (void)step;
}

static struct memo_seen {
    char key[80], state[16];
} memos[32];
static size_t n_memos;

static bool fake_memo_put(struct claim *c, const char *key, const struct memo *m, struct err *e)
{
    (void)c, (void)e;
    assert_true(n_memos < ARRAY_LEN(memos) && m->statement.len > 0);
    (void)snprintf(memos[n_memos].key, sizeof memos[0].key, "%s", key);
    (void)snprintf(memos[n_memos++].state, sizeof memos[0].state, "%s", m->state);
    return true;
}

static bool fake_takeover(const struct takeover_params *p, struct claim **c, struct err *e)
{
    (void)e;
    assert_true(p->epoch >= 3);
    if (!p->seal) {
        assert_string_equal(p->task, "p/schema");
        *c = NULL;
        return true;
    }
    sealed[n_sealed++] = p->task;
    *c = NULL;
    return true;
}
static void fake_claim_close(struct claim *c)
{
    (void)c;
}

/* --- the room -----------------------------------------------------------------------------------
 */

static struct mariadb target_server;
static struct session *target_root;
static struct target_ops target_ops;
static struct endpoint endpoint;

static void run_target(const char *sql)
{
    check(session_exec(target_root, sql, e));
}

static int setup(void **state)
{
    (void)state;
    one_server_start(41);
    check(mariadb_start(&target_server, 42, NULL, e));
    struct endpoint_address a = mariadb_address(&target_server);
    check(session_open(&a, SESSION_DDL, &target_root, e));
    target_ops.takeover = fake_takeover;
    target_ops.claim_close = fake_claim_close;
    target_ops.memo_put = fake_memo_put;
    endpoint.catalog = &mysql_catalog_ops;
    endpoint.target = &target_ops;
    endpoint.dialect = &mysql_dialect_ops;
    run("CREATE DATABASE shop CHARACTER SET utf8mb4");
    run("CREATE TABLE shop.customers (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL,"
        " UNIQUE KEY un (name), KEY kn (name(3)))");
    run("CREATE TABLE shop.orders (id INT PRIMARY KEY, c INT, KEY (c), CONSTRAINT fc FOREIGN KEY "
        "(c)"
        " REFERENCES customers (id))");
    run("CREATE TRIGGER shop.t1 BEFORE INSERT ON shop.orders FOR EACH ROW SET NEW.c = NEW.c");
    run("CREATE TABLE shop.noise (i INT)");
    return 0;
}

static int teardown(void **state)
{
    session_close(target_root);
    mariadb_stop(&target_server);
    (void)one_server_stop(state);
    return 0;
}

struct bench { /* one task with what its specification needs */
    struct task t;
    Oms__ComponentFixed fixed;
    Oms__ObjectScope scope;
    Oms__RenameRule rename;
    char *include[1], *exclude[1];
    Oms__RenameRule *renames[1];
    char *args[2], *skip[1];
};

static void bench_init(struct bench *b, bool rename)
{
    memset(b, 0, sizeof *b);
    oms__component_fixed__init(&b->fixed);
    oms__object_scope__init(&b->scope);
    oms__rename_rule__init(&b->rename);
    b->include[0] = (char *)"shop.*";
    b->exclude[0] = (char *)"shop.noise";
    b->scope.n_include = 1;
    b->scope.include = b->include;
    b->scope.n_exclude = 1;
    b->scope.exclude = b->exclude;
    b->rename.from = (char *)"shop";
    b->rename.to = (char *)"store";
    b->renames[0] = &b->rename;
    b->scope.n_rename = rename;
    b->scope.rename = b->renames;
    b->fixed.scope = &b->scope;
    b->fixed.verb = (char *)"x";
    b->fixed.project = (char *)"p";
    b->t.fixed = &b->fixed;
    arena_init(&b->t.arena, 0);
    b->t.source = (struct task_side){"src", mariadb_address(&server), &endpoint};
    b->t.target = (struct task_side){"dst", mariadb_address(&target_server), &endpoint};
    check(transform_scope(&b->scope, &b->t.arena, &b->t.scope, e));
}

static void bench_fini(struct bench *b)
{
    vec_fini(&b->t.checks);
    vec_fini(&b->t.objects);
    arena_fini(&b->t.arena);
}

static const Oms__CheckView *check_of(const struct bench *b, const char *id)
{
    for (size_t i = 0; i < b->t.checks.n; i++)
        if (strcmp(b->t.checks.at[i]->id, id) == 0)
            return b->t.checks.at[i];
    return NULL;
}

static const Oms__ObjectView *object_of(const struct bench *b, const char *type, const char *name)
{
    for (size_t i = 0; i < b->t.objects.n; i++)
        if (strcmp(b->t.objects.at[i]->type, type) == 0 &&
            strcmp(b->t.objects.at[i]->name, name) == 0)
            return b->t.objects.at[i];
    fail_msg("no %s '%s'", type, name);
    return NULL;
}

static void assert_state(const struct bench *b, const char *type, const char *name,
                         const char *state)
{
    const Oms__ObjectView *o = object_of(b, type, name);

    if (strcmp(o->state, state) != 0)
        fail_msg("%s '%s' is '%s' (%s), not '%s'", type, name, o->state, o->reason, state);
}

/* --- tests, in the order of a project -----------------------------------------------------------
 */

static void test_tells_what_answers(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, false);
    check(task_test(&b.t, e));
    assert_string_equal(check_of(&b, "source.connect")->verdict, "ok");
    assert_non_null(strstr(check_of(&b, "source.connect")->reason, "MariaDB"));
    bench_fini(&b);
}

static void test_tells_the_code_of_what_does_not(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, false);
    b.t.source.address.password = "wrong";
    check(task_test(&b.t, e));
    assert_string_equal(check_of(&b, "source.connect")->verdict, "failed");
    assert_non_null(strstr(check_of(&b, "source.connect")->reason, "SERVER_DENIED: "));
    assert_string_equal(check_of(&b, "target.connect")->verdict, "ok");
    bench_fini(&b);
}

static void precheck_of_a_good_pair_fails_nothing(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, true);
    check(task_precheck(&b.t, e));
    for (size_t i = 0; i < b.t.checks.n; i++)
        if (strcmp(b.t.checks.at[i]->verdict, "failed") == 0)
            fail_msg("%s: %s", b.t.checks.at[i]->id, b.t.checks.at[i]->reason);
    assert_int_equal(task_failed(&b.t), 0);
    assert_non_null(strstr(check_of(&b, "scope.tables")->reason, "2 tables"));
    bench_fini(&b);
}

static void precheck_names_what_is_wrong_and_skips_what_may_be(void **state)
{
    struct bench b;

    (void)state;
    run("CREATE DATABASE aside");
    run("CREATE TABLE aside.p (id INT PRIMARY KEY)");
    run("CREATE TABLE shop.casc (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES aside.p"
        " (id) ON DELETE SET NULL)");
    run_target("SET GLOBAL read_only=ON");
    bench_init(&b, true);
    check(task_precheck(&b.t, e));
    assert_string_equal(check_of(&b, "table.cascades")->verdict, "failed");
    assert_string_equal(check_of(&b, "table.cascades")->object, "shop.casc");
    assert_string_equal(check_of(&b, "target.read_only")->verdict, "failed");
    assert_int_equal(task_failed(&b.t), 2);
    bench_fini(&b);

    bench_init(&b, true);
    b.skip[0] = (char *)"target.read_only";
    b.fixed.n_skip_checks = 1;
    b.fixed.skip_checks = b.skip;
    check(task_precheck(&b.t, e));
    assert_string_equal(check_of(&b, "target.read_only")->verdict, "skipped");
    assert_int_equal(task_failed(&b.t), 1);
    bench_fini(&b);
    run_target("SET GLOBAL read_only=OFF");
    run("DROP TABLE shop.casc");
}

static void precheck_finds_what_an_earlier_project_of_that_name_left(void **state)
{
    struct bench b;
    char *tasks[] = {(char *)"again/full", (char *)"again/incremental"};
    struct claim *c = NULL;

    (void)state;
    for (int seal = 0; seal < 2; seal++) {
        bench_init(&b, true);
        struct takeover_params p = {
            .address = &b.t.target.address, .task = tasks[1], .epoch = 7, .slots = 1, .seal = seal};
        b.fixed.new_tasks = tasks;
        b.fixed.n_new_tasks = 1;
        check(task_precheck(&b.t, e));
        assert_string_equal(check_of(&b, "target.records")->verdict, "ok");
        check(mysql_target_ops.takeover(&p, &c, e));
        mysql_target_ops.claim_close(c);
        bench_fini(&b);

        bench_init(&b, true);
        b.fixed.new_tasks = tasks;
        b.fixed.n_new_tasks = 2;
        check(task_precheck(&b.t, e));
        assert_string_equal(check_of(&b, "target.records")->verdict, "failed");
        assert_int_equal(check_of(&b, "target.records")->may_skip, !seal);
        assert_non_null(strstr(check_of(&b, "target.records")->remedy, "another name"));
        bench_fini(&b);
    }
}

static void precheck_of_an_empty_scope_fails(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, false);
    b.include[0] = (char *)"nowhere.*";
    check(transform_scope(&b.scope, &b.t.arena, &b.t.scope, e));
    check(task_precheck(&b.t, e));
    assert_string_equal(check_of(&b, "scope.tables")->verdict, "failed");
    bench_fini(&b);
}

static void schema_creates_tables_and_holds_the_rest_back(void **state)
{
    struct bench b;

    (void)state;
    for (int i = 0; i < 2; i++) { /* the second time everything is there */
        bench_init(&b, true);
        check(task_schema(&b.t, e));
        assert_state(&b, "table", "shop.customers", "created");
        assert_state(&b, "table", "shop.orders", "created");
        assert_state(&b, "indexes", "shop.customers", "held back");
        assert_state(&b, "unique indexes", "shop.customers", "held back");
        assert_state(&b, "foreign key", "shop.orders.fc", "held back");
        assert_state(&b, "trigger", "shop.orders.t1", "held back");
        bench_fini(&b);
    }
    assert_int_equal(n_memos, 4); /* what was there the second time is not called ours again */
    for (size_t i = 0; i < n_memos; i++) {
        assert_string_equal(memos[i].key, i < 2 ? "made shop.customers" : "made shop.orders");
        assert_string_equal(memos[i].state, i % 2 ? "made" : "making");
    }
    run_target("INSERT INTO store.customers VALUES (1, 'a'), (2, 'a')");
    run_target("DELETE FROM store.customers");
}

static void a_table_of_another_shape_stops_with_the_difference(void **state)
{
    struct bench b;
    struct err e2 = ERR_INIT;

    (void)state;
    run_target("CREATE DATABASE shop");
    run_target("CREATE TABLE shop.orders (id INT PRIMARY KEY, c BIGINT)");
    bench_init(&b, false);
    assert_false(task_schema(&b.t, &e2));
    assert_int_equal(e2.code, ERR_TARGET_SHAPE);
    assert_non_null(strstr(e2.message, "'c'"));
    assert_state(&b, "table", "shop.orders", "failed");
    assert_state(&b, "table", "shop.customers", "created");
    bench_fini(&b);
    bench_init(&b, false);
    check(task_precheck(&b.t, e));
    assert_string_equal(check_of(&b, "target.table_shape")->verdict, "failed");
    bench_fini(&b);
    run_target("DROP DATABASE shop");
}

static void seal_takes_every_named_task_and_tells_what_is_held(void **state)
{
    struct bench b;
    struct err e2 = ERR_INIT;

    (void)state;
    bench_init(&b, true);
    assert_false(task_seal(&b.t, &e2)); /* no names */
    assert_int_equal(e2.code, ERR_INVALID);
    b.args[0] = (char *)"p/full";
    b.args[1] = (char *)"p/incremental";
    b.fixed.n_verb_args = 2;
    b.fixed.verb_args = b.args;
    check(task_seal(&b.t, e));
    assert_int_equal(n_sealed, 2);
    assert_string_equal(sealed[1], "p/incremental");
    assert_state(&b, "task", "p/full", "sealed");
    assert_state(&b, "foreign key", "shop.orders.fc", "held back");
    bench_fini(&b);
    bench_init(&b, true); /* without the source the seal holds all the same */
    b.fixed.n_verb_args = 2;
    b.fixed.verb_args = b.args;
    b.args[0] = (char *)"p/full";
    b.args[1] = (char *)"p/incremental";
    b.t.source.address.port = 1;
    check(task_seal(&b.t, e));
    assert_state(&b, "foreign keys and triggers", "src", "unknown");
    bench_fini(&b);
}

static void finish_creates_foreign_keys_and_triggers_once(void **state)
{
    struct bench b;

    (void)state;
    for (int i = 0; i < 2; i++) {
        bench_init(&b, true);
        check(task_finish(&b.t, e));
        assert_state(&b, "foreign key", "shop.orders.fc", "created");
        assert_state(&b, "trigger", "shop.orders.t1", "created");
        assert_non_null(strstr(object_of(&b, "foreign key", "shop.orders.fc")->ddl,
                               "REFERENCES `store`.`customers`"));
        bench_fini(&b);
    }
}

static void finish_tells_what_the_server_refuses(void **state)
{
    struct bench b;

    (void)state;
    run_target("ALTER TABLE store.orders DROP FOREIGN KEY fc");
    run_target("INSERT INTO store.orders VALUES (1, 99)");
    run("CREATE TRIGGER shop.t2 BEFORE DELETE ON shop.orders FOR EACH ROW DELETE FROM shop.noise");
    bench_init(&b, true);
    check(task_finish(&b.t, e));
    assert_state(&b, "foreign key", "shop.orders.fc", "failed");
    assert_state(&b, "trigger", "shop.orders.t1", "created");
    assert_state(&b, "trigger", "shop.orders.t2", "held back");
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tells_what_answers),
        cmocka_unit_test(test_tells_the_code_of_what_does_not),
        cmocka_unit_test(precheck_of_a_good_pair_fails_nothing),
        cmocka_unit_test(precheck_names_what_is_wrong_and_skips_what_may_be),
        cmocka_unit_test(precheck_finds_what_an_earlier_project_of_that_name_left),
        cmocka_unit_test(precheck_of_an_empty_scope_fails),
        cmocka_unit_test(schema_creates_tables_and_holds_the_rest_back),
        cmocka_unit_test(a_table_of_another_shape_stops_with_the_difference),
        cmocka_unit_test(seal_takes_every_named_task_and_tells_what_is_held),
        cmocka_unit_test(finish_creates_foreign_keys_and_triggers_once),
        cmocka_unit_test(finish_tells_what_the_server_refuses),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
