/* Row accounting: source = applied + merged + skipped, per table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "components/incr_sync/core/account.h"

static struct sync_table shop = {.key = "a.shop"}, stock = {.key = "a.stock"};
static struct sync_table stock_later = {.key = "a.stock"}; /* another version of the table */

static const struct account_total *total(const struct account_book *b, const char *table)
{
    for (size_t i = 0; i < b->tables.n; i++)
        if (strcmp(b->tables.at[i].table, table) == 0)
            return &b->tables.at[i];
    fail_msg("no total of %s", table);
    return NULL;
}

static void met(struct account *a, const struct sync_table *t, int n)
{
    while (n-- > 0)
        account_met(a, t);
}

static void sent(struct account *a, const struct sync_table *t, int n)
{
    while (n-- > 0)
        account_sent(a, t);
}

static void the_sums_of_each_table_agree(void **state)
{
    struct account a = {0};
    struct account_book b = {0};
    struct err e = ERR_INIT;

    (void)state;
    account_begin(&a);
    met(&a, &stock, 10);
    met(&a, &shop, 3);
    sent(&a, &stock, 4);
    sent(&a, &shop, 3);
    account_skipped(&a, &stock);
    assert_true(account_agrees(&a, 7, 6, &e));
    account_book_add(&b, &a);
    account_begin(&a);
    met(&a, &stock_later, 2);
    sent(&a, &stock_later, 2);
    assert_true(account_agrees(&a, 2, 0, &e));
    account_book_add(&b, &a);
    assert_int_equal(b.tables.n, 2);
    assert_string_equal(b.tables.at[0].table, "a.shop");
    assert_int_equal(total(&b, "a.stock")->source, 12);
    assert_int_equal(total(&b, "a.stock")->applied, 5);
    assert_int_equal(total(&b, "a.stock")->merged, 6);
    assert_int_equal(total(&b, "a.stock")->skipped, 1);
    assert_int_equal(total(&b, "a.shop")->applied, 3);
    account_fini(&a);
    account_book_fini(&b);
}

static void what_does_not_agree_is_a_defect(void **state)
{
    struct account a = {0};
    struct err e = ERR_INIT;

    (void)state;
    met(&a, &stock, 2);
    sent(&a, &stock, 1);
    assert_false(account_agrees(&a, 1, 0, &e)); /* one is neither sent nor merged */
    assert_int_equal(e.code, ERR_BUG);
    err_clear(&e);
    assert_false(account_agrees(&a, 2, 1, &e)); /* more was sent than was counted */
    err_clear(&e);
    sent(&a, &shop, 1); /* of another table's change: the sum alone would hide it */
    assert_false(account_agrees(&a, 2, 0, &e));
    assert_non_null(strstr(e.message, "a.shop"));
    account_fini(&a);
}

static void a_group_that_was_not_committed_counts_nothing(void **state)
{
    struct account a = {0};
    struct account_book b = {0};

    (void)state;
    met(&a, &stock, 5);
    account_begin(&a); /* the next attempt */
    met(&a, &stock, 5);
    sent(&a, &stock, 5);
    account_book_add(&b, &a);
    assert_int_equal(total(&b, "a.stock")->source, 5);
    account_fini(&a);
    account_book_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sums_of_each_table_agree),
        cmocka_unit_test(what_does_not_agree_is_a_defect),
        cmocka_unit_test(a_group_that_was_not_committed_counts_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
