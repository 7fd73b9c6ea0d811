/* Several connections of one reader, and TLS: order, loss, certificates. */
#include "test/unit/components/store/store_fixture.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/os/clock.h"
#include "components/store/serve.h"
#include "components/stream/stream.h"
#include "components/stream/stream_io.h"
#include "test/lib/cutproxy.h"

#define DEADLINE_MS 20000

struct world {
    struct fixture *f;
    struct serve *serve;
    struct stream_client *client;
    struct stream_client_params p;
    struct txn_set after;
    struct buf raw;
    uint64_t next; /* the block that must come next */
};

static void serve_at(struct world *w, const char *address, bool tls)
{
    struct serve_options o = {.store = w->f->s,
                              .address = address,
                              .token = "secret",
                              .store_id = "p.store",
                              .epoch = 5,
                              .dir = w->f->dir.path,
                              .tls = tls};
    struct err e = ERR_INIT;

    if (!serve_start(&o, &w->serve, &e))
        fail_msg("%s", e.message);
}

static void serve(struct world *w, bool tls)
{
    serve_at(w, "127.0.0.1:0", tls);
}

static void start(struct world *w, bool tls, uint32_t connections)
{
    *w = (struct world){.f = fixture_new(64 << 10), .next = 1};
    serve(w, tls);
    w->after = log_set(ORIGIN "=1-100");
    w->p = (struct stream_client_params){.address = serve_address(w->serve),
                                         .token = "secret",
                                         .reader = "p/incremental",
                                         .after = &w->after,
                                         .least_epoch = 5,
                                         .connections = connections,
                                         .timeout_ms = 5000};
    buf_init(&w->raw, BLOCK_RAW_MAX);
}

static void stop(struct world *w)
{
    stream_close(w->client);
    serve_stop(w->serve);
    txn_set_fini(&w->after);
    buf_fini(&w->raw);
    fixture_free(w->f);
}

/* So many blocks; the number of the last one. */
static uint64_t fill(struct world *w, int blocks)
{
    struct store_figures f;

    for (int i = 0; i < blocks; i++) {
        append(w->f, 3, 200);
        if (i % 16 == 15)
            sync_store(w->f);
    }
    sync_store(w->f);
    store_figures(w->f->s, &f);
    return f.last_number;
}

static void read_one(struct world *w)
{
    struct err e = ERR_INIT;
    struct stream_heard heard;
    struct block_head h;
    enum stream_event ev;

    if (!stream_read(w->client, 100, &ev, &h, &w->raw, &heard, &e))
        fail_msg("%s", e.message);
    if (ev == STREAM_BLOCK)
        assert_true(h.number == w->next++);
}

static void hear(struct world *w, uint64_t last)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);

    while (w->next <= last) {
        read_one(w);
        assert_true(mono_ms_between(clock_mono(), until) > 0);
    }
}

static void connect_client(struct world *w)
{
    struct err e = ERR_INIT;

    if (!stream_connect(&w->p, &w->client, &e))
        fail_msg("%s", e.message);
}

static void blocks_of_several_connections_come_in_order(void **state)
{
    struct world w;

    (void)state;
    start(&w, false, 8);
    uint64_t last = fill(&w, 400);
    connect_client(&w);
    hear(&w, last);
    hear(&w, fill(&w, 200)); /* and what is appended meanwhile */
    stop(&w);
}

static void tls_carries_the_same_blocks_over_several_connections(void **state)
{
    struct world w;

    (void)state;
    start(&w, true, 0);
    assert_non_null(strchr(w.p.address, '#'));
    uint64_t last = fill(&w, 200);
    connect_client(&w);
    hear(&w, last);
    hear(&w, fill(&w, 50));
    stop(&w);
}

static void a_certificate_that_is_not_the_told_one_is_refused(void **state)
{
    struct err e = ERR_INIT;
    struct world w;
    char address[200];

    (void)state;
    start(&w, true, 1);
    snprintf(address, sizeof address, "%s", w.p.address);
    char *digit = strchr(address, '#') + 7;
    *digit = *digit == '0' ? '1' : '0';
    w.p.address = address;
    assert_false(stream_connect(&w.p, &w.client, &e));
    assert_int_equal(e.code, ERR_DENIED);
    stop(&w);
}

static void a_store_with_tls_answers_nothing_in_plain(void **state)
{
    struct err e = ERR_INIT;
    struct world w;
    char address[200];

    (void)state;
    start(&w, true, 1);
    snprintf(address, sizeof address, "%s", w.p.address);
    *strchr(address, '#') = '\0';
    w.p.address = address;
    w.p.timeout_ms = 1000;
    assert_false(stream_connect(&w.p, &w.client, &e));
    stop(&w);
}

static void the_certificate_outlives_the_store(void **state)
{
    struct world w;
    char before[100];

    (void)state;
    start(&w, true, 1);
    snprintf(before, sizeof before, "%s", strchr(w.p.address, '#'));
    serve_stop(w.serve);
    serve(&w, true);
    assert_string_equal(before, strchr(serve_address(w.serve), '#'));
    stop(&w);
}

/* An IPv4 address of this machine that is not loopback. */
static bool own_address(char *out, size_t cap)
{
    struct ifaddrs *list = NULL;
    bool found = false;

    assert_int_equal(getifaddrs(&list), 0);
    for (struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
        const struct sockaddr_in *a = (const void *)i->ifa_addr;
        char text[INET_ADDRSTRLEN];

        if (!a || a->sin_family != AF_INET || ntohl(a->sin_addr.s_addr) >> 24 == 127)
            continue;
        assert_non_null(inet_ntop(AF_INET, &a->sin_addr, text, sizeof text));
        snprintf(out, cap, "%s:0", text);
        found = true;
    }
    freeifaddrs(list);
    return found;
}

static void beyond_loopback_there_is_tls_or_nothing(void **state)
{
    struct err e = ERR_INIT;
    struct world w;
    char address[200];

    (void)state;
    if (!own_address(address, sizeof address))
        skip();
    start(&w, false, 0);
    serve_stop(w.serve);
    serve_at(&w, address, false);
    w.p.address = serve_address(w.serve);
    assert_non_null(strchr(w.p.address, '#'));
    connect_client(&w);
    hear(&w, fill(&w, 50));
    stream_close(w.client);
    w.client = NULL;
    snprintf(address, sizeof address, "%s", w.p.address);
    *strchr(address, '#') = '\0';
    w.p.address = address;
    assert_false(stream_connect(&w.p, &w.client, &e));
    assert_int_equal(e.code, ERR_DENIED);
    stop(&w);
}

/* The proxy cuts the connection of the reader's positions; the others end with it. */
static void cut_once(struct world *w, struct cutproxy *proxy)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    unsigned before = cutproxy_cuts(proxy);
    struct err e = ERR_INIT;

    cutproxy_arm(proxy, ORIGIN, CUT_BEFORE);
    if (!stream_send_position(w->client, &w->after, &e))
        fail_msg("%s", e.message);
    while (cutproxy_cuts(proxy) == before) {
        read_one(w); /* a position that went the way of the last cut is not sent again by itself */
        if (!stream_send_position(w->client, &w->after, &e))
            fail_msg("%s", e.message);
        assert_true(mono_ms_between(clock_mono(), until) > 0);
    }
}

static void a_lost_connection_is_made_again_at_the_next_block(void **state)
{
    struct err e = ERR_INIT;
    struct cutproxy *proxy = NULL;
    struct world w;
    char address[64];
    uint16_t port;

    (void)state;
    start(&w, false, 4);
    assert_true(cutproxy_start((uint16_t)strtoul(strrchr(w.p.address, ':') + 1, NULL, 10), &proxy,
                               &port, &e));
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    w.p.address = address;
    uint64_t last = fill(&w, 300);
    connect_client(&w);
    hear(&w, 20);
    for (uint64_t i = 1; i <= 5; i++) {
        cut_once(&w, proxy);
        hear(&w, 20 + 50 * i);
    }
    hear(&w, last);
    hear(&w, fill(&w, 20));
    assert_int_equal(cutproxy_cuts(proxy), 5);
    stop(&w);
    cutproxy_stop(proxy);
}

static void who_goes_on_with_another_log_is_refused(void **state)
{
    struct store_reader *r = NULL;
    struct err e = ERR_INIT;
    struct world w;

    (void)state;
    start(&w, false, 1);
    uint64_t last = fill(&w, 30);
    assert_false(store_reader_open_at(w.f->s, 9, 12345, &r, &e));
    assert_int_equal(e.code, ERR_STORE_POSITION);
    assert_false(store_reader_open_at(w.f->s, last + 2, 0, &r, &e));
    assert_int_equal(e.code, ERR_STORE_POSITION);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_several_connections_come_in_order),
        cmocka_unit_test(tls_carries_the_same_blocks_over_several_connections),
        cmocka_unit_test(a_certificate_that_is_not_the_told_one_is_refused),
        cmocka_unit_test(a_store_with_tls_answers_nothing_in_plain),
        cmocka_unit_test(the_certificate_outlives_the_store),
        cmocka_unit_test(beyond_loopback_there_is_tls_or_nothing),
        cmocka_unit_test(a_lost_connection_is_made_again_at_the_next_block),
        cmocka_unit_test(who_goes_on_with_another_log_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
