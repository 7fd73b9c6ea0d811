/* "host:port" (place.h). */
#include "common/base/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_place_has_a_host_and_a_port(void **state)
{
    char host[PLACE_HOST_MAX];
    uint16_t port;

    (void)state;
    assert_true(place_parse("db-2.example:3307", host, &port));
    assert_string_equal(host, "db-2.example");
    assert_int_equal(port, 3307);
    assert_true(place_parse("[fe80::1]:65535", host, &port));
    assert_string_equal(host, "fe80::1");
    assert_int_equal(port, 65535);
}

static void what_is_no_place_is_refused(void **state)
{
    static const char *const texts[] = {"",      "db",       ":1",    "db:",     "db:0",
                                        "db:1x", "db:65536", "::1:5", "a b:1",   "[]:1",
                                        "db:-1", "db: 1",    "a/b:1", "u@host:1"};
    char host[PLACE_HOST_MAX];
    uint16_t port;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (place_parse(texts[i], host, &port))
            fail_msg("'%s' was taken", texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_has_a_host_and_a_port),
        cmocka_unit_test(what_is_no_place_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
