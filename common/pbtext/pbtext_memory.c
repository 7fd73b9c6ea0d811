/* Messages and arenas: unpacking, copying, standard values. Thread: any. */
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/pbtext/pbtext_priv.h"

static void *arena_allocate(void *arena, size_t size)
{
    struct err e = ERR_INIT;
    void *p;

    return arena_try_alloc(arena, size, &p, &e) ? p : NULL; /* NULL: unpacking fails as a whole */
}

static void arena_release(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

ProtobufCAllocator pbtext_allocator(struct arena *arena)
{
    return (ProtobufCAllocator){arena_allocate, arena_release, arena};
}

bool pbtext_unpack(const ProtobufCMessageDescriptor *type, const void *p, size_t n,
                   struct arena *arena, ProtobufCMessage **out, struct err *e)
{
    ProtobufCAllocator allocator = pbtext_allocator(arena);
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &allocator, n, n ? p : (const void *)"");

    if (!m)
        return err_set(e, ERR_CORRUPT, "%zu bytes are not a message '%s', or it is too large", n,
                       type->name);
    *out = m;
    return true;
}

ProtobufCMessage *pbtext_copy(const ProtobufCMessage *m, struct arena *arena)
{
    ProtobufCAllocator allocator = pbtext_allocator(arena);
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *packed = must_alloc(n + 1);
    ProtobufCMessage *copy;

    protobuf_c_message_pack(m, packed);
    copy = protobuf_c_message_unpack(m->descriptor, &allocator, n, packed);
    free(packed);
    must(copy);
    return copy;
}

static void fill_field(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct arena *arena)
{
    const struct pbtext_rule *r = rule_find(m->descriptor->name, f->name);
    struct err e = ERR_INIT;
    struct node n = {.kind = NODE_SCALAR};

    if (!r || !r->standard)
        return;
    n.text = r->standard;
    n.len = strlen(n.text);
    must(scalar_parse(f, &n, arena, member_of(m, f), &e)); /* a test tries every standard */
    member_set_present(m, f);
}

void pbtext_fill_standard(ProtobufCMessage *m, struct arena *arena)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        bool present = member_is_present(m, f);

        if (f->type == PROTOBUF_C_TYPE_MESSAGE && f->label == PROTOBUF_C_LABEL_REPEATED)
            for (size_t k = 0; k < *member_count(m, f); k++)
                pbtext_fill_standard((*(ProtobufCMessage ***)member_of(m, f))[k], arena);
        else if (f->type == PROTOBUF_C_TYPE_MESSAGE && present)
            pbtext_fill_standard(*(ProtobufCMessage **)member_of(m, f), arena);
        else if (f->label != PROTOBUF_C_LABEL_REPEATED && f->type != PROTOBUF_C_TYPE_MESSAGE &&
                 !present)
            fill_field(m, f, arena);
    }
}
