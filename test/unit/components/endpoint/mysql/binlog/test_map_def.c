/* A definition agrees with a table map only if every fact that the map tells is the same; a
 * definition built from a map agrees with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/must.h"
#include "test/lib/binlog_text.h"

struct fixture {
    struct view bytes;
    struct arena arena;
    struct table_map map; /* of f.a, every type */
    const struct table_def *def;
    struct buf why;
};

static const struct table_def *const no_models[2] = {NULL, NULL};

/* The first table map of the file. */
static int setup(void **state)
{
    struct fixture *f = must_calloc(1, sizeof *f);
    struct binlog_format format;
    struct binlog_header h;
    struct view body;
    struct err e = ERR_INIT;
    uint32_t size;

    f->bytes = binlog_text_file("test/data/mariadb_all_types.binlog");
    arena_init(&f->arena, 0);
    buf_init(&f->why, 4096);
    binlog_format_init(&format);
    for (size_t at = 4; at < f->bytes.len; at += size) {
        memcpy(&size, f->bytes.p + at + 9, sizeof size);
        must(binlog_event_open(&format, (struct view){f->bytes.p + at, size}, &h, &body, &e));
        if (h.type == BINLOG_FORMAT)
            must(binlog_read_format(body, &format, &e));
        if (h.type == BINLOG_TABLE_MAP) {
            must(table_map_read(&format, body, &f->arena, &f->map, &e));
            break;
        }
    }
    must(map_build(&f->map, &binlog_text_collations, no_models, 7, &f->def, &e));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    table_def_unref(f->def);
    arena_fini(&f->arena);
    buf_fini(&f->why);
    free((void *)(uintptr_t)f->bytes.p);
    free(f);
    return 0;
}

static void a_built_definition_agrees_with_its_map(void **state)
{
    struct fixture *f = *state;

    assert_true(map_is_full(&f->map));
    assert_true(map_matches(&f->map, &binlog_text_collations, f->def, &f->why));
    assert_int_equal(f->def->id, 7);
    assert_int_equal(f->def->n_columns, 33);
    assert_int_equal(f->def->row_key, 0);
    assert_string_equal(f->def->columns[5].native, "varchar(300)");
    assert_int_equal(f->def->columns[20].kind, KIND_U8);
    assert_int_equal(f->def->columns[24].length, 10);
    assert_string_equal(f->def->columns[24].collation, "utf8mb4_general_ci");
    assert_true(f->def->columns[24].fixed_char);
}

/* Changes one thing of one column, and asks. */
static void assert_noticed(struct fixture *f, uint16_t column, struct column_def changed)
{
    struct table_def t = *f->def;
    struct column_def columns[64];

    memcpy(columns, t.columns, t.n_columns * sizeof *columns);
    columns[column] = changed;
    t.columns = columns;
    assert_false(map_matches(&f->map, &binlog_text_collations, &t, &f->why));
    assert_true(f->why.len > 0);
}

static void each_difference_of_a_column_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct column_def c = f->def->columns[12]; /* decimal(10,3) */

    c.name = "other";
    assert_noticed(f, 12, c);
    c = f->def->columns[12];
    c.kind = KIND_DOUBLE;
    assert_noticed(f, 12, c);
    c = f->def->columns[12];
    c.scale = 2;
    assert_noticed(f, 12, c);
    c = f->def->columns[12];
    c.precision = 11;
    assert_noticed(f, 12, c);
    c = f->def->columns[12];
    c.nullable = false;
    assert_noticed(f, 12, c);
    c = f->def->columns[24]; /* char(10) */
    c.length = 11;
    assert_noticed(f, 24, c);
    c = f->def->columns[24];
    c.collation = "utf8mb4_bin";
    assert_noticed(f, 24, c);
    c = f->def->columns[20]; /* tinyint unsigned */
    c.kind = KIND_I8;
    assert_noticed(f, 20, c);
    c = f->def->columns[9]; /* time(3) */
    c.scale = 6;
    assert_noticed(f, 9, c);
    c = f->def->columns[7]; /* enum('x','y') */
    c.members = "\1x\1z";
    assert_noticed(f, 7, c);
    c = f->def->columns[7];
    c.members = "\1x";
    c.members_len = 2;
    assert_noticed(f, 7, c);
}

static void another_primary_key_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct table_def t = *f->def;
    struct key_part part = {.column = 1};
    struct key_def key = f->def->keys[0];

    key.parts = &part;
    t.keys = &key;
    assert_false(map_matches(&f->map, &binlog_text_collations, &t, &f->why));
    t.n_keys = 0;
    assert_false(map_matches(&f->map, &binlog_text_collations, &t, &f->why));
}

static void sixteen_bytes_may_be_a_uuid_or_an_address(void **state)
{
    struct fixture *f = *state;
    struct table_def t = *f->def;
    struct column_def columns[64];

    memcpy(columns, t.columns, t.n_columns * sizeof *columns);
    t.columns = columns;
    columns[1].kind = KIND_UUID;
    columns[1].length = 0;
    columns[2].kind = KIND_INET6;
    columns[2].length = 0;
    columns[3].kind = KIND_INET4;
    columns[3].length = 0;
    assert_true(map_matches(&f->map, &binlog_text_collations, &t, &f->why));
    columns[25].kind = KIND_UUID; /* BINARY(6) cannot */
    assert_false(map_matches(&f->map, &binlog_text_collations, &t, &f->why));
}

/* What the map cannot tell comes from a model's column of the same name and type. */
static void a_model_gives_what_the_map_cannot(void **state)
{
    struct fixture *f = *state;
    struct table_def model = *f->def;
    struct column_def columns[64];
    struct key_part by_key = {.column = 15}, gone = {.column = 33};
    struct key_def keys[] = {
        f->def->keys[0],
        {.name = "second", .unique = true, .n_parts = 1, .parts = &by_key},
        {.name = "of_a_dropped_column", .unique = true, .n_parts = 1, .parts = &gone},
    };
    const struct table_def *models[2] = {NULL, &model}, *out;
    struct err e = ERR_INIT;

    memcpy(columns, model.columns, model.n_columns * sizeof *columns);
    columns[33] = columns[0];
    columns[33].name = "dropped";
    columns[1].kind = KIND_UUID;
    columns[1].native = "uuid";
    columns[15].generated = GENERATED_VIRTUAL;
    columns[0].auto_increment = true;
    columns[0].native = "int(11)";
    model.columns = columns;
    model.n_columns = 34;
    model.keys = keys;
    model.n_keys = 3;
    model.engine = "InnoDB";
    assert_true(map_build(&f->map, &binlog_text_collations, models, 8, &out, &e));
    assert_true(map_matches(&f->map, &binlog_text_collations, out, &f->why));
    assert_int_equal(out->columns[1].kind, KIND_UUID);
    assert_int_equal(out->columns[15].generated, GENERATED_VIRTUAL);
    assert_true(out->columns[0].auto_increment);
    assert_string_equal(out->columns[0].native, "int(11)");
    assert_string_equal(out->engine, "InnoDB");
    assert_int_equal(out->n_keys, 2);
    assert_string_equal(out->keys[1].name, "second");
    table_def_unref(out);
}

static void without_names_nothing_is_built(void **state)
{
    struct fixture *f = *state;
    struct table_map m = f->map;
    const struct table_def *out;
    struct err e = ERR_INIT;

    m.has_names = false;
    assert_false(map_is_full(&m));
    assert_false(map_build(&m, &binlog_text_collations, no_models, 1, &out, &e));
    assert_int_equal(e.code, ERR_LOG_METADATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_built_definition_agrees_with_its_map, setup, teardown),
        cmocka_unit_test_setup_teardown(each_difference_of_a_column_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(another_primary_key_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(sixteen_bytes_may_be_a_uuid_or_an_address, setup, teardown),
        cmocka_unit_test_setup_teardown(a_model_gives_what_the_map_cannot, setup, teardown),
        cmocka_unit_test_setup_teardown(without_names_nothing_is_built, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
