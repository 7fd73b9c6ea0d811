/* Files people write: any bytes are read or refused with the file named, and what was read can be
 * written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/pbtext/pbtext.h"
#include "common/scope/scope.h"
#include "proto/files.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(const ProtobufCMessage *m, struct arena *arena)
{
    struct err e = ERR_INIT;
    ProtobufCMessage *again;
    struct buf text;

    buf_init(&text, 16u << 20);
    pbtext_format_json(m, PBTEXT_INDENT | PBTEXT_EMPTY, &text);
    must(pbtext_parse_json("f", (const char *)text.p, text.len, m->descriptor, arena, &again, &e));
    must(protobuf_c_message_get_packed_size(again) == protobuf_c_message_get_packed_size(m));
    buf_clear(&text);
    pbtext_format_yaml(m, &text);
    must(pbtext_parse_yaml("f", (const char *)text.p, text.len, m->descriptor, arena, &again, &e));
    must(protobuf_c_message_get_packed_size(again) == protobuf_c_message_get_packed_size(m));
    buf_fini(&text);
}

static void compile_scope(const Oms__ObjectScope *o, struct arena *arena)
{
    struct scope_source src = {(const char *const *)o->include,
                               o->n_include,
                               (const char *const *)o->exclude,
                               o->n_exclude,
                               NULL,
                               0};
    struct err e = ERR_INIT;
    const struct scope *s;

    if (scope_compile(&src, arena, &s, &e))
        (void)scope_has(s, o->include[0], o->include[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct arena arena;
    struct err e = ERR_INIT;
    ProtobufCMessage *m;

    arena_init(&arena, 0);
    if (pbtext_parse_yaml("f", text, size, &oms__project_file__descriptor, &arena, &m, &e)) {
        write_and_read(m, &arena);
        compile_scope(((Oms__ProjectFile *)m)->objects, &arena);
    } else {
        must(strncmp(e.message, "f:", 2) == 0);
    }
    if (pbtext_parse_json("f", text, size, &oms__project_file__descriptor, &arena, &m, &e))
        write_and_read(m, &arena);
    arena_fini(&arena);
    return 0;
}
