/* What the log says of rows: images between positions, keys that change, images that lack values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "components/full_verification/core/history.h"

/* id INT PRIMARY KEY, a VARCHAR, b VARCHAR, doc JSON */
enum { COLUMNS = 4 };
static const struct table_def *def;
static bool is_read[COLUMNS] = {true, true, true, true};

struct fixture {
    struct history *h;
    struct buf buf[8]; /* images in use */
    size_t n;
    uint64_t seq;
};

static int make_def(void **state)
{
    static const struct column_def columns[COLUMNS] = {
        {.name = "id", .kind = KIND_I32, .charset = "", .collation = "", .native = "int"},
        {.name = "a", .kind = KIND_TEXT, .nullable = true, .charset = "utf8mb4", .collation = "x"},
        {.name = "b", .kind = KIND_TEXT, .nullable = true, .charset = "utf8mb4", .collation = "x"},
        {.name = "doc", .kind = KIND_JSON, .nullable = true, .charset = "", .collation = ""}};
    static const struct key_part part = {.column = 0};
    static const struct key_def key = {
        .name = "PRIMARY", .primary = true, .unique = true, .n_parts = 1, .parts = &part};
    struct table_def_builder b;
    struct err e = ERR_INIT;

    (void)state;
    table_def_builder_init(&b);
    b.def = (struct table_def){.db = "d",
                               .name = "t",
                               .engine = "InnoDB",
                               .charset = "utf8mb4",
                               .collation = "x",
                               .n_columns = COLUMNS,
                               .columns = columns,
                               .n_keys = 1,
                               .keys = &key,
                               .family = "",
                               .create_text = ""};
    assert_true(table_def_seal(&b, &def, &e));
    table_def_builder_fini(&b);
    return 0;
}

static int drop_def(void **state)
{
    (void)state;
    table_def_unref(def);
    return 0;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->h = history_new(&(struct history_params){
        .table = def, .is_read = is_read, .max_rows = 3, .max_bytes = 4096});
    for (size_t i = 0; i < 8; i++)
        buf_init(&f->buf[i], 1 << 16);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    history_free(f->h);
    for (size_t i = 0; i < 8; i++)
        buf_fini(&f->buf[i]);
    free(f);
    return 0;
}

static void put_text(struct row_writer *w, const char *v)
{
    if (!v)
        row_put_null(w);
    else if (strcmp(v, "-") == 0)
        row_put_absent(w);
    else
        row_put_bytes(w, v, strlen(v));
}

static struct view full(struct fixture *f, const struct row_writer *shape, int id, const char *a,
                        const char *b, const char *doc)
{
    struct buf *out = &f->buf[f->n++ % 8];
    struct row_writer w;

    buf_clear(out);
    row_begin(&w, out, def, ROWS_CANONICAL, shape != NULL);
    if (id == 0)
        row_put_absent(&w);
    else
        row_put_u64(&w, (uint64_t)id);
    put_text(&w, a);
    put_text(&w, b);
    put_text(&w, doc);
    row_end(&w);
    return (struct view){out->p, out->len};
}

static const struct view none = {NULL, 0};

static struct view row(struct fixture *f, int id, const char *a, const char *b)
{
    return full(f, NULL, id, a, b, NULL);
}

/* As an image that lacks values has it: "-"; the id 0 is one, too. */
static struct view piece(struct fixture *f, int id, const char *a, const char *b)
{
    static const struct row_writer some;

    return full(f, &some, id, a, b, "-");
}

static void change(struct fixture *f, const struct history_txn *txn, struct view before,
                   struct view after, uint8_t flags)
{
    struct change ch = {.op = !before.p  ? CHANGE_INSERT
                              : !after.p ? CHANGE_DELETE
                                         : CHANGE_UPDATE,
                        .table = def,
                        .flags = flags,
                        .before = before,
                        .after = after};
    struct err e = ERR_INIT;

    assert_true(history_change(f->h, txn, &ch, &e));
}

static struct history_txn next_txn(struct fixture *f, bool in_p1)
{
    return (struct history_txn){.id = {"mariadb:0", ++f->seq}, .in_p1 = in_p1};
}

/* One transaction of one change of whole images. */
static void txn(struct fixture *f, bool in_p1, struct view before, struct view after)
{
    struct history_txn x = next_txn(f, in_p1);

    change(f, &x, before, after, 0);
    history_txn_end(f->h, &x);
}

static size_t want(struct fixture *f, struct view source, struct view target)
{
    size_t at = 99;

    assert_true(history_want(f->h, source, target, &at));
    return at;
}

static void assert_answer(struct fixture *f, size_t at, enum history_answer expected, uint64_t seq)
{
    struct txn_id id;

    assert_int_equal(history_answer(f->h, at, &id), expected);
    if (expected == HISTORY_EQUAL)
        assert_int_equal(id.origin ? id.seq : 0, seq);
}

enum { BEFORE_P1 = true, BEHIND_P1 = false };

static void an_image_in_between_proves_the_row(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "one", "x"), row(f, 1, "three", "x"));

    txn(f, BEHIND_P1, row(f, 1, "one", "x"), row(f, 1, "two", "x"));
    txn(f, BEHIND_P1, row(f, 1, "two", "x"), row(f, 1, "three", "x"));
    txn(f, BEHIND_P1, row(f, 1, "three", "x"), row(f, 1, "four", "x"));
    history_end(f->h);
    assert_answer(f, at, HISTORY_EQUAL, 2);
}

static void an_image_that_no_position_has_is_different(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "one", "x"), row(f, 1, "two", "planted"));

    txn(f, BEHIND_P1, row(f, 1, "one", "x"), row(f, 1, "two", "x"));
    txn(f, BEHIND_P1, row(f, 1, "two", "x"), row(f, 1, "three", "x"));
    history_end(f->h);
    assert_answer(f, at, HISTORY_DIFFERENT, 0);
}

static void the_image_at_p1_counts_and_older_ones_do_not(void **state)
{
    struct fixture *f = *state;
    size_t at_p1 = want(f, row(f, 1, "old", "x"), row(f, 1, "p1", "x"));
    size_t old = want(f, row(f, 2, "old", "x"), row(f, 2, "older", "x"));
    size_t stale = want(f, row(f, 3, "p1", "x"), row(f, 3, "older", "x"));

    txn(f, BEFORE_P1, row(f, 3, "oldest", "x"), row(f, 3, "older", "x"));
    txn(f, BEFORE_P1, row(f, 1, "old", "x"), row(f, 1, "p1", "x"));
    txn(f, BEFORE_P1, row(f, 2, "older", "x"), row(f, 2, "old", "x"));
    txn(f, BEFORE_P1, row(f, 2, "old", "x"), row(f, 2, "new", "x"));
    txn(f, BEFORE_P1, row(f, 3, "older", "x"), row(f, 3, "p1", "x"));
    txn(f, BEHIND_P1, row(f, 2, "new", "x"), row(f, 2, "newer", "x"));
    history_end(f->h);
    assert_answer(f, at_p1, HISTORY_EQUAL, 0);
    assert_answer(f, old, HISTORY_DIFFERENT, 0);
    assert_answer(f, stale, HISTORY_DIFFERENT, 0);
}

static void what_the_source_showed_is_the_image_where_nothing_changed(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "one", "x"), row(f, 1, "one", "planted"));
    size_t extra = want(f, none, row(f, 2, "one", "x"));
    size_t missing = want(f, row(f, 3, "one", "x"), none);

    history_end(f->h);
    assert_answer(f, at, HISTORY_DIFFERENT, 0);
    assert_answer(f, extra, HISTORY_DIFFERENT, 0);
    assert_answer(f, missing, HISTORY_DIFFERENT, 0);
}

static void a_row_that_was_away_in_between_may_be_missing(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "one", "x"), none);
    size_t never = want(f, row(f, 2, "one", "x"), none);
    size_t came = want(f, none, row(f, 3, "new", "x"));

    txn(f, BEHIND_P1, row(f, 1, "one", "x"), none);
    txn(f, BEHIND_P1, none, row(f, 1, "two", "x"));
    txn(f, BEHIND_P1, row(f, 2, "one", "x"), row(f, 2, "two", "x"));
    txn(f, BEHIND_P1, none, row(f, 3, "new", "x"));
    history_end(f->h);
    assert_answer(f, at, HISTORY_EQUAL, 1);
    assert_answer(f, never, HISTORY_DIFFERENT, 0);
    assert_answer(f, came, HISTORY_EQUAL, 4);
}

static void a_row_deleted_and_made_again_in_one_transaction_was_never_away(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "one", "x"), none);
    struct history_txn x = next_txn(f, BEHIND_P1);

    change(f, &x, row(f, 1, "one", "x"), none, 0);
    change(f, &x, none, row(f, 1, "two", "x"), 0);
    history_txn_end(f->h, &x);
    history_end(f->h);
    assert_answer(f, at, HISTORY_DIFFERENT, 0);
}

static void inside_a_transaction_of_several_parts_each_image_counts(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "one", "x"), none);
    struct history_txn x = next_txn(f, BEHIND_P1);

    x.parts = true;
    change(f, &x, row(f, 1, "one", "x"), none, 0);
    change(f, &x, none, row(f, 1, "two", "x"), 0);
    history_txn_end(f->h, &x);
    history_end(f->h);
    assert_answer(f, at, HISTORY_EQUAL, 1);
}

static void a_change_of_the_key_ends_one_row_and_begins_another(void **state)
{
    struct fixture *f = *state;
    size_t left = want(f, row(f, 1, "one", "x"), none);
    size_t come = want(f, none, row(f, 2, "one", "x"));
    size_t wrong = want(f, none, row(f, 3, "one", "x"));

    txn(f, BEHIND_P1, row(f, 1, "one", "x"), row(f, 2, "one", "x"));
    txn(f, BEHIND_P1, row(f, 2, "one", "x"), row(f, 3, "other", "x"));
    history_end(f->h);
    assert_answer(f, left, HISTORY_EQUAL, 1);
    assert_answer(f, come, HISTORY_EQUAL, 1);
    assert_answer(f, wrong, HISTORY_DIFFERENT, 0);
}

static void an_image_that_lacks_values_takes_them_from_the_one_before(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "one", "x"), row(f, 1, "two", "y"));
    size_t wrong = want(f, row(f, 2, "one", "x"), row(f, 2, "two", "planted"));
    struct history_txn x = next_txn(f, BEHIND_P1);

    change(f, &x, piece(f, 1, "-", "-"), piece(f, 0, "two", "-"), CHANGE_F_ABSENT);
    change(f, &x, piece(f, 1, "-", "-"), piece(f, 0, "-", "y"), CHANGE_F_ABSENT);
    change(f, &x, piece(f, 2, "-", "-"), piece(f, 0, "two", "-"), CHANGE_F_ABSENT);
    history_txn_end(f->h, &x);
    history_end(f->h);
    assert_answer(f, at, HISTORY_EQUAL, 1);
    assert_answer(f, wrong, HISTORY_DIFFERENT, 0);
}

static void an_image_that_cannot_be_made_whole_leaves_the_row_unknown(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, none, row(f, 1, "two", "y"));
    size_t proven = want(f, none, row(f, 2, "three", "y"));
    struct history_txn x = next_txn(f, BEHIND_P1);

    /* Rows that came from keys that nobody asked for. */
    change(f, &x, piece(f, 7, "-", "-"), piece(f, 1, "two", "-"), CHANGE_F_ABSENT);
    change(f, &x, piece(f, 8, "-", "-"), piece(f, 2, "two", "-"), CHANGE_F_ABSENT);
    history_txn_end(f->h, &x);
    txn(f, BEHIND_P1, row(f, 2, "two", "y"), row(f, 2, "three", "y"));
    history_end(f->h);
    assert_answer(f, at, HISTORY_UNKNOWN, 0);
    assert_answer(f, proven, HISTORY_EQUAL, 2);
}

static void a_change_whose_key_is_not_told_may_be_of_any_row(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "one", "x"), row(f, 1, "planted", "x"));
    struct history_txn x = next_txn(f, BEHIND_P1);

    change(f, &x, piece(f, 0, "one", "-"), piece(f, 0, "two", "-"), CHANGE_F_ABSENT);
    history_txn_end(f->h, &x);
    history_end(f->h);
    assert_answer(f, at, HISTORY_UNKNOWN, 0);
}

static void values_of_several_forms_alone_never_make_a_difference(void **state)
{
    struct fixture *f = *state;
    size_t at =
        want(f, full(f, NULL, 1, "a", "b", "{\"k\": 1}"), full(f, NULL, 1, "a", "b", "{\"k\":1}"));
    size_t null =
        want(f, full(f, NULL, 2, "a", "b", "{\"k\": 1}"), full(f, NULL, 2, "a", "b", NULL));
    size_t both =
        want(f, full(f, NULL, 3, "a", "b", "{\"k\": 1}"), full(f, NULL, 3, "a", "c", "{\"k\":1}"));

    history_end(f->h);
    assert_answer(f, at, HISTORY_UNKNOWN, 0);
    assert_answer(f, null, HISTORY_DIFFERENT, 0);
    assert_answer(f, both, HISTORY_DIFFERENT, 0);
}

static void what_the_log_says_was_there_is_believed_over_what_was_read(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "read", "x"), row(f, 1, "p1", "x"));

    txn(f, BEHIND_P1, row(f, 1, "p1", "x"), row(f, 1, "two", "x"));
    history_end(f->h);
    assert_answer(f, at, HISTORY_EQUAL, 0);
}

static void values_that_log_and_server_show_in_two_forms_make_no_difference(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "one ", "x"), row(f, 1, "two ", "x"));
    size_t row_of_one_form = want(f, row(f, 2, "one", "x"), row(f, 2, "two ", "x"));

    txn(f, BEHIND_P1, row(f, 1, "one", "x"), row(f, 1, "two", "x"));
    txn(f, BEHIND_P1, row(f, 2, "one", "x"), row(f, 2, "two", "x"));
    history_end(f->h);
    assert_answer(f, at, HISTORY_UNKNOWN, 0);
    assert_answer(f, row_of_one_form, HISTORY_DIFFERENT, 0);
}

static void more_rows_and_bytes_than_the_limits_are_refused(void **state)
{
    struct fixture *f = *state;
    size_t at;
    char *large = calloc(1, 5000);

    memset(large, 'x', 4999);
    assert_false(history_want(f->h, row(f, 1, large, "x"), none, &at));
    for (int i = 1; i <= 3; i++)
        (void)want(f, row(f, i, "a", "x"), row(f, i, "b", "x"));
    assert_false(history_want(f->h, row(f, 4, "a", "x"), none, &at));
    free(large);
}

static void a_row_that_grows_beyond_the_memory_becomes_unknown(void **state)
{
    struct fixture *f = *state;
    size_t at = want(f, row(f, 1, "one", "x"), row(f, 1, "two", "x"));
    char *large = calloc(1, 3000);

    memset(large, 'x', 2999);
    txn(f, BEHIND_P1, row(f, 1, "one", "x"), row(f, 1, large, "x"));
    history_end(f->h);
    assert_answer(f, at, HISTORY_UNKNOWN, 0);
    free(large);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_image_in_between_proves_the_row),
        TEST(an_image_that_no_position_has_is_different),
        TEST(the_image_at_p1_counts_and_older_ones_do_not),
        TEST(what_the_source_showed_is_the_image_where_nothing_changed),
        TEST(a_row_that_was_away_in_between_may_be_missing),
        TEST(a_row_deleted_and_made_again_in_one_transaction_was_never_away),
        TEST(inside_a_transaction_of_several_parts_each_image_counts),
        TEST(a_change_of_the_key_ends_one_row_and_begins_another),
        TEST(an_image_that_lacks_values_takes_them_from_the_one_before),
        TEST(an_image_that_cannot_be_made_whole_leaves_the_row_unknown),
        TEST(a_change_whose_key_is_not_told_may_be_of_any_row),
        TEST(values_of_several_forms_alone_never_make_a_difference),
        TEST(what_the_log_says_was_there_is_believed_over_what_was_read),
        TEST(values_that_log_and_server_show_in_two_forms_make_no_difference),
        TEST(more_rows_and_bytes_than_the_limits_are_refused),
        TEST(a_row_that_grows_beyond_the_memory_becomes_unknown),
    };

    return cmocka_run_group_tests(tests, make_def, drop_def);
}
