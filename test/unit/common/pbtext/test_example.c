/* Example files, and where something stands in a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/pbtext/pbtext.h"
#include "proto/files.pb-c.h"

struct fixture {
    struct arena arena;
    struct buf buf;
    struct err e;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    arena_init(&f->arena, 0);
    buf_init(&f->buf, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    buf_fini(&f->buf);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

static bool parse(struct fixture *f, const char *text, const ProtobufCMessageDescriptor *d,
                  void *out)
{
    err_clear(&f->e);
    return pbtext_parse_yaml("p.yaml", text, strlen(text), d, &f->arena, out, &f->e);
}

static void examples_are_files_one_can_use(void **state)
{
    struct fixture *f = *state;
    Oms__ProjectFile *p;
    Oms__DataSourceFile *d;
    char *text;

    pbtext_format_example(&oms__project_file__descriptor, &f->buf);
    if (!parse(f, buf_cstr(&f->buf), &oms__project_file__descriptor, &p))
        fail_msg("%s\n%s", f->e.message, buf_cstr(&f->buf));
    assert_string_equal(p->name, "shop-move");
    assert_string_equal(p->objects->include[0], "shop.*");
    assert_non_null(strstr(buf_cstr(&f->buf), "# Parallel connections. 1 to 64."));
    assert_non_null(strstr(buf_cstr(&f->buf), "# full:\n"));
    buf_clear(&f->buf);
    pbtext_format_example(&oms__data_source_file__descriptor, &f->buf);
    assert_true(parse(f, buf_cstr(&f->buf), &oms__data_source_file__descriptor, &d));
    assert_int_equal(d->port, 3306);
    text = arena_strdup(&f->arena, buf_cstr(&f->buf));
    for (char *at = text; (at = strstr(at, "\n# tls: ")) != NULL;) /* as a person would */
        memmove(at + 1, at + 3, strlen(at + 3) + 1);
    assert_true(parse(f, text, &oms__data_source_file__descriptor, &d));
    assert_string_equal(d->tls, "preferred");
}

/* "# key:" and "# - entry" without the first "# ", as the example's head says. */
static char *taken(struct arena *a, const char *example)
{
    char *out = arena_alloc(a, strlen(example) + 1), *at = out;

    for (const char *p = example, *end; *p; p = end) {
        size_t lead = strspn(p, " ");
        const char *mark = p + lead, *word = mark + 2 + (*mark == '#' ? strspn(mark + 2, " ") : 0);
        bool key = *mark == '#' &&
                   (*word == '-' || word[strspn(word, "abcdefghijklmnopqrstuvwxyz_")] == ':');

        end = p + strcspn(p, "\n");
        end += *end != '\0';
        memset(at, ' ', lead);
        at += lead;
        mark += key ? 2 : 0;
        memcpy(at, mark, (size_t)(end - mark));
        at += end - mark;
    }
    *at = '\0';
    return out;
}

static void a_part_of_an_example_that_is_taken_sets_standards_alone(void **state)
{
    struct fixture *f = *state;
    Oms__ProjectFile *p;
    char *text;

    pbtext_format_example(&oms__project_file__descriptor, &f->buf);
    text = taken(&f->arena, buf_cstr(&f->buf));
    if (!parse(f, text, &oms__project_file__descriptor, &p))
        fail_msg("%s\n%s", f->e.message, text);
    assert_int_equal(p->incremental->slots, 4);
    assert_null(p->incremental->start);
    assert_string_equal(p->objects->rename[0]->to, "store.orders");
    assert_int_equal(p->ddl->n_deny, 0);
    assert_string_equal(p->heartbeat->schema, "oms_heartbeat");
}

static void the_line_of_a_place_is_found(void **state)
{
    static const struct {
        const char *place;
        unsigned line;
    } rows[] = {
        {"source: there is no data source", 2},
        {"name 'a b' of a project", 1},
        {"objects.include[2], column 5: '.' is expected", 6},
        {"objects.include[1]", 5},
        {"objects.rename[1].to, column 2", 9},
        {"incremental.start: none", 10}, /* not written there: its group's */
        {"nothing that is a place", 1},
        {"objects.include[9]", 4},
        {"", 1},
    };
    const char *text = "name: a b\nsource: s\nobjects:\n  include:\n    - a.b\n    - c\n"
                       "  rename:\n    - from: a.b\n      to: d\nincremental: {slots: 2}\n";
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (pbtext_line_of(text, strlen(text), rows[i].place, &f->arena) != rows[i].line)
            fail_msg("%s: line %u", rows[i].place,
                     pbtext_line_of(text, strlen(text), rows[i].place, &f->arena));
    assert_int_equal(pbtext_line_of("{", 1, "a", &f->arena), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(examples_are_files_one_can_use),
        T(a_part_of_an_example_that_is_taken_sets_standards_alone),
        T(the_line_of_a_place_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
