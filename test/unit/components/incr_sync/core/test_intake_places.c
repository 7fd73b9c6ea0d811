/* Intake of a log of places that goes on at another server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "components/incr_sync/core/intake.h"

#define A "mysql-file:51303d87-e5f5-11f1-af58-02fc00000001"
#define B "mysql-file:4ea8df63-e5f5-11f1-83cd-02fc00000001"
#define C "mysql-file:62b8df63-e5f5-11f1-83cd-02fc00000001"

static void scope(void *arg, const struct table_def *t, struct intake_scope *out)
{
    (void)arg, (void)t, (void)out;
}

static bool ddl_in_scope(void *arg, const struct ddl_record *d)
{
    (void)arg, (void)d;
    return false;
}

static void idle(void *arg, struct source_block *b)
{
    (void)arg;
    source_block_free(b);
}

static struct intake *make(const char *low, const char *ends)
{
    struct txn_set l, none, en;
    struct err e = ERR_INIT;
    struct intake_params p = {.low = &l,
                              .done = &none,
                              .ends = &en,
                              .scope = scope,
                              .ddl_in_scope = ddl_in_scope,
                              .txn_limit_bytes = 1u << 20,
                              .barrier_bytes = 1u << 20,
                              .barrier_keys = 50};

    txn_set_init(&none);
    assert_true(txn_set_parse(low, &l, &e) && txn_set_parse(ends, &en, &e));
    struct intake *in = intake_new(&p);
    txn_set_fini(&l);
    txn_set_fini(&en);
    return in;
}

/* Takes an empty transaction; its error. */
static enum err_code give(struct intake *in, const char *origin, uint64_t from, uint64_t to)
{
    struct source_block *b = source_block_new(4096);
    struct err e = ERR_INIT;
    struct txn_writer w;
    struct txn_head h = {.id = {origin_intern(origin, strlen(origin)), to},
                         .covers_from = from,
                         .commit = {1000},
                         .flags = TXN_F_LAST | TXN_F_FILTERED};

    txn_writer_init(&w, &b->raw);
    txn_write_begin(&w, RECORD_TXN, &h);
    txn_write_end(&w);
    bool ok = intake_block(in, b, &e);
    assert_int_equal(ok, e.code == ERR_NONE);
    for (size_t i = 0; i < b->txns.n; i++)
        source_txn_release(b->txns.at[i], idle, NULL);
    if (source_block_unref(b))
        source_block_free(b);
    return e.code;
}

static void a_log_that_goes_on_elsewhere_before_the_copys_end_stops(void **state)
{
    struct intake *in = make(A "=1-10", A "=1-20");

    (void)state;
    assert_int_equal(give(in, A, 11, 15), ERR_NONE);
    assert_int_equal(give(in, B, 1, 100), ERR_COPY_PLACE);
    intake_free(in);
}

static void it_stops_in_every_life_behind_that_place(void **state)
{
    struct intake *in = make(A "=1-15;" B "=1-100", A "=1-20");

    (void)state;
    assert_int_equal(give(in, A, 11, 15), ERR_NONE); /* comes again and is passed over */
    assert_int_equal(give(in, B, 101, 105), ERR_COPY_PLACE);
    intake_free(in);
}

static void a_log_that_goes_on_elsewhere_behind_the_copys_end_goes_on(void **state)
{
    struct intake *in = make(A "=1-10", A "=1-20");

    (void)state;
    assert_int_equal(give(in, A, 11, 20), ERR_NONE);
    assert_int_equal(give(in, B, 1, 100), ERR_NONE);
    assert_int_equal(give(in, B, 101, 105), ERR_NONE);
    intake_free(in);
}

static void an_end_at_a_server_that_is_yet_to_come_is_waited_for(void **state)
{
    struct intake *in = make(A "=1-10", A "=1-20;" C "=1-500");

    (void)state;
    assert_int_equal(give(in, A, 11, 20), ERR_NONE);
    assert_int_equal(give(in, B, 1, 100), ERR_NONE);
    assert_int_equal(give(in, C, 1, 400), ERR_NONE);
    assert_int_equal(give(in, B, 101, 105), ERR_COPY_PLACE);
    intake_free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_goes_on_elsewhere_before_the_copys_end_stops),
        cmocka_unit_test(it_stops_in_every_life_behind_that_place),
        cmocka_unit_test(a_log_that_goes_on_elsewhere_behind_the_copys_end_goes_on),
        cmocka_unit_test(an_end_at_a_server_that_is_yet_to_come_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
