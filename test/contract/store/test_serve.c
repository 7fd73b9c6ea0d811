/* The Store's server and the stream's client over a real socket. */
#include "test/unit/components/store/store_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/os/clock.h"
#include "components/store/serve.h"
#include "components/stream/stream.h"
#include "components/stream/stream_io.h"

#define DEADLINE_MS 20000

struct world {
    struct fixture *f;
    struct serve *serve;
    struct stream_client *client;
    struct stream_client_params p;
    struct txn_set after;
    struct buf raw;
    struct stream_heard heard;
    unsigned tables, blocks;
};

static void start_with(struct world *w, uint64_t segment_bytes, uint64_t retention_us, int level)
{
    struct serve_options o = {
        .address = "127.0.0.1:0", .token = "secret", .store_id = "p.store", .epoch = 5};
    struct err e = ERR_INIT;

    *w = (struct world){.f = fixture_new(segment_bytes)};
    w->f->o.retention_us = retention_us;
    w->f->o.zstd_level = level;
    reopen(w->f);
    o.store = w->f->s;
    if (!serve_start(&o, &w->serve, &e))
        fail_msg("%s", e.message);
    w->p = (struct stream_client_params){.address = serve_address(w->serve),
                                         .token = "secret",
                                         .reader = "p/incremental",
                                         .after = &w->after,
                                         .least_epoch = 5,
                                         .timeout_ms = 5000};
    buf_init(&w->raw, BLOCK_RAW_MAX);
}

static void start(struct world *w, uint64_t segment_bytes)
{
    start_with(w, segment_bytes, 0, 1);
}

static void stop(struct world *w)
{
    stream_close(w->client);
    serve_stop(w->serve);
    txn_set_fini(&w->after);
    buf_fini(&w->raw);
    fixture_free(w->f);
}

static bool dial(struct world *w, const char *after, struct err *e)
{
    stream_close(w->client);
    w->client = NULL;
    txn_set_fini(&w->after);
    w->after = log_set(after);
    return stream_connect(&w->p, &w->client, e);
}

/* One event; what arrived is added to ids. */
static enum stream_event hear(struct world *w, struct txn_set *ids)
{
    enum stream_event ev = STREAM_NOTHING;
    struct block_head h;
    struct err e = ERR_INIT;

    if (!stream_read(w->client, 1000, &ev, &h, &w->raw, &w->heard, &e))
        fail_msg("%s", e.message);
    if (ev == STREAM_BLOCK) {
        w->blocks++;
        (void)log_ids((struct view){w->raw.p, w->raw.len}, ids);
    } else if (ev == STREAM_TABLES) {
        w->tables++;
    }
    return ev;
}

static void hear_until(struct world *w, const char *want)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct txn_set ids, wanted = log_set(want);

    txn_set_init(&ids);
    while (!txn_set_equal(&ids, &wanted)) {
        assert_true(mono_cmp(clock_mono(), until) < 0);
        (void)hear(w, &ids);
        assert_true(txn_set_contains(&wanted, &ids));
    }
    txn_set_fini(&ids);
    txn_set_fini(&wanted);
}

static void a_reader_gets_what_is_there_and_then_what_comes(void **state)
{
    struct world w;
    struct err e = ERR_INIT;

    (void)state;
    start(&w, 3000);
    for (int i = 0; i < 10; i++)
        append(w.f, 4, 400);
    sync_store(w.f);
    if (!dial(&w, ORIGIN "=1-104", &e))
        fail_msg("%s", e.message);
    assert_int_equal(stream_store_epoch(w.client), 5);
    hear_until(&w, ORIGIN "=105-140");
    assert_int_equal(w.tables, 1);
    for (int i = 0; i < 3; i++) {
        append(w.f, 1, 10);
        sync_store(w.f);
        assert_int_equal(w.f->seq, 141 + i);
    }
    hear_until(&w, ORIGIN "=141-143");
    stop(&w);
}

static void refused_with(struct world *w, const char *after, enum err_code code)
{
    struct err e = ERR_INIT;

    if (dial(w, after, &e))
        fail_msg("not refused");
    if (e.code != code)
        fail_msg("refused with %s: %s", err_name(e.code), e.message);
}

static void strangers_and_wrong_positions_are_refused_with_the_reason(void **state)
{
    struct world w;
    struct err e = ERR_INIT;

    (void)state;
    start(&w, 0);
    append(w.f, 4, 10);
    sync_store(w.f);
    refused_with(&w, ORIGIN "=1-99", ERR_STORE_POSITION);
    w.p.token = "secreT";
    refused_with(&w, ORIGIN "=1-100", ERR_DENIED);
    w.p.token = "secret and more";
    refused_with(&w, ORIGIN "=1-100", ERR_DENIED);
    w.p.token = "";
    refused_with(&w, ORIGIN "=1-100", ERR_DENIED);
    w.p.token = "secret";
    w.p.least_epoch = 6; /* B5: an older Store than the target has seen */
    refused_with(&w, ORIGIN "=1-100", ERR_UNAVAILABLE);
    w.p.least_epoch = 5;
    w.p.reader = "a\tname";
    refused_with(&w, ORIGIN "=1-100", ERR_INVALID);
    w.p.reader = "r";
    assert_true(dial(&w, ORIGIN "=1-100", &e));
    stop(&w);
}

static void who_has_nothing_is_told_where_the_log_begins(void **state)
{
    struct txn_set begin, expected = log_set(ORIGIN "=1-100");
    struct world w;
    struct err e = ERR_INIT;

    (void)state;
    start(&w, 0);
    append(w.f, 4, 10);
    sync_store(w.f);
    assert_true(stream_begin(&w.p, &begin, &e));
    assert_true(txn_set_equal(&begin, &expected));
    txn_set_fini(&begin);
    w.p.least_epoch = 6;
    assert_false(stream_begin(&w.p, &begin, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    w.p.least_epoch = 5;
    w.p.token = "secreT";
    assert_false(stream_begin(&w.p, &begin, &e));
    assert_int_equal(e.code, ERR_DENIED);
    txn_set_fini(&expected);
    stop(&w);
}

static void garbage_does_not_harm_the_server(void **state)
{
    static const char *const said[] = {"GET / HTTP/1.1\r\n\r\n", "\x05\0\0\0\x01zzzz", "\0\0\0\0\0",
                                       "\xff\xff\xff\x7f\x01", "\x01\0\0\0\x07"};
    static const size_t lens[] = {18, 9, 5, 5, 5};
    struct world w;
    struct err e = ERR_INIT;

    (void)state;
    start(&w, 0);
    append(w.f, 4, 10);
    sync_store(w.f);
    for (size_t i = 0; i < ARRAY_LEN(said); i++) {
        struct stream_io io;
        struct view body;
        uint8_t type = 0;
        bool got = false;
        bool loopback = false;
        int fd = -1;

        assert_true(stream_dial(w.p.address, 1000, &fd, &loopback, &e));
        assert_true(loopback);
        stream_io_init(&io, fd);
        assert_true(stream_io_write(&io, said[i], lens[i], 1000, &e));
        if (stream_io_read(&io, 10000, STREAM_SMALL_MAX, &got, &type, &body, &e)) {
            assert_true(got);
            assert_int_equal(type, FRAME_REFUSAL);
        }
        stream_io_fini(&io);
    }
    assert_true(dial(&w, ORIGIN "=1-100", &e));
    hear_until(&w, ORIGIN "=101-104");
    stop(&w);
}

static void a_reader_hears_when_the_source_was_heard(void **state)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct world w;
    struct txn_set ids;
    struct err e = ERR_INIT;

    (void)state;
    start(&w, 0);
    txn_set_init(&ids);
    assert_true(dial(&w, ORIGIN "=1-100", &e));
    serve_heard(w.serve, 1234, 999);
    while (w.heard.source_heard.us != 1234 && mono_cmp(clock_mono(), until) < 0)
        (void)hear(&w, &ids);
    assert_true(w.heard.source_time.us == 999);
    assert_int_equal(w.heard.last_number, 0);
    append(w.f, 4, 10);
    sync_store(w.f);
    while (w.heard.last_number != 1 && mono_cmp(clock_mono(), until) < 0)
        (void)hear(&w, &ids);
    assert_int_equal(w.heard.last_number, 1);
    txn_set_fini(&ids);
    stop(&w);
}

static uint32_t purge(struct world *w)
{
    struct err e = ERR_INIT;
    uint32_t removed = 0;
    bool loud;

    if (!store_purge(w->f->s, (struct wall){1ll << 50}, &removed, &loud, &e))
        fail_msg("%s", e.message);
    return removed;
}

static void what_a_reader_has_committed_sets_old_segments_free(void **state)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct txn_set low = log_set(ORIGIN "=1-105"), ids;
    uint32_t removed = 0;
    struct world w;
    struct err e = ERR_INIT;

    (void)state;
    start_with(&w, 1, 1, 1);
    for (int i = 0; i < 6; i++) /* a segment each */
        append(w.f, 2, 10);
    sync_store(w.f);
    assert_int_equal(purge(&w), 0); /* nobody has read it yet */
    assert_true(dial(&w, ORIGIN "=1-100", &e));
    assert_int_equal(purge(&w), 0);
    assert_true(stream_send_position(w.client, &low, &e));
    txn_set_init(&ids);
    while (removed < 2 && mono_cmp(clock_mono(), until) < 0) {
        (void)hear(&w, &ids);
        removed += purge(&w);
    }
    assert_int_equal(removed, 2);
    txn_set_fini(&ids);
    txn_set_fini(&low);
    stop(&w);
}

static void for_a_passing_reader_no_log_is_kept(void **state)
{
    struct txn_set low = log_set(ORIGIN "=1-100");
    struct world w;
    struct err e = ERR_INIT;

    (void)state;
    start_with(&w, 1, 1, 1);
    for (int i = 0; i < 6; i++)
        append(w.f, 2, 10);
    sync_store(w.f);
    assert_true(dial(&w, ORIGIN "=1-112", &e));
    w.p.reader = "";
    assert_true(dial(&w, ORIGIN "=1-100", &e));
    assert_true(stream_send_position(w.client, &low, &e));
    hear_until(&w, ORIGIN "=101-112");
    assert_int_equal(purge(&w), 5);
    refused_with(&w, ORIGIN "=1-100", ERR_STORE_POSITION);
    txn_set_fini(&low);
    stop(&w);
}

static void a_reader_that_takes_nothing_does_not_hold_up_the_end(void **state)
{
    struct world w;
    struct err e = ERR_INIT;
    struct mono began;

    (void)state;
    start_with(&w, 0, 0, 0);
    for (int i = 0; i < 8; i++)
        append(w.f, 3, 1 << 20);
    sync_store(w.f);
    assert_true(dial(&w, ORIGIN "=1-100", &e)); /* 24 MB wait for a reader that does not read */
    began = clock_mono();
    serve_stop(w.serve);
    w.serve = NULL;
    assert_true(mono_ms_between(began, clock_mono()) < 10000);
    stop(&w);
}

static void two_readers_go_their_own_ways(void **state)
{
    struct world w;
    struct stream_client *first;
    struct err e = ERR_INIT;

    (void)state;
    start(&w, 0);
    append(w.f, 4, 10);
    append(w.f, 4, 10);
    sync_store(w.f);
    assert_true(dial(&w, ORIGIN "=1-100", &e));
    first = w.client;
    w.client = NULL;
    w.p.reader = "other";
    assert_true(dial(&w, ORIGIN "=1-104", &e));
    hear_until(&w, ORIGIN "=105-108");
    stream_close(w.client);
    w.client = first;
    hear_until(&w, ORIGIN "=101-108");
    stop(&w);
}

static void many_readers_come_and_go(void **state)
{
    struct world w;
    struct err e = ERR_INIT;

    (void)state;
    start(&w, 0);
    append(w.f, 4, 10);
    sync_store(w.f);
    for (int i = 0; i < 100; i++) { /* more than there are seats */
        struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);

        while (!dial(&w, ORIGIN "=1-100", &e)) {
            assert_int_equal(err_class_of(e.code), ERR_CLASS_RETRY);
            assert_true(mono_cmp(clock_mono(), until) < 0);
        }
        hear_until(&w, ORIGIN "=101-104");
    }
    stop(&w);
}

static void an_address_that_nobody_can_reach_is_refused(void **state)
{
    struct fixture *f = fixture_new(0);
    struct serve_options o = {.store = f->s,
                              .address = "0.0.0.0:0",
                              .token = "s",
                              .store_id = "s",
                              .epoch = 1,
                              .dir = f->dir.path};
    struct serve *s = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_false(serve_start(&o, &s, &e));
    assert_int_equal(e.code, ERR_INVALID);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_gets_what_is_there_and_then_what_comes),
        cmocka_unit_test(strangers_and_wrong_positions_are_refused_with_the_reason),
        cmocka_unit_test(who_has_nothing_is_told_where_the_log_begins),
        cmocka_unit_test(garbage_does_not_harm_the_server),
        cmocka_unit_test(a_reader_hears_when_the_source_was_heard),
        cmocka_unit_test(what_a_reader_has_committed_sets_old_segments_free),
        cmocka_unit_test(for_a_passing_reader_no_log_is_kept),
        cmocka_unit_test(a_reader_that_takes_nothing_does_not_hold_up_the_end),
        cmocka_unit_test(two_readers_go_their_own_ways),
        cmocka_unit_test(many_readers_come_and_go),
        cmocka_unit_test(an_address_that_nobody_can_reach_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
