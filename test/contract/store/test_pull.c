/* Pulling from a source in memory that breaks, repeats and diverges; what a reader then gets. */
#include "test/contract/store/fake_component.h"
#include "test/unit/components/store/store_fixture.h"

#include <sys/mount.h>

#include "components/stream/stream.h"

#define DEADLINE_MS 30000
#define PARTS 3

/* --- the source ---------------------------------------------------------------------------------
 */

static struct source {
    pthread_mutex_t lock;
    uint64_t committed;  /* seq 1 .. committed exist */
    uint64_t lost_above; /* what a failover has lost: executed is 1 .. lost_above; 0 = nothing */
    unsigned break_every, refuse_connects;
    enum err_code break_code;
    size_t text_len;
    /* what it saw */
    unsigned opens, last_known, sought;
    uint32_t ids[64];
    uint64_t first_asked;
} source = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct session {
    int open;
};
struct log {
    uint64_t next;
    uint32_t part;
    unsigned reads;
    const struct table_def *t;
    bool told_table;
};

static void reset(uint64_t committed)
{
    pthread_mutex_lock(&source.lock);
    source.committed = committed;
    source.lost_above = 0;
    source.break_every = source.refuse_connects = 0;
    source.break_code = ERR_SERVER_UNREACHABLE;
    source.text_len = 100;
    source.opens = source.last_known = source.sought = 0;
    pthread_mutex_unlock(&source.lock);
}

static void commit_to(uint64_t seq)
{
    pthread_mutex_lock(&source.lock);
    source.committed = seq;
    pthread_mutex_unlock(&source.lock);
}

static bool fake_connect(const struct endpoint_address *a, struct session **s, struct err *e)
{
    bool refused;

    (void)a;
    pthread_mutex_lock(&source.lock);
    refused = source.refuse_connects > 0;
    source.refuse_connects -= refused;
    pthread_mutex_unlock(&source.lock);
    if (refused)
        return err_set(e, ERR_SERVER_UNREACHABLE, "nobody listens");
    *s = must_calloc(1, sizeof **s);
    return true;
}

static void fake_close(struct session *s)
{
    free(s);
}

static bool fake_executed(struct session *s, const struct txn_set *of, struct txn_set *set,
                          struct err *e)
{
    (void)of;
    uint64_t last;

    (void)s, (void)e;
    pthread_mutex_lock(&source.lock);
    last = source.lost_above ? source.lost_above : source.committed;
    pthread_mutex_unlock(&source.lock);
    txn_set_add(set, origin_intern(ORIGIN, strlen(ORIGIN)), 1, last);
    return true;
}

static bool fake_open(const struct log_params *p, struct log **out, struct err *e)
{
    struct log *l = must_calloc(1, sizeof *l);

    (void)e;
    l->next = txn_set_last(p->after, origin_intern(ORIGIN, strlen(ORIGIN))) + 1;
    must(txn_set_count(p->after) == l->next - 1); /* no holes */
    must(p->filter(p->filter_arg, "shop", "t") && !p->filter(p->filter_arg, "other", "t"));
    l->told_table = p->n_known > 0;
    l->t = p->n_known > 0 ? table_def_ref(p->known[0]) : log_table(p->next_table_id, "t");
    pthread_mutex_lock(&source.lock);
    if (source.opens < ARRAY_LEN(source.ids))
        source.ids[source.opens] = p->server_id;
    source.opens++;
    source.last_known = (unsigned)p->n_known;
    source.first_asked = l->next;
    pthread_mutex_unlock(&source.lock);
    *out = l;
    return true;
}

static void fake_log_close(struct log *l)
{
    table_def_unref(l->t);
    free(l);
}

/* Every fifth transaction comes in parts, one a read. */
static void put_next(struct log *l, struct buf *out, size_t text_len, struct log_progress *p)
{
    bool parts = l->next % 5 == 0, last = !parts || l->part + 1 == PARTS;

    if (!l->told_table)
        record_write_table(out, l->t);
    l->told_table = true;
    log_txn_part(out, ORIGIN, l->next, l->part, last, l->t, text_len);
    p->inside_txn = !last;
    p->txns += last;
    l->part = last ? 0 : l->part + 1;
    l->next += last;
}

static bool fake_read(struct log *l, struct buf *out, size_t want, int64_t timeout_ms,
                      struct log_progress *p, struct err *e)
{
    struct source now;

    (void)timeout_ms;
    pthread_mutex_lock(&source.lock);
    now = source;
    pthread_mutex_unlock(&source.lock);
    *p = (struct log_progress){.heard = true, .source_time = {5}};
    if (now.break_every && ++l->reads % now.break_every == 0)
        return err_set(e, now.break_code, "the connection broke");
    while (l->next <= now.committed && out->len < want && (p->txns < 7 || l->part > 0)) {
        put_next(l, out, now.text_len, p);
        if (p->inside_txn)
            break;
    }
    p->source_bytes = out->len;
    if (out->len == 0)
        sched_yield();
    return true;
}

static bool fake_find_start(const struct endpoint_address *a, uint32_t look_id,
                            const struct start_at *at, struct position *out, struct err *e)
{
    (void)a;
    assert_true(look_id != 0);
    if (at->kind != START_TIME || at->time.us != 1795262400000000)
        return err_set(e, ERR_START, "not what was asked for");
    source.sought++;
    txn_set_init(&out->set);
    txn_set_add(&out->set, origin_intern(ORIGIN, strlen(ORIGIN)), 1, 10);
    snprintf(out->native, sizeof out->native, "somewhere");
    return true;
}

static const struct catalog_ops catalog = {.connect = fake_connect, .close = fake_close};
static const struct log_ops log_table_ops = {.open = fake_open,
                                             .close = fake_log_close,
                                             .read = fake_read,
                                             .executed = fake_executed,
                                             .find_start = fake_find_start};
static const struct endpoint fake = {.name = "fake", .catalog = &catalog, .log = &log_table_ops};

/* --- a reader -----------------------------------------------------------------------------------
 */

static void wait_listening(struct component *c, char address[64])
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);

    do {
        component_listens(c, address);
        sched_yield();
        assert_true(mono_cmp(clock_mono(), until) < 0);
    } while (!*address);
}

/* Reads after 1 .. from until 1 .. to is there; every transaction once and in order. */
static void read_range(struct component *c, uint64_t from, uint64_t to)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct stream_client_params p = {
        .token = "secret", .reader = "r", .least_epoch = 3, .timeout_ms = 5000};
    struct stream_client *s = NULL;
    struct txn_set after;
    struct err e = ERR_INIT;
    char address[64];
    struct buf raw;

    wait_listening(c, address);
    p.address = address;
    txn_set_init(&after);
    txn_set_add(&after, origin_intern(ORIGIN, strlen(ORIGIN)), 1, from);
    p.after = &after;
    while (!stream_connect(&p, &s, &e)) /* the begin may not be there yet */
        assert_true(e.code == ERR_UNAVAILABLE && mono_cmp(clock_mono(), until) < 0);
    buf_init(&raw, BLOCK_RAW_MAX);
    for (uint64_t have = from; have < to;) {
        struct stream_heard heard;
        struct block_head h;
        enum stream_event ev;
        struct txn_set ids;

        if (!stream_read(s, 1000, &ev, &h, &raw, &heard, &e))
            fail_msg("%s", e.message);
        if (mono_cmp(clock_mono(), until) > 0)
            fail_msg("only %lu of %lu came", (unsigned long)have, (unsigned long)to);
        if (ev != STREAM_BLOCK)
            continue;
        txn_set_init(&ids);
        size_t n = log_ids((struct view){raw.p, raw.len}, &ids);
        assert_int_equal(n, txn_set_count(&ids));
        txn_set_subtract(&ids, &after);
        for (struct txn_id id = {origin_intern(ORIGIN, strlen(ORIGIN)), have + 1};
             txn_set_has(&ids, id); id.seq++)
            have = id.seq;
        txn_set_union(&after, &ids);
        assert_int_equal(txn_set_count(&after), have); /* nothing beyond a hole */
        txn_set_fini(&ids);
    }
    stream_close(s);
    buf_fini(&raw);
    txn_set_fini(&after);
}

static void wait_done(struct component *c)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);

    while (!component_is_done(c)) {
        sched_yield();
        assert_true(mono_cmp(clock_mono(), until) < 0);
    }
}

struct lab {
    struct component c; /* first: it is a test's state */
    struct scratch_dir dir;
};

static int setup(void **state)
{
    struct lab *lab = must_calloc(1, sizeof *lab);

    scratch_dir_make(&lab->dir);
    component_init(&lab->c, lab->dir.path, &fake);
    *state = lab;
    return 0;
}

static int teardown(void **state)
{
    struct lab *lab = *state;

    scratch_dir_remove(&lab->dir);
    free(lab);
    return 0;
}

static void a_fresh_store_begins_at_the_sources_present_end(void **state)
{
    struct component *c = *state;

    reset(50);
    component_start(c);
    wait_done(c);
    commit_to(400);
    read_range(c, 50, 400);
    assert_true(component_stop(c));
    commit_to(500); /* while nobody pulls */
    component_start(c);
    read_range(c, 50, 500);
    assert_int_equal(source.last_known, 1);
    assert_int_equal(source.first_asked, 401);
    assert_true(component_stop(c));
}

static void a_begin_that_is_given_is_used(void **state)
{
    struct component *c = *state;

    c->fixed.begin = (char *)ORIGIN "=1-10";
    reset(50);
    component_start(c);
    read_range(c, 10, 50);
    assert_true(component_stop(c));
}

static void a_start_is_looked_up_once_and_kept(void **state)
{
    Oms__StartOptions start = OMS__START_OPTIONS__INIT;
    struct component *c = *state;

    start.time = (char *)"2026-11-21T12:00:00Z";
    c->fixed.start = &start;
    reset(50);
    component_start(c);
    read_range(c, 10, 50);
    assert_int_equal(source.first_asked, 11);
    assert_true(component_stop(c));
    component_start(c);
    read_range(c, 10, 50);
    assert_true(component_stop(c));
    assert_int_equal(source.sought, 1);
}

static void a_start_that_is_refused_ends_the_store_with_nothing_begun(void **state)
{
    Oms__StartOptions start = OMS__START_OPTIONS__INIT;
    struct component *c = *state;

    start.time = (char *)"2026-11-21T11:00:00Z";
    c->fixed.start = &start;
    reset(50);
    component_start(c);
    pthread_join(c->thread, NULL);
    assert_false(c->result);
    assert_int_equal(c->ended.code, ERR_START);
    start.time = (char *)"2026-11-21T12:00:00Z";
    component_start(c);
    read_range(c, 10, 50);
    assert_true(component_stop(c));
}

static void a_connection_that_breaks_within_transactions_loses_and_doubles_nothing(void **state)
{
    struct component *c = *state;

    reset(20);
    source.break_every = 7; /* of three parts, this cuts all over */
    source.refuse_connects = 2;
    component_start(c);
    wait_done(c);
    for (uint64_t n = 100; n <= 600; n += 100) {
        commit_to(n);
        read_range(c, 20, n);
    }
    assert_true(component_stop(c));
    assert_true(source.opens > 10);
    assert_true(c->retries > 10);
}

static void a_duplicate_reader_gets_another_id_each_time(void **state)
{
    struct component *c = *state;

    c->fixed.has_server_id = true;
    c->fixed.server_id = 3000004711u;
    reset(20);
    source.break_every = 5;
    source.break_code = ERR_LOG_DUPLICATE_READER;
    component_start(c);
    wait_done(c);
    commit_to(60);
    read_range(c, 20, 60);
    assert_true(component_stop(c));
    assert_int_equal(source.ids[0], 3000004711u);
    assert_true(source.opens > 4);
    unsigned others = 0;
    for (unsigned i = 1; i < source.opens && i < ARRAY_LEN(source.ids); i++) {
        assert_int_not_equal(source.ids[i], 3000004711u);
        others += source.ids[i] != source.ids[i - 1];
    }
    assert_true(others >= 2);
}

static void a_source_that_lost_what_was_pulled_stops_the_store(void **state)
{
    struct component *c = *state;

    reset(20);
    component_start(c);
    wait_done(c);
    commit_to(60);
    read_range(c, 20, 60);
    assert_true(component_stop(c));
    source.lost_above = 58;
    component_start(c);
    assert_false((pthread_join(c->thread, NULL), c->result));
    assert_int_equal(c->ended.code, ERR_SOURCE_DIVERGED);
    assert_non_null(strstr(c->ended.message, ORIGIN "=59-60"));
}

static void an_error_that_is_not_retried_ends_the_store(void **state)
{
    struct component *c = *state;

    reset(20);
    source.break_every = 3;
    source.break_code = ERR_LOG_UNKNOWN_EVENT;
    component_start(c);
    pthread_join(c->thread, NULL);
    assert_false(c->result);
    assert_int_equal(c->ended.code, ERR_LOG_UNKNOWN_EVENT);
}

/* A file system of 4 MB, of which a file takes what it is given. */
static void block_space(const char *dir, off_t bytes)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "%s/ballast", dir);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(bytes > 0 ? posix_fallocate(fd, 0, bytes) : ftruncate(fd, 0), 0);
    close(fd);
}

static void a_full_disk_stops_the_writing_until_there_is_room(void **state)
{
    struct mono until = mono_add_ms(clock_mono(), DEADLINE_MS);
    struct component *c = *state;

    if (mount("oms-test", c->dir, "tmpfs", 0, "size=6m") != 0) {
        print_message("cannot mount a file system here\n");
        skip();
    }
    reset(20);
    source.text_len = 2000; /* about 1 KB each when stored */
    block_space(c->dir, 3 << 20);
    component_start(c);
    wait_done(c);
    commit_to(4000);
    while (component_has_error(c) != ERR_NO_SPACE) {
        assert_true(c->running && mono_cmp(clock_mono(), until) < 0);
        sched_yield();
    }
    read_range(c, 20, 60); /* what is there is served all the same */
    commit_to(1500);
    block_space(c->dir, 0);
    read_range(c, 20, 1500);
    while (component_has_error(c) != ERR_NONE) {
        assert_true(mono_cmp(clock_mono(), until) < 0);
        sched_yield();
    }
    assert_true(component_stop(c));
    assert_int_equal(source.opens, 1); /* it waited where it was */
    assert_int_equal(umount(c->dir), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_store_begins_at_the_sources_present_end),
        TEST(a_begin_that_is_given_is_used),
        TEST(a_start_is_looked_up_once_and_kept),
        TEST(a_start_that_is_refused_ends_the_store_with_nothing_begun),
        TEST(a_connection_that_breaks_within_transactions_loses_and_doubles_nothing),
        TEST(a_duplicate_reader_gets_another_id_each_time),
        TEST(a_source_that_lost_what_was_pulled_stops_the_store),
        TEST(an_error_that_is_not_retried_ends_the_store),
        TEST(a_full_disk_stops_the_writing_until_there_is_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
