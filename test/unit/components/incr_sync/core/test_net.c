/*
 * Net changes against a model: random histories over a table with a primary key and a nullable
 * unique key (swaps of unique values, moves to other keys, NULLs), cut into groups, must leave on a
 * strict server what the history left, with every count exact. OMS_NET_SEED runs one seed alone.
 */
#include "test/unit/components/incr_sync/core/net_fixture.h"

/* --- a strict server ----------------------------------------------------------------------------
 */

static const char *insert_row(struct row *rows, struct row to, bool unique)
{
    if (rows[to.id].there)
        return "duplicate primary key";
    if (unique && !unique_is_free(rows, to.u, N_IDS))
        return "duplicate unique key";
    rows[to.id] = to;
    return NULL;
}

/* NULL: exactly what was meant happened. */
static const char *serve(struct fixture *f, struct row *rows, const struct net_change *c)
{
    struct row to = c->after.p ? read_image(f, c->after) : (struct row){0};
    int64_t from = c->before.p ? read_image(f, c->before).id : -1;

    if (c->overlap) {
        if (from >= 0)
            rows[from].there = false;
        if (c->op != CHANGE_DELETE)
            rows[to.id] = to;
        return NULL;
    }
    if (c->op == CHANGE_INSERT)
        return insert_row(rows, to, true);
    if (!rows[from].there)
        return "no such row";
    rows[from].there = false;
    return c->op == CHANGE_UPDATE ? insert_row(rows, to, true) : NULL;
}

static bool same_rows(const struct row *a, const struct row *b)
{
    for (uint32_t i = 0; i < N_IDS; i++)
        if (a[i].there != b[i].there ||
            (a[i].there && (a[i].id != b[i].id || a[i].u != b[i].u || a[i].v != b[i].v)))
            return false;
    return true;
}

static size_t net_of(struct fixture *f, const struct event *x, size_t n,
                     const struct net_change **out)
{
    struct err e = ERR_INIT;
    uint64_t stands_for = 0;
    size_t count;

    net_begin(f->net, &f->options);
    for (size_t i = 0; i < n; i++)
        if (!net_add(f->net, &f->entry, &x[i].ch, &e))
            fail_msg("%s", e.message);
    *out = net_finish(f->net, &count);
    assert_int_equal(net_added(f->net), n);
    assert_int_equal(net_added(f->net), count + net_cancelled(f->net));
    for (size_t i = 0; i < count; i++)
        stands_for += (*out)[i].stands_for;
    assert_true(stands_for <= n);
    return count;
}

/* --- histories ----------------------------------------------------------------------------------
 */

static uint64_t first_seed(void)
{
    const char *s = getenv("OMS_NET_SEED");
    return s ? strtoull(s, NULL, 10) : 1;
}

static uint64_t n_seeds(void)
{
    return getenv("OMS_NET_SEED") ? 1 : 400;
}

static void one_history(uint64_t seed)
{
    struct event *x = calloc(N_CHANGES, sizeof *x);
    struct row source[N_IDS] = {{0}}, target[N_IDS] = {{0}};
    struct fixture f;

    setup(&f, seed, true);
    if (rnd(&f, 3) == 0)
        f.options.may_replace = NULL;
    for (int group = 0; group < 8; group++) {
        const struct net_change *out;
        size_t n = 0, want = 1 + rnd(&f, N_CHANGES), count;

        while (n < want)
            n += random_event(&f, source, &x[n]);
        count = net_of(&f, x, n, &out);
        for (size_t i = 0; i < count; i++) {
            const char *wrong = serve(&f, target, &out[i]);
            if (wrong)
                fail_msg("seed %llu, group %d, change %zu of %zu: %s", (unsigned long long)seed,
                         group, i, count, wrong);
        }
        if (!same_rows(source, target))
            fail_msg("seed %llu, group %d: the target differs", (unsigned long long)seed, group);
    }
    teardown(&f);
    free(x);
}

static void what_a_group_leaves_is_what_its_changes_left(void **state)
{
    (void)state;
    for (uint64_t s = first_seed(); s < first_seed() + n_seeds(); s++)
        one_history(s);
}

/* Each row was copied at a moment of its own; the unique key is not there yet (A10). */
static void one_overlap(uint64_t seed)
{
    struct event *x = calloc(N_CHANGES, sizeof *x);
    struct row source[N_IDS] = {{0}}, target[N_IDS] = {{0}};
    const struct net_change *out;
    struct fixture f;
    uint32_t copied[N_IDS];
    size_t count;

    setup(&f, seed, true);
    f.entry.use = USE_OVERLAP;
    for (uint32_t i = 0; i < N_IDS; i++)
        copied[i] = rnd(&f, N_CHANGES + 1);
    for (uint32_t n = 0; n < N_CHANGES;) {
        for (uint32_t i = 0; i < N_IDS; i++)
            if (copied[i] == n)
                target[i] = source[i];
        n += random_event(&f, source, &x[n]);
    }
    for (uint32_t i = 0; i < N_IDS; i++)
        if (copied[i] == N_CHANGES)
            target[i] = source[i];
    count = net_of(&f, x, N_CHANGES, &out);
    for (size_t i = 0; i < count; i++)
        (void)serve(&f, target, &out[i]);
    if (!same_rows(source, target))
        fail_msg("seed %llu: the target differs after the overlap", (unsigned long long)seed);
    teardown(&f);
    free(x);
}

static void a_copy_of_any_moment_ends_as_the_source(void **state)
{
    (void)state;
    for (uint64_t s = first_seed(); s < first_seed() + n_seeds(); s++)
        one_overlap(s);
}

/* --- one property each --------------------------------------------------------------------------
 */

static const struct row none;

static struct row a_row(int64_t id, int32_t u, int32_t v)
{
    return (struct row){.there = true, .id = id, .u = u, .v = v};
}

struct pair {
    struct row from, to;
};

/* "I1 U2 D3": what comes out, with the id of each row. */
static const char *texts(struct fixture *f, const struct pair *pairs, size_t n)
{
    static char text[200];
    struct event *x = calloc(n, sizeof *x);
    const struct net_change *out;
    size_t count, len = 0;

    for (size_t i = 0; i < n; i++)
        make_event(f, &x[i], pairs[i].from, pairs[i].to);
    count = net_of(f, x, n, &out);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        struct row to = read_image(f, out[i].after.p ? out[i].after : out[i].before);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%c%d:%d", i ? " " : "",
                                "?IUD"[out[i].op], (int)to.id, (int)to.v);
    }
    free(x);
    return text;
}

static void changes_of_one_row_become_one(void **state)
{
    struct row a = a_row(1, 1, 10), b = a_row(1, 1, 20), c = a_row(1, 1, 30);
    struct pair insert_update[] = {{none, a}, {a, b}, {b, c}},
                come_and_go[] = {{none, a}, {a, none}}, updates[] = {{a, b}, {b, c}},
                update_delete[] = {{a, b}, {b, none}}, again[] = {{a, none}, {none, c}},
                back[] = {{none, a}, {a, none}, {none, c}};
    struct fixture f;

    (void)state;
    setup(&f, 1, true);
    assert_string_equal(texts(&f, insert_update, 3), "I1:30");
    assert_string_equal(texts(&f, come_and_go, 2), "");
    assert_string_equal(texts(&f, updates, 2), "U1:30");
    assert_string_equal(texts(&f, update_delete, 2), "D1:10");
    assert_string_equal(texts(&f, again, 2), "U1:30");
    assert_string_equal(texts(&f, back, 3), "I1:30");
    teardown(&f);
}

static void a_row_that_comes_back_stays_two_changes_where_it_may_not_be_replaced(void **state)
{
    struct row a = a_row(1, 1, 10), c = a_row(1, 1, 30);
    struct pair again[] = {{a, none}, {none, c}};
    struct fixture f;

    (void)state;
    setup(&f, 1, true);
    f.options.may_replace = NULL;
    assert_string_equal(texts(&f, again, 2), "D1:10 I1:30");
    teardown(&f);
}

static void a_row_whose_unique_key_changes_is_never_merged(void **state)
{
    struct row a = a_row(1, 1, 10), b = a_row(1, 2, 20), c = a_row(1, 2, 30), d = a_row(2, 2, 40),
               nul = a_row(1, 0, 5);
    struct pair unique[] = {{a, b}, {b, c}}, primary[] = {{c, d}, {d, none}},
                to_null[] = {{a, nul}, {nul, a}};
    struct fixture f;

    (void)state;
    setup(&f, 1, true);
    assert_string_equal(texts(&f, unique, 2), "U1:20 U1:30");
    assert_string_equal(texts(&f, primary, 2), "U2:40 D2:40");
    assert_string_equal(texts(&f, to_null, 2), "U1:5 U1:10");
    teardown(&f);
}

static void a_change_passes_no_other_with_a_key_in_common(void **state)
{
    struct row a = a_row(1, 1, 10), b = a_row(2, 1, 20), b2 = a_row(2, 2, 21), c = a_row(1, 1, 30);
    /* Row 2 holds the unique value while row 1 is away. */
    struct pair taken[] = {{a, none}, {none, b}, {b, b2}, {none, c}};
    struct fixture f;

    (void)state;
    setup(&f, 1, true);
    assert_string_equal(texts(&f, taken, 4), "D1:10 I2:20 U2:21 I1:30");
    teardown(&f);
}

static void rows_without_unique_values_in_common_pass_each_other(void **state)
{
    struct row a = a_row(1, 0, 10), a2 = a_row(1, 0, 11), b = a_row(2, 0, 20), b2 = a_row(2, 0, 21);
    struct pair mixed[] = {{a, a2}, {b, b2}, {a2, a}, {b2, b}};
    struct fixture f;

    (void)state;
    setup(&f, 1, true);
    assert_string_equal(texts(&f, mixed, 4), "U1:10 U2:20");
    teardown(&f);
}

static void what_no_history_can_hold_is_left_to_the_server(void **state)
{
    struct row a = a_row(1, 1, 10), b = a_row(1, 1, 20);
    struct pair twice[] = {{none, a}, {none, b}}, after[] = {{a, none}, {a, b}},
                gone[] = {{a, none}, {a, none}};
    struct fixture f;

    (void)state;
    setup(&f, 1, true);
    assert_string_equal(texts(&f, twice, 2), "I1:10 I1:20");
    assert_string_equal(texts(&f, after, 2), "D1:10 U1:20");
    assert_string_equal(texts(&f, gone, 2), "D1:10 D1:10");
    teardown(&f);
}

static void in_the_overlap_a_deleted_row_is_deleted_though_its_insert_was_seen(void **state)
{
    struct row a = a_row(1, 1, 10);
    struct pair come_and_go[] = {{none, a}, {a, none}};
    struct fixture f;

    (void)state;
    setup(&f, 1, true);
    f.entry.use = USE_OVERLAP;
    assert_string_equal(texts(&f, come_and_go, 2), "D1:10");
    teardown(&f);
}

static void tables_without_keys_and_groups_that_failed_stay_as_they_came(void **state)
{
    struct row a = a_row(1, 1, 10), b = a_row(1, 1, 20);
    struct pair updates[] = {{none, a}, {a, b}, {b, none}};
    struct fixture f;

    (void)state;
    setup(&f, 1, false);
    assert_string_equal(texts(&f, updates, 3), "I1:10 U1:20 D1:20");
    teardown(&f);
    setup(&f, 1, true);
    f.options.merge = false;
    assert_string_equal(texts(&f, updates, 3), "I1:10 U1:20 D1:20");
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_group_leaves_is_what_its_changes_left),
        cmocka_unit_test(a_copy_of_any_moment_ends_as_the_source),
        cmocka_unit_test(changes_of_one_row_become_one),
        cmocka_unit_test(a_row_that_comes_back_stays_two_changes_where_it_may_not_be_replaced),
        cmocka_unit_test(a_row_whose_unique_key_changes_is_never_merged),
        cmocka_unit_test(a_change_passes_no_other_with_a_key_in_common),
        cmocka_unit_test(rows_without_unique_values_in_common_pass_each_other),
        cmocka_unit_test(what_no_history_can_hold_is_left_to_the_server),
        cmocka_unit_test(in_the_overlap_a_deleted_row_is_deleted_though_its_insert_was_seen),
        cmocka_unit_test(tables_without_keys_and_groups_that_failed_stay_as_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
