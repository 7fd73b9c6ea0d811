/* A verification that asks a real Store's log over a real socket: what is told, and why nothing is.
 * The functions of components/runtime that it needs are here. */
#include "test/unit/components/store/store_fixture.h"

#include <stdio.h>

#include "common/os/clock.h"
#include "components/full_verification/verification_priv.h"
#include "components/store/serve.h"

#define STORE "p.store"
#define TOKEN "secret"

static struct {
    const char *address, *token;
} peer; /* what the project's live part says of the Store */

Oms__ComponentLive *component_live(struct component *c)
{
    Oms__ComponentLive *live = calloc(1, sizeof *live);
    Oms__Peer *p = calloc(1, sizeof *p);

    (void)c;
    oms__component_live__init(live);
    oms__peer__init(p);
    p->component_id = (char *)STORE;
    p->address = (char *)peer.address;
    p->token_secret = (char *)"stream-token:" STORE;
    p->has_epoch = true;
    p->epoch = 5;
    live->peers = calloc(1, sizeof(void *));
    live->peers[0] = p;
    live->n_peers = peer.address != NULL;
    return live;
}

void component_live_free(Oms__ComponentLive *l)
{
    void *p = l->peers[0];

    free(p);
    free(l->peers);
    free(l);
}

bool component_secret(struct component *c, const char *name, char *out, size_t cap, struct err *e)
{
    (void)c;
    (void)e;
    assert_string_equal(name, "stream-token:" STORE);
    (void)snprintf(out, cap, "%s", peer.token);
    return true;
}

bool verification_is_stopping(struct verification *v)
{
    (void)v;
    return false;
}

/* --- the world ----------------------------------------------------------------------------------
 */

struct world {
    struct fixture *f;
    struct serve *serve;
    struct verification v;
    struct check_table t;
    struct history *h;
    struct txn_set p0, p1, p2;
    struct buf images[2];
    struct err e;
};

static void ask_from(struct world *w, const char *p0, const char *p1, const char *p2)
{
    static const bool is_read[] = {true, true};

    history_free(w->h);
    txn_set_fini(&w->p0);
    txn_set_fini(&w->p1);
    txn_set_fini(&w->p2);
    w->p0 = log_set(p0);
    w->p1 = log_set(p1);
    w->p2 = log_set(p2);
    w->h = history_new(&(struct history_params){
        .table = w->f->t, .is_read = is_read, .max_rows = 10, .max_bytes = 1 << 20});
    w->e = (struct err)ERR_INIT;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct serve_options o = {
        .address = "127.0.0.1:0", .token = TOKEN, .store_id = STORE, .epoch = 5};
    struct err e = ERR_INIT;

    w->f = fixture_new(1);
    w->f->o.retention_us = 1;
    reopen(w->f);
    o.store = w->f->s;
    if (!serve_start(&o, &w->serve, &e))
        fail_msg("%s", e.message);
    peer.address = serve_address(w->serve);
    peer.token = TOKEN;
    w->v.store_id = STORE;
    w->t.def = w->f->t;
    w->t.key = "shop.t";
    buf_init(&w->images[0], 1 << 16);
    buf_init(&w->images[1], 1 << 16);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    serve_stop(w->serve);
    history_free(w->h);
    txn_set_fini(&w->p0);
    txn_set_fini(&w->p1);
    txn_set_fini(&w->p2);
    buf_fini(&w->images[0]);
    buf_fini(&w->images[1]);
    fixture_free(w->f);
    free(w);
    return 0;
}

static struct txn_head head(struct fixture *f)
{
    f->seq++;
    return (struct txn_head){.id = {origin_intern(ORIGIN, strlen(ORIGIN)), f->seq},
                             .covers_from = f->seq,
                             .commit = {1},
                             .flags = TXN_F_LAST};
}

static void append_raw(struct fixture *f, struct buf *b)
{
    struct err e = ERR_INIT;

    if (!store_append(f->s, (struct view){b->p, b->len}, false, &e))
        fail_msg("%s", e.message);
    sync_store(f);
    buf_fini(b);
}

static void put_row(struct buf *out, const struct table_def *t, uint64_t id, const char *v)
{
    struct row_writer row;

    row_begin(&row, out, t, ROWS_CANONICAL, false);
    row_put_u64(&row, id);
    row_put_bytes(&row, v, strlen(v));
    for (uint16_t i = 2; i < t->n_columns; i++)
        row_put_null(&row);
    row_end(&row);
}

static void put_image(struct txn_writer *w, const struct table_def *t, uint64_t id, const char *v)
{
    size_t mark = txn_image_begin(w);

    put_row(w->out, t, id, v);
    txn_image_end(w, mark);
}

/* A transaction that changes row `id` of table t. */
static void update(struct fixture *f, const struct table_def *t, uint64_t id, const char *from,
                   const char *to)
{
    struct txn_head h = head(f);
    struct txn_writer w;
    struct buf b;

    buf_init(&b, 1 << 16);
    record_write_table(&b, t);
    txn_writer_init(&w, &b);
    txn_write_begin(&w, RECORD_TXN, &h);
    txn_write_change(&w, t->id, CHANGE_UPDATE, 0, IMAGE_FULL);
    put_image(&w, t, id, from);
    put_image(&w, t, id, to);
    txn_write_end(&w);
    append_raw(f, &b);
}

static struct view text(const char *s)
{
    return (struct view){(const uint8_t *)s, strlen(s)};
}

static void ddl(struct fixture *f, const char *table, uint32_t flags)
{
    struct txn_head h = head(f);
    struct ddl_table named = {.db = text("SHOP"), .name = text(table)};
    struct ddl_record d = {.sql = text("a statement"),
                           .default_db = text("shop"),
                           .time_zone = text(""),
                           .vars = text(""),
                           .db = text("shop"),
                           .table = text(table),
                           .n_tables = 1,
                           .ddl_kind = DDL_TRUNCATE,
                           .in_scope = true,
                           .flags = flags,
                           .invents = text(""),
                           .auto_column = text(""),
                           .engine = text(""),
                           .collation_connection_name = text(""),
                           .collation_server_name = text("")};
    struct buf b, tables;

    buf_init(&b, 1 << 16);
    buf_init(&tables, 1 << 16);
    ddl_table_put(&tables, &named);
    d.tables = (struct view){tables.p, tables.len};
    record_write_ddl(&b, &h, &d);
    buf_fini(&tables);
    append_raw(f, &b);
}

static size_t want(struct world *w, const char *source, const char *target)
{
    size_t at = 99;

    buf_clear(&w->images[0]);
    buf_clear(&w->images[1]);
    put_row(&w->images[0], w->f->t, 7, source);
    put_row(&w->images[1], w->f->t, 7, target);
    assert_true(history_want(w->h, (struct view){w->images[0].p, w->images[0].len},
                             (struct view){w->images[1].p, w->images[1].len}, &at));
    return at;
}

static bool ask(struct world *w)
{
    struct log_span span = {&w->p0, &w->p1, &w->p2};

    return log_images(&w->v, &w->t, &span, w->h, &w->e);
}

static enum history_answer answer(struct world *w, size_t at)
{
    struct txn_id id;

    if (!ask(w))
        fail_msg("%s", w->e.message);
    history_end(w->h);
    return history_answer(w->h, at, &id);
}

/* --- what is told -------------------------------------------------------------------------------
 */

static void images_up_to_p2_are_told_and_none_behind(void **state)
{
    struct world *w = *state;
    size_t at;

    update(w->f, w->f->t, 7, "1", "2");
    update(w->f, w->f->t, 7, "2", "3");
    update(w->f, w->f->t, 7, "3", "4");
    update(w->f, w->f->t, 7, "4", "5");
    ask_from(w, ORIGIN "=1-101", ORIGIN "=1-102", ORIGIN "=1-103");
    at = want(w, "2", "4");
    assert_int_equal(answer(w, at), HISTORY_EQUAL);
    ask_from(w, ORIGIN "=1-101", ORIGIN "=1-102", ORIGIN "=1-103");
    at = want(w, "2", "5"); /* the target cannot have it */
    assert_int_equal(answer(w, at), HISTORY_DIFFERENT);
    ask_from(w, ORIGIN "=1-101", ORIGIN "=1-102", ORIGIN "=1-104");
    at = want(w, "2", "2"); /* p1 had another one already */
    assert_int_equal(answer(w, at), HISTORY_DIFFERENT);
}

static void rows_of_other_tables_and_ddl_on_them_say_nothing(void **state)
{
    struct world *w = *state;
    const struct table_def *other = log_table(2, "other");
    size_t at;

    update(w->f, other, 7, "1", "planted");
    ddl(w->f, "other", DDL_F_READ);
    update(w->f, w->f->t, 7, "1", "2");
    ask_from(w, ORIGIN "=1-100", ORIGIN "=1-100", ORIGIN "=1-103");
    at = want(w, "1", "planted");
    assert_int_equal(answer(w, at), HISTORY_DIFFERENT);
    table_def_unref(other);
}

static void where_nothing_lies_in_between_nobody_is_asked(void **state)
{
    struct world *w = *state;
    size_t at;

    peer.address = NULL;
    ask_from(w, ORIGIN "=1-100", ORIGIN "=1-100", ORIGIN "=1-100");
    at = want(w, "1", "2");
    assert_int_equal(answer(w, at), HISTORY_DIFFERENT);
}

/* --- what is not --------------------------------------------------------------------------------
 */

static void assert_silent(struct world *w, enum err_code code)
{
    ask_from(w, ORIGIN "=1-100", ORIGIN "=1-100", ORIGIN "=1-102");
    (void)want(w, "1", "2");
    assert_false(ask(w));
    assert_string_equal(err_name(w->e.code), err_name(code));
}

static void a_ddl_on_the_table_ends_what_can_be_told(void **state)
{
    struct world *w = *state;

    update(w->f, w->f->t, 7, "1", "2");
    ddl(w->f, "T", DDL_F_READ);
    assert_silent(w, ERR_SERVER_TABLE_CHANGED);
}

static void a_ddl_that_was_not_understood_may_be_on_the_table(void **state)
{
    struct world *w = *state;

    update(w->f, w->f->t, 7, "1", "2");
    ddl(w->f, "other", 0);
    assert_silent(w, ERR_SERVER_TABLE_CHANGED);
}

static void log_that_is_not_kept_any_more_is_said(void **state)
{
    struct world *w = *state;
    struct txn_set low;
    struct err e = ERR_INIT;
    uint32_t removed = 0;
    bool loud;

    for (int i = 0; i < 3; i++)
        update(w->f, w->f->t, 7, "1", "2");
    low = log_set(ORIGIN "=1-103");
    assert_true(store_register(w->f->s, "p/incremental", &low, &e));
    assert_true(store_purge(w->f->s, (struct wall){1ll << 50}, &removed, &loud, &e));
    assert_int_equal(removed, 2);
    assert_silent(w, ERR_STORE_POSITION);
    txn_set_fini(&low);
}

static void a_store_that_refuses_or_is_not_there_is_said(void **state)
{
    struct world *w = *state;

    peer.token = "another";
    assert_silent(w, ERR_DENIED);
    peer.address = NULL;
    assert_silent(w, ERR_UNAVAILABLE);
    w->v.store_id = NULL;
    assert_silent(w, ERR_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(images_up_to_p2_are_told_and_none_behind),
        TEST(rows_of_other_tables_and_ddl_on_them_say_nothing),
        TEST(where_nothing_lies_in_between_nobody_is_asked),
        TEST(a_ddl_on_the_table_ends_what_can_be_told),
        TEST(a_ddl_that_was_not_understood_may_be_on_the_table),
        TEST(log_that_is_not_kept_any_more_is_said),
        TEST(a_store_that_refuses_or_is_not_there_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
