/* A Store's records made by hand, and an intake that reads them. Included by test_intake*.c. */
#ifndef OMS_TEST_UNIT_INCR_SYNC_INTAKE_FIXTURE_H
#define OMS_TEST_UNIT_INCR_SYNC_INTAKE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "components/incr_sync/core/intake.h"

#define ORIGIN "mariadb:0"

struct fixture {
    struct txn_set low, done, begin, end;
    struct intake *in;
    struct buf raw;
    struct txn_writer w;
    const struct table_def *t1, *t2;
    uint32_t idle;
    bool ddl_held;
    bool letters; /* text has a fold */
};

/* id BIGINT PRIMARY KEY, u INT NULL UNIQUE, name TEXT (not a key, unless name_is_key). */
static const struct table_def *table(uint32_t id, const char *name, bool name_is_key)
{
    static const struct column_def columns[] = {
        {.name = "id", .kind = KIND_I64, .charset = "", .collation = "", .native = "bigint(20)"},
        {.name = "u",
         .kind = KIND_I32,
         .nullable = true,
         .charset = "",
         .collation = "",
         .native = "int(11)"},
        {.name = "name",
         .kind = KIND_TEXT,
         .charset = "utf8mb4",
         .collation = "utf8mb4_general_ci",
         .native = "varchar(20)",
         .length = 20},
    };
    static const struct key_part id_part[] = {{.column = 0}}, u_part[] = {{.column = 1}},
                                 name_part[] = {{.column = 2}};
    static const struct key_def keys[] = {
        {.name = "PRIMARY", .primary = true, .unique = true, .n_parts = 1, .parts = id_part},
        {.name = "u", .unique = true, .n_parts = 1, .parts = u_part},
        {.name = "name", .unique = true, .n_parts = 1, .parts = name_part},
    };
    struct table_def_builder b;
    const struct table_def *t;
    struct err e = ERR_INIT;

    table_def_builder_init(&b);
    b.def.id = id;
    b.def.db = arena_strdup(&b.arena, "shop");
    b.def.name = arena_strdup(&b.arena, name);
    b.def.engine = b.def.charset = b.def.collation = b.def.create_text = "";
    b.def.n_columns = 3;
    b.def.columns = columns;
    b.def.n_keys = name_is_key ? 3 : 2;
    b.def.keys = keys;
    assert_true(table_def_seal(&b, &t, &e));
    table_def_builder_fini(&b);
    return t;
}

static void scope(void *arg, const struct table_def *t, struct intake_scope *out)
{
    struct fixture *f = arg;

    out->in_scope = strcmp(t->name, "other") != 0;
    out->to_db = t->db;
    out->to_name = t->name;
    if (strcmp(t->name, "t2") == 0) {
        out->begin = &f->begin;
        out->end = &f->end;
    }
}

static bool ddl_in_scope(void *arg, const struct ddl_record *d)
{
    (void)d;
    return ((struct fixture *)arg)->ddl_held;
}

static bool ddl_tables(void *arg, const struct ddl_record *d, struct dep_keys *tags)
{
    struct cursor c = cursor_of(d->tables.p, d->tables.len);
    char db[32], name[32];
    struct ddl_table t;

    (void)arg;
    while (ddl_table_next(&c, &t)) {
        snprintf(db, sizeof db, "%.*s", (int)t.db.len, (const char *)t.db.p);
        snprintf(name, sizeof name, "%.*s", (int)t.name.len, (const char *)t.name.p);
        vec_push(tags, table_tag(db, name));
    }
    return d->flags & DDL_F_READ;
}

static enum fold fold(void *arg, const struct column_def *c)
{
    if (c->kind != KIND_TEXT)
        return FOLD_EXACT;
    return ((struct fixture *)arg)->letters ? FOLD_LETTERS_UTF8 : FOLD_TABLE;
}

static void idle(void *arg, struct source_block *b)
{
    ((struct fixture *)arg)->idle++;
    source_block_free(b);
}

static const char *origin(void)
{
    return origin_intern(ORIGIN, strlen(ORIGIN));
}

typedef struct txn_pipe *pipe_new(void *arg);
typedef void pipe_put(struct txn_pipe *p, struct source_piece *piece);

static struct fixture *make_piped(uint64_t low_to, uint64_t limit, pipe_new *pipe, pipe_put *put)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct intake_params p = {.low = &f->low,
                              .done = &f->done,
                              .scope = scope,
                              .ddl_in_scope = ddl_in_scope,
                              .ddl_tables = ddl_tables,
                              .fold = fold,
                              .pipe = pipe,
                              .put = put,
                              .arg = f,
                              .txn_limit_bytes = limit,
                              .barrier_bytes = limit,
                              .barrier_keys = 50};

    if (low_to)
        txn_set_add(&f->low, origin(), 1, low_to);
    txn_set_add(&f->done, origin(), 12, 12);
    txn_set_add(&f->begin, origin(), 1, 20);
    txn_set_add(&f->end, origin(), 1, 30);
    f->in = intake_new(&p);
    buf_init(&f->raw, 1u << 20);
    txn_writer_init(&f->w, &f->raw);
    f->t1 = table(1, "t1", false);
    f->t2 = table(2, "t2", false);
    record_write_table(&f->raw, f->t1);
    record_write_table(&f->raw, f->t2);
    return f;
}

static inline struct fixture *make(uint64_t low_to, uint64_t limit)
{
    return make_piped(low_to, limit, NULL, NULL);
}

static inline void done_with(struct fixture *f)
{
    intake_free(f->in);
    txn_set_fini(&f->low);
    txn_set_fini(&f->done);
    txn_set_fini(&f->begin);
    txn_set_fini(&f->end);
    buf_fini(&f->raw);
    table_def_unref(f->t1);
    table_def_unref(f->t2);
    free(f);
}

static void put_named(struct fixture *f, const struct table_def *t, int64_t id, int64_t u,
                      const char *name)
{
    struct row_writer rw;
    size_t mark = txn_image_begin(&f->w);

    row_begin(&rw, &f->raw, t, ROWS_CANONICAL, false);
    row_put_u64(&rw, (uint64_t)id);
    if (u < 0)
        row_put_null(&rw);
    else
        row_put_u64(&rw, (uint64_t)u);
    row_put_bytes(&rw, name, strlen(name));
    row_end(&rw);
    txn_image_end(&f->w, mark);
}

static inline void put_row(struct fixture *f, const struct table_def *t, int64_t id, int64_t u)
{
    put_named(f, t, id, u, "x");
}

static inline void begin(struct fixture *f, enum record_type type, uint64_t seq, uint32_t part)
{
    struct txn_head h = {.id = {origin(), seq},
                         .covers_from = seq,
                         .commit = {1000},
                         .part = part,
                         .flags = type == RECORD_TXN ? TXN_F_LAST : 0};

    txn_write_begin(&f->w, type, &h);
}

static inline void insert(struct fixture *f, const struct table_def *t, int64_t id, int64_t u)
{
    txn_write_change(&f->w, t->id, CHANGE_INSERT, 0, IMAGE_FULL);
    put_row(f, t, id, u);
}

static inline void whole(struct fixture *f, uint64_t seq, const struct table_def *t, int64_t id,
                         int64_t u)
{
    begin(f, RECORD_TXN, seq, 0);
    insert(f, t, id, u);
    txn_write_end(&f->w);
}

/* Gives what was written so far to the intake as one block, and starts the next. */
static inline struct source_block *block(struct fixture *f, bool expected)
{
    struct source_block *b = source_block_new(f->raw.len + 1);
    struct err e = ERR_INIT;

    assert_true(buf_ok(&f->raw));
    buf_append(&b->raw, f->raw.p, f->raw.len);
    buf_clear(&f->raw);
    assert_int_equal(intake_block(f->in, b, &e), expected);
    return b;
}

static inline void release(struct fixture *f, struct source_block *b)
{
    for (size_t i = 0; i < b->txns.n; i++)
        source_txn_release(b->txns.at[i], idle, f);
    if (source_block_unref(b))
        idle(f, b);
}

#endif
