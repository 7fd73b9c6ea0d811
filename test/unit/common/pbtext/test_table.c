/* Tables for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/pbtext/pbtext.h"

static void tables_align_and_fit_the_terminal(void **state)
{
    struct buf out;
    static const char *const head[] = {"NAME", "STATE"};
    static const char *const rows[][2] = {{"\xe4\xb8\xad\xe6\x96\x87", "a"},
                                          {"e\xcc\x81", "bell\a"},
                                          {"much longer than that", NULL}};
    struct pbtext_table *t = pbtext_table_new(head, 2);

    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        pbtext_table_row(t, rows[i]);
    pbtext_table_write(t, 0, &out);
    assert_string_equal(buf_cstr(&out), "NAME                   STATE\n"
                                        "\xe4\xb8\xad\xe6\x96\x87                   a\n"
                                        "e\xcc\x81                      bell?\n"
                                        "much longer than that\n");
    buf_clear(&out);
    pbtext_table_write(t, 16, &out);
    assert_non_null(strstr(buf_cstr(&out), "much lon\xe2\x80\xa6\n"));
    buf_clear(&out);
    pbtext_table_write(t, 1, &out);
    assert_non_null(strstr(buf_cstr(&out), "muc\xe2\x80\xa6\n"));
    pbtext_table_free(t);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables_align_and_fit_the_terminal)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
