/* What a Store tells people, and where a walk begins. */
#include "test/unit/components/store/store_fixture.h"

#include <stdio.h>

#include "components/store/log_walk.h"
#include "components/store/store_view.h"

struct seen {
    uint64_t first, last, n;
};

static enum walk_answer see(void *arg, const struct walk_record *r, struct err *e)
{
    struct seen *s = arg;

    (void)e;
    if (s->n++ == 0)
        s->first = r->head.id.seq;
    s->last = r->head.id.seq;
    return WALK_ON;
}

static enum walk_answer rest(void *arg, struct err *e)
{
    (void)arg, (void)e;
    return WALK_ON;
}

static bool walk(struct fixture *f, const char *from, const char *to, struct seen *s, struct err *e)
{
    struct log_walk_params p = {.store = f->s, .each = see, .pause = rest, .arg = s};

    *s = (struct seen){0};
    return (!from || store_place_parse(from, &p.from, e)) &&
           (!to || store_place_parse(to, &p.to, e)) && log_walk(&p, e);
}

static void a_walk_begins_at_any_place_in_any_segment(void **state)
{
    struct fixture *f = fixture_new(3000);
    struct err e = ERR_INIT;
    struct seen s;

    (void)state;
    for (int i = 0; i < 20; i++)
        append(f, 4, 400);
    sync_store(f);
    assert_true(walk(f, NULL, NULL, &s, &e));
    assert_int_equal(s.first, 101);
    assert_int_equal(s.last, 180);
    assert_int_equal(s.n, 80);
    for (uint64_t seq = 101; seq <= 180; seq++) {
        char from[40], time[40];

        snprintf(from, sizeof from, ORIGIN "=%d", (int)seq);
        wall_format((struct wall){(int64_t)seq * 1000000}, time);
        assert_true(walk(f, from, NULL, &s, &e));
        assert_int_equal(s.first, seq);
        assert_int_equal(s.last, 180);
        assert_true(walk(f, time, from, &s, &e)); /* commit time is seq seconds */
        assert_int_equal(s.first, seq);
        assert_int_equal(s.n, 1);
    }
    fixture_free(f);
}

static void refused(struct fixture *f, const char *from, const char *range)
{
    struct err e = ERR_INIT;
    struct seen s;

    assert_false(walk(f, from, NULL, &s, &e));
    assert_int_equal(e.code, ERR_STORE_POSITION);
    if (!strstr(e.message, range))
        fail_msg("'%s' does not name %s", e.message, range);
}

static void a_place_that_was_purged_or_is_to_come_is_refused_with_what_there_is(void **state)
{
    struct fixture *f = fixture_new(3000);
    struct txn_set low = log_set(ORIGIN "=1-180");
    struct err e = ERR_INIT;
    struct store_range r;
    struct buf kept;
    uint32_t removed;
    bool loud;

    (void)state;
    f->o.retention_us = 1;
    reopen(f);
    for (int i = 0; i < 20; i++)
        append(f, 4, 400);
    sync_store(f);
    assert_true(store_register(f->s, "p/incremental", &low, &e));
    assert_true(store_purge(f->s, (struct wall){INT64_MAX / 2}, &removed, &loud, &e));
    assert_true(removed > 0);
    assert_true(store_range_get(f->s, &r, &e));
    assert_true(r.purged);
    buf_init(&kept, 200);
    txn_set_format(&r.kept, &kept);
    refused(f, ORIGIN "=101", buf_cstr(&kept));
    refused(f, ORIGIN "=181", buf_cstr(&kept));
    refused(f, "other:1=150", buf_cstr(&kept));
    refused(f, "1970-01-01T00:01:41Z", buf_cstr(&kept));
    refused(f, "1971-01-01", buf_cstr(&kept));
    buf_fini(&kept);
    store_range_fini(&r);
    txn_set_fini(&low);
    fixture_free(f);
}

static void a_reader_s_distance_is_in_transactions_bytes_and_time(void **state)
{
    struct fixture *f = fixture_new(3000);
    struct txn_set low = log_set(ORIGIN "=1-150"), all = log_set(ORIGIN "=1-180");
    struct store_readers_view v;
    struct err e = ERR_INIT;

    (void)state;
    for (int i = 0; i < 20; i++)
        append(f, 4, 400);
    sync_store(f);
    assert_true(store_register(f->s, "slow", &low, &e) && store_register(f->s, "done", &all, &e));
    assert_true(store_readers_get(f->s, &v, &e));
    assert_int_equal(v.readers.n, 2);
    assert_int_equal(v.readers.at[0].behind_txns, 30);
    assert_true(v.readers.at[0].behind_bytes > 0);
    assert_int_equal(v.readers.at[0].next_commit.us, 149000000); /* its block has 149 to 152 */
    assert_int_equal(v.readers.at[1].behind_txns, 0);
    assert_int_equal(v.readers.at[1].behind_bytes, 0);
    store_readers_fini(&v);
    txn_set_fini(&low);
    txn_set_fini(&all);
    fixture_free(f);
}

static void count(void *arg, const struct table_def *t)
{
    assert_string_equal(t->name, "t");
    ++*(int *)arg;
}

static void table_versions_are_told_from_preambles_and_from_the_tail(void **state)
{
    struct fixture *f = fixture_new(64u << 20);
    struct err e = ERR_INIT;
    int n = 0;

    (void)state;
    append(f, 1, 10);
    sync_store(f);
    assert_true(store_each_table(f->s, count, &n, &e));
    assert_int_equal(n, 1);
    fixture_free(f);
}

static void what_is_no_place_says_what_one_looks_like(void **state)
{
    static const char *const bad[] = {"", "mariadb:0", "mariadb:0=", "mariadb:0=x", "=3", "today"};
    struct store_place p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;

        assert_false(store_place_parse(bad[i], &p, &e));
        assert_int_equal(e.code, ERR_INVALID);
        assert_non_null(strstr(e.message, "mariadb:0=123"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_begins_at_any_place_in_any_segment),
        cmocka_unit_test(a_place_that_was_purged_or_is_to_come_is_refused_with_what_there_is),
        cmocka_unit_test(a_reader_s_distance_is_in_transactions_bytes_and_time),
        cmocka_unit_test(table_versions_are_told_from_preambles_and_from_the_tail),
        cmocka_unit_test(what_is_no_place_says_what_one_looks_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
