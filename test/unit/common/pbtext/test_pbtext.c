/* Messages as text: what is read, what is refused and where, what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/pbtext/pbtext.h"
#include "proto/admin.pb-c.h"
#include "proto/daemon.pb-c.h"
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

static bool parse_json(struct fixture *f, const char *text, const ProtobufCMessageDescriptor *d,
                       void *out)
{
    err_clear(&f->e);
    return pbtext_parse_json("p.json", text, strlen(text), d, &f->arena, out, &f->e);
}

static void assert_says(struct fixture *f, const char *part)
{
    assert_int_equal(f->e.code, ERR_INVALID);
    if (!strstr(f->e.message, part))
        fail_msg("'%s' lacks '%s'", f->e.message, part);
}

static void refused(struct fixture *f, const char *text, const ProtobufCMessageDescriptor *d,
                    const char *part)
{
    ProtobufCMessage *m;

    assert_false(parse(f, text, d, &m));
    assert_says(f, part);
}

#define PROJECT "name: a\nsource: b\ntarget: c\nobjects:\n  include: [x.*]\n"

static void yaml_becomes_a_message(void **state)
{
    struct fixture *f = *state;
    Oms__ProjectFile *p;

    assert_true(parse(f,
                      PROJECT "full: {workers: 3, max_rows_per_second: 18446744073709551615}\n"
                              "skip_checks:\n  - 'one'\n  - 2\nverification:\n  enabled: false\n"
                              "where: null\nstore:\n",
                      &oms__project_file__descriptor, &p));
    assert_string_equal(p->name, "a");
    assert_string_equal(p->objects->include[0], "x.*");
    assert_int_equal(p->full->workers, 3);
    assert_true(p->full->max_rows_per_second == UINT64_MAX);
    assert_false(p->full->has_chunk_target_ms);
    assert_int_equal(p->n_skip_checks, 2);
    assert_string_equal(p->skip_checks[1], "2");
    assert_true(p->verification->has_enabled && !p->verification->enabled);
    assert_null(p->where);
    assert_null(p->store);
}

static void an_unknown_key_names_line_and_nearest_key(void **state)
{
    struct fixture *f = *state;

    refused(f, PROJECT "ful:\n  workers: 1\n", &oms__project_file__descriptor,
            "p.yaml:6: unknown key 'ful'; the nearest known key is 'full'");
    refused(f, "name: a\nobjects:\n  inclde: [a.b]\n", &oms__project_file__descriptor,
            "p.yaml:3: unknown key 'inclde' in 'objects'; the nearest known key is 'include'");
}

static void wrong_types_and_ranges_name_line_and_key(void **state)
{
    struct fixture *f = *state;
    const ProtobufCMessageDescriptor *d = &oms__project_file__descriptor;

    refused(f, PROJECT "full:\n  workers: many\n", d,
            "p.yaml:7: full.workers: expected a whole number, got 'many'");
    refused(f, PROJECT "full:\n  workers: 1.5\n", d, "full.workers: expected a whole number");
    refused(f, PROJECT "full:\n  workers: '1'\n", d, "got the text '1'");
    refused(f, PROJECT "full:\n  workers: 65\n", d, "p.yaml:7: full.workers: 65 is more than 64");
    refused(f, PROJECT "full:\n  workers: 0\n", d, "0 is less than 1");
    refused(f, PROJECT "full:\n  workers: -1\n", d, "full.workers: -1 is out of range");
    refused(f, PROJECT "full:\n  chunk_target_ms: 10\n", d, "10 is less than 50 ms");
    refused(f, PROJECT "full:\n  workers: 4294967296\n", d, "out of range");
    refused(f, PROJECT "full:\n  max_rows_per_second: 18446744073709551616\n", d, "out of range");
    refused(f, PROJECT "verification:\n  enabled: 1\n", d, "expected true or false");
    refused(f, PROJECT "full: 3\n", d, "full: expected a group of keys, got one value");
    refused(f, PROJECT "skip_checks: a\n", d, "skip_checks: expected a list");
    refused(f, PROJECT "skip_checks: [[a]]\n", d, "skip_checks[1]: expected one value, got a list");
    refused(f, "name: [a]\n", d, "p.yaml:1: name: expected one value");
    refused(f, "- a\n", d, "p.yaml:1: expected a group of keys, got a list");
    refused(f, "name: a\nkind: oracle\nuser: x\n", &oms__data_source_file__descriptor,
            "p.yaml:2: kind: 'oracle' is not one of mariadb, mysql");
}

static void missing_needed_keys_are_named(void **state)
{
    struct fixture *f = *state;
    const ProtobufCMessageDescriptor *d = &oms__project_file__descriptor;

    refused(f, "source: b\n", d, "p.yaml:1: needed key 'name' is missing");
    refused(f, "", d, "needed key 'name' is missing");
    refused(f, "name: ''\n", d, "needed key 'name' is empty");
    refused(f, "name: a\nsource: b\ntarget: c\nobjects:\n  rename:\n    - from: x\n", d,
            "p.yaml:6: objects.rename[1]: needed key 'to' is missing");
    refused(f, "name: a\nsource: b\ntarget: c\nobjects: {include: []}\n", d,
            "needed key 'include' is missing");
}

static void what_yaml_could_hide_is_refused(void **state)
{
    struct fixture *f = *state;
    const ProtobufCMessageDescriptor *d = &oms__project_file__descriptor;

    refused(f, "name: a\nname: b\n", d, "p.yaml:2: key 'name' is given twice");
    refused(f, "name: &x a\nsource: *x\n", d, "p.yaml:2: aliases");
    refused(f, "name: !!str a\n", d, "tags");
    refused(f, PROJECT "---\nname: b\n", d, "a second document");
    refused(f, "name: \"a\\0b\"\n", d, "NUL");
    refused(f, "name: [a\n", d, "not YAML");
    refused(f, "? [a]\n: b\n", d, "a key must be a plain word");
    refused(f, "name: a\n\tsource: b\n", d, "p.yaml:2");
}

static void deep_nesting_is_refused(void **state)
{
    struct fixture *f = *state;
    char deep[4001];
    ProtobufCMessage *m;

    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    refused(f, deep, &oms__project_file__descriptor, "nested too deeply");
    assert_false(parse_json(f, deep, &oms__project_file__descriptor, &m));
    assert_says(f, "nested too deeply");
}

static void json_is_read_strictly(void **state)
{
    struct fixture *f = *state;
    const ProtobufCMessageDescriptor *d = &oms__step_view__descriptor;
    static const char *const bad[] = {"",
                                      "{",
                                      "{\"name\":}",
                                      "{name:\"a\"}",
                                      "{\"name\":\"a}",
                                      "{\"a\":1,}",
                                      "{\"done\":01}",
                                      "{\"name\":\"\\x\"}",
                                      "{} {}",
                                      "{\"name\":\"\\ud800\"}",
                                      "nul",
                                      "{\"done\" 1}",
                                      "{\"name\":\"\xff\"}",
                                      "{\"done\":1.}",
                                      "{\"done\":\"1\"}",
                                      "{\"name\":1}"};
    Oms__StepView *s;
    ProtobufCMessage *m;

    assert_true(parse_json(f,
                           " {\"name\" : \"a\\u00e9\\ud83d\\ude00\\n\\/\", \"done\":"
                           "18446744073709551615,\n\"rate\":-1.5e3, \"eta_s\":-7, \"unit\":null}",
                           d, &s));
    assert_string_equal(s->name, "a\xc3\xa9\xf0\x9f\x98\x80\n/");
    assert_true(s->done == UINT64_MAX);
    assert_true(s->rate == -1500.0);
    assert_int_equal(s->eta_s, -7);
    assert_null(s->unit);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (parse_json(f, bad[i], d, &m))
            fail_msg("'%s' was taken", bad[i]);
    assert_false(parse_json(f, "{\n\"nam\":1}", d, &m));
    assert_says(f, "p.json:2: unknown key 'nam'; the nearest known key is 'name'");
}

static Oms__ProjectView *rich_view(struct fixture *f)
{
    Oms__ProjectView *v;

    assert_true(parse(f,
                      "name: \"a \\\"b\\\" \\u0007 \\u2028\"\nstate: running\n"
                      "steps: [{name: full, done: 18446744073709551615, rate: 0.1}, {}]\n"
                      "lag_ms: -9223372036854775808\ncaught_up: true\nposition: 'true'\n"
                      "held_ddl: ['', '- x: y', '# no', ' lead', 'a\n\n  b', '*', '1']\n"
                      "error: {code: X, message: 'y: z'}\n"
                      "file: {name: n, source: s, target: t, objects: {include: ['*.*'], rename: "
                      "[{from: a, to: b}, {from: c, to: d}]}, full: {}}\n",
                      &oms__project_view__descriptor, &v));
    return v;
}

static void assert_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t n = protobuf_c_message_get_packed_size(a);
    uint8_t *x = malloc(n + 1), *y = malloc(n + 1);

    assert_int_equal(n, protobuf_c_message_get_packed_size(b));
    protobuf_c_message_pack(a, x);
    protobuf_c_message_pack(b, y);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

static void written_yaml_and_json_read_back_the_same(void **state)
{
    struct fixture *f = *state;
    Oms__ProjectView *v = rich_view(f);
    ProtobufCMessage *again;

    for (unsigned flags = 0; flags <= (PBTEXT_INDENT | PBTEXT_EMPTY); flags++) {
        buf_clear(&f->buf);
        pbtext_format_json(&v->base, flags, &f->buf);
        assert_true(parse_json(f, buf_cstr(&f->buf), v->base.descriptor, &again));
        assert_same(&v->base, again);
        assert_true(parse(f, buf_cstr(&f->buf), v->base.descriptor, &again));
        assert_same(&v->base, again);
    }
    buf_clear(&f->buf);
    pbtext_format_yaml(&v->base, &f->buf);
    if (!parse(f, buf_cstr(&f->buf), v->base.descriptor, &again))
        fail_msg("%s\n%s", f->e.message, buf_cstr(&f->buf));
    assert_same(&v->base, again);
}

static void json_shows_absent_members_when_asked(void **state)
{
    struct fixture *f = *state;
    Oms__ProjectView v = OMS__PROJECT_VIEW__INIT;

    pbtext_format_json(&v.base, 0, &f->buf);
    assert_string_equal(buf_cstr(&f->buf), "{}");
    buf_clear(&f->buf);
    pbtext_format_json(&v.base, PBTEXT_EMPTY, &f->buf);
    assert_non_null(strstr(buf_cstr(&f->buf), "\"lag_ms\":null"));
    assert_non_null(strstr(buf_cstr(&f->buf), "\"steps\":[]"));
    assert_non_null(strstr(buf_cstr(&f->buf), "\"error\":null"));
}

static void secrets_are_never_written(void **state)
{
    struct fixture *f = *state;
    Oms__DataSourceAddRequest r = OMS__DATA_SOURCE_ADD_REQUEST__INIT;

    r.has_password = true;
    r.password = (ProtobufCBinaryData){6, (uint8_t *)"tiger!"};
    pbtext_format_json(&r.base, 0, &f->buf);
    assert_string_equal(buf_cstr(&f->buf), "{\"password\":\"***\"}");
    buf_clear(&f->buf);
    pbtext_format_yaml(&r.base, &f->buf);
    assert_string_equal(buf_cstr(&f->buf), "password: \"***\"\n");
}

static void bytes_travel_as_base64(void **state)
{
    struct fixture *f = *state;
    static const char bytes[] = "\x00\xff\x10h";
    Oms__AskReadReply r = OMS__ASK_READ_REPLY__INIT, *back;
    static const char *const bad[] = {"{\"chunk\":\"A\"}", "{\"chunk\":\"AA=A\"}",
                                      "{\"chunk\":\"====\"}", "{\"chunk\":\"AA*=\"}"};
    ProtobufCMessage *m;

    for (size_t n = 0; n <= 4; n++) {
        r.has_chunk = true;
        r.chunk = (ProtobufCBinaryData){n, (uint8_t *)bytes};
        buf_clear(&f->buf);
        pbtext_format_json(&r.base, 0, &f->buf);
        assert_true(parse_json(f, buf_cstr(&f->buf), r.base.descriptor, &back));
        assert_int_equal(back->chunk.len, n);
        assert_memory_equal(back->chunk.data, bytes, n);
    }
    assert_string_equal(buf_cstr(&f->buf), "{\"chunk\":\"AP8QaA==\"}");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (parse_json(f, bad[i], r.base.descriptor, &m))
            fail_msg("'%s' was taken", bad[i]);
}

static void text_that_is_not_utf8_is_still_written_as_json(void **state)
{
    struct fixture *f = *state;
    Oms__NameRequest r = OMS__NAME_REQUEST__INIT;
    ProtobufCMessage *m;

    r.name = (char *)"a\xff\xc3 \xed\xa0\x80";
    pbtext_format_json(&r.base, 0, &f->buf);
    assert_true(parse_json(f, buf_cstr(&f->buf), r.base.descriptor, &m));
}

static void rules_of_messages_from_elsewhere_are_checked(void **state)
{
    struct fixture *f = *state;
    Oms__ProjectFile *p;

    assert_true(parse(f, PROJECT, &oms__project_file__descriptor, &p));
    assert_true(pbtext_check("", &p->base, &f->e));
    p->full = arena_alloc(&f->arena, sizeof *p->full);
    oms__full_options__init(p->full);
    p->full->has_workers = true;
    p->full->workers = 65;
    assert_false(pbtext_check("project file", &p->base, &f->e));
    assert_string_equal(f->e.message, "project file: full.workers: 65 is more than 64");
    p->full = NULL;
    p->objects->n_include = 0;
    assert_false(pbtext_check("", &p->base, &f->e));
    assert_true(strncmp(f->e.message, "objects: needed key 'include'", 29) == 0);
}

static void every_standard_and_bound_is_sound(void **state)
{
    struct fixture *f = *state;
    static const ProtobufCMessageDescriptor *const types[] = {
        &oms__data_source_file__descriptor,     &oms__full_options__descriptor,
        &oms__incremental_options__descriptor,  &oms__store_options__descriptor,
        &oms__verification_options__descriptor, &oms__cm_config__descriptor,
        &oms__supervisor_config__descriptor};
    unsigned filled = 0;

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        ProtobufCMessage *m = arena_calloc(&f->arena, 1, types[i]->sizeof_message);

        protobuf_c_message_init(types[i], m);
        pbtext_fill_standard(m, &f->arena);
        if (!pbtext_check(types[i]->name, m, &f->e))
            assert_non_null(strstr(f->e.message, "needed key"));
        filled += protobuf_c_message_get_packed_size(m) > 0;
    }
    assert_int_equal(filled, ARRAY_LEN(types));
}

static void standards_fill_only_what_is_absent(void **state)
{
    struct fixture *f = *state;
    Oms__ProjectFile *p;

    assert_true(parse(f, PROJECT "full: {workers: 7}\n", &oms__project_file__descriptor, &p));
    pbtext_fill_standard(&p->base, &f->arena);
    assert_int_equal(p->full->workers, 7);
    assert_true(p->full->has_chunk_target_ms);
    assert_int_equal(p->full->chunk_target_ms, 500);
    assert_null(p->incremental);
}

static void unpacking_keeps_to_the_arenas_limit(void **state)
{
    struct fixture *f = *state;
    CLEANUP(arena_fini) struct arena small;
    Oms__ProjectView *v = rich_view(f);
    size_t n = protobuf_c_message_get_packed_size(&v->base);
    uint8_t *p = arena_alloc(&f->arena, n);
    ProtobufCMessage *m;

    protobuf_c_message_pack(&v->base, p);
    assert_true(pbtext_unpack(v->base.descriptor, p, n, &f->arena, &m, &f->e));
    assert_same(&v->base, m);
    assert_same(&v->base, pbtext_copy(m, &f->arena));
    arena_init(&small, 256);
    assert_false(pbtext_unpack(v->base.descriptor, p, n, &small, &m, &f->e));
    assert_int_equal(f->e.code, ERR_CORRUPT);
    p[0] = 0xff;
    assert_false(pbtext_unpack(v->base.descriptor, p, n, &f->arena, &m, &f->e));
}

static void methods_carry_kind_role_and_time_limit(void **state)
{
    const struct pbtext_method *m = pbtext_method_find("AdminService", "ProjectStart");

    (void)state;
    assert_non_null(m);
    assert_int_equal(m->kind, METHOD_COMMAND);
    assert_int_equal(m->role, ROLE_OPERATOR);
    assert_int_equal(m->timeout_ms, 10000);
    assert_null(pbtext_method_find("AdminService", "Nothing"));
    for (unsigned i = 0; i < oms__admin_service__descriptor.n_methods; i++)
        assert_non_null(
            pbtext_method_find("AdminService", oms__admin_service__descriptor.methods[i].name));
}

static void any_bytes_are_read_or_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const words[] = {
        "name", ":",   " ",    "\n",     "  ",      "- ",      "[",       "]",    "{",  "}",
        ",",    "\"",  "'",    "full",   "objects", "include", "1",       "-",    "&a", "*a",
        "!t",   "|\n", ">",    "#",      "\t",      "\xff",    "\\u",     "true", "e9", "---",
        "%",    "?",   "port", "rename", "x.y",     "null",    "\xc3\xa9"};
    uint32_t seed = 7;

    for (int round = 0; round < 30000; round++) {
        char text[256];
        size_t n = 0;
        ProtobufCMessage *m;

        for (int i = 0; i < 24; i++) {
            const char *w;

            seed = seed * 1664525u + 1013904223u;
            w = words[(seed >> 16) % ARRAY_LEN(words)];
            memcpy(text + n, w, strlen(w));
            n += strlen(w);
        }
        text[n] = '\0';
        if (!parse(f, text, &oms__project_file__descriptor, &m))
            assert_says(f, "p.yaml:");
        if (!parse_json(f, text, &oms__project_file__descriptor, &m))
            assert_says(f, "p.json:");
        arena_reset(&f->arena);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(yaml_becomes_a_message),
        T(an_unknown_key_names_line_and_nearest_key),
        T(wrong_types_and_ranges_name_line_and_key),
        T(missing_needed_keys_are_named),
        T(what_yaml_could_hide_is_refused),
        T(deep_nesting_is_refused),
        T(json_is_read_strictly),
        T(written_yaml_and_json_read_back_the_same),
        T(json_shows_absent_members_when_asked),
        T(secrets_are_never_written),
        T(bytes_travel_as_base64),
        T(text_that_is_not_utf8_is_still_written_as_json),
        T(rules_of_messages_from_elsewhere_are_checked),
        T(every_standard_and_bound_is_sound),
        T(standards_fill_only_what_is_absent),
        T(unpacking_keeps_to_the_arenas_limit),
        T(methods_carry_kind_role_and_time_limit),
        T(any_bytes_are_read_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
