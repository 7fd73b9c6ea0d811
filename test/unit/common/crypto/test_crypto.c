/* Sealed secrets open only under their own key and name; key files keep to themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crypto/seal.h"
#include "common/crypto/token.h"

static void a_secret_opens_only_under_its_key_and_name(void **state)
{
    struct seal_key a = {{1}}, b = {{2}};
    struct err e = ERR_INIT;
    struct buf sealed, plain;

    (void)state;
    buf_init(&sealed, 1000);
    buf_init(&plain, 1000);
    assert_true(seal_close(&a, "shop", "s3cret", 6, &sealed, &e));
    assert_true(seal_open(&a, "shop", sealed.p, sealed.len, &plain, &e));
    assert_int_equal(plain.len, 6);
    assert_memory_equal(plain.p, "s3cret", 6);
    assert_false(seal_open(&a, "other", sealed.p, sealed.len, &plain, &e));
    assert_int_equal(e.code, ERR_DENIED);
    assert_false(seal_open(&b, "shop", sealed.p, sealed.len, &plain, &e));
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.p[i] ^= 1;
        assert_false(seal_open(&a, "shop", sealed.p, sealed.len, &plain, &e));
        sealed.p[i] ^= 1;
    }
    assert_false(seal_open(&a, "shop", sealed.p, 5, &plain, &e));
    assert_null(strstr(e.message, "s3cret"));
    buf_fini(&sealed);
    buf_fini(&plain);
}

static void two_seals_of_one_secret_differ(void **state)
{
    struct seal_key a = {{1}};
    struct err e = ERR_INIT;
    struct buf x, y;

    (void)state;
    buf_init(&x, 100);
    buf_init(&y, 100);
    assert_true(seal_close(&a, "n", "v", 1, &x, &e) && seal_close(&a, "n", "v", 1, &y, &e));
    assert_memory_not_equal(x.p, y.p, x.len);
    buf_fini(&x);
    buf_fini(&y);
}

static void a_key_file_is_made_once_and_must_be_private(void **state)
{
    char dir[] = "/tmp/oms-unit-XXXXXX", path[100];
    struct seal_key a, b;
    struct err e = ERR_INIT;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/k", dir);
    assert_false(seal_key_load(path, false, &a, &e));
    assert_true(seal_key_load(path, true, &a, &e));
    assert_true(seal_key_load(path, true, &b, &e));
    assert_memory_equal(a.b, b.b, sizeof a.b);
    assert_int_equal(chmod(path, 0644), 0);
    assert_false(seal_key_load(path, true, &b, &e));
    assert_int_equal(e.code, ERR_DENIED);
    unlink(path);
    rmdir(dir);
}

static void tokens_are_compared_whole(void **state)
{
    char a[TOKEN_TEXT_MAX], b[TOKEN_TEXT_MAX];
    struct err e = ERR_INIT;

    (void)state;
    assert_true(token_make(a, &e) && token_make(b, &e));
    assert_true(token_equal(a, a));
    assert_false(token_equal(a, b));
    assert_false(token_equal(a, ""));
    assert_int_equal(strlen(a), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_opens_only_under_its_key_and_name),
        cmocka_unit_test(two_seals_of_one_secret_differ),
        cmocka_unit_test(a_key_file_is_made_once_and_must_be_private),
        cmocka_unit_test(tokens_are_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
