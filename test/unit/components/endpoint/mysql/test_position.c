/* GTID texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "components/endpoint/mysql/position.h"

static void assert_set(const struct txn_set *set, const char *text)
{
    struct buf b;

    buf_init(&b, 4096);
    txn_set_format(set, &b);
    assert_string_equal(buf_cstr(&b), text);
    buf_fini(&b);
}

static void assert_good(bool (*parse)(const char *, struct txn_set *, struct err *),
                        const char *text, const char *set)
{
    struct txn_set s;
    struct err e = ERR_INIT;

    txn_set_init(&s);
    assert_true(parse(text, &s, &e));
    assert_set(&s, set);
    txn_set_fini(&s);
}

static void assert_bad(bool (*parse)(const char *, struct txn_set *, struct err *),
                       const char *text)
{
    struct txn_set s;
    struct err e = ERR_INIT;

    txn_set_init(&s);
    assert_false(parse(text, &s, &e));
    assert_int_equal(e.code, ERR_CORRUPT);
    txn_set_fini(&s);
}

static void a_mariadb_state_stands_for_everything_before_it(void **state)
{
    (void)state;
    assert_good(position_add_mariadb, "0-1-100", "mariadb:0=1-100");
    assert_good(position_add_mariadb, "0-1-5,7-22-1", "mariadb:0=1-5;mariadb:7=1");
    assert_good(position_add_mariadb, " 0-1-5 , 0-2-9", "mariadb:0=1-9");
    assert_good(position_add_mariadb, "", "");
}

static void bad_mariadb_states_are_refused(void **state)
{
    static const char *const bad[] = {"x",       "0-1", "0-1-",   "0-1-5;0-2-6",
                                      "0-1-5 6", "-1",  "0--1-5", "0-1-99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(position_add_mariadb, bad[i]);
}

#define U1 "3e11fa47-71ca-11e1-9e33-c80aa9429562"
#define U2 "00000000-0000-0000-0000-00000000000a"

static void mysql_sets_keep_their_intervals(void **state)
{
    (void)state;
    assert_good(position_add_mysql, U1 ":1-5", "mysql:" U1 "=1-5");
    assert_good(position_add_mysql, "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5:7",
                "mysql:" U1 "=1-5,7");
    assert_good(position_add_mysql, U1 ":1-5,\n" U2 ":3", "mysql:" U2 "=3;mysql:" U1 "=1-5");
    assert_good(position_add_mysql, U1 ":1-5:tag:1-2:4", "mysql:" U1 "=1-5;mysql:" U1 ":tag=1-2,4");
    assert_good(position_add_mysql, "", "");
}

static void bad_mysql_sets_are_refused(void **state)
{
    static const char *const bad[] = {"x", U1, U1 ":", U1 ":5-1", U1 ":0", U1 ":1-", "abc:1-5"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(position_add_mysql, bad[i]);
}

static void what_is_being_committed_is_read_without_separators(void **state)
{
    static const char *const bad[] = {"5#14", U1 ":x#1", U1 ":#1", "x" U1 ":5#1"};

    (void)state;
    assert_good(position_add_owned, "", "");
    assert_good(position_add_owned, U1 ":5#14", "mysql:" U1 "=5");
    assert_good(position_add_owned, U1 ":5#14:6#133" U2 ":7#1", "mysql:" U2 "=7;mysql:" U1 "=5-6");
    assert_good(position_add_owned, U1 ":5#14,\n" U2 ":7#1", "mysql:" U2 "=7;mysql:" U1 "=5");
    assert_good(position_add_owned, U1 ":tag:5#14" U2 ":7#1", "mysql:" U2 "=7;mysql:" U1 ":tag=5");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(position_add_owned, bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mariadb_state_stands_for_everything_before_it),
        cmocka_unit_test(bad_mariadb_states_are_refused),
        cmocka_unit_test(mysql_sets_keep_their_intervals),
        cmocka_unit_test(bad_mysql_sets_are_refused),
        cmocka_unit_test(what_is_being_committed_is_read_without_separators),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
