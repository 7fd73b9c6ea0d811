/* Copies of messages (message.h). */
#include "cm/core/message.h"

#include <stdlib.h>

#include "common/base/must.h"

static void *arena_take(void *arg, size_t n)
{
    return arena_alloc(arg, n > 0 ? n : 1);
}

static void arena_keep(void *arg, void *p)
{
    (void)arg;
    (void)p;
}

ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *type, const void *p, size_t n,
                                 struct arena *arena)
{
    ProtobufCAllocator a = {.alloc = arena_take, .free = arena_keep, .allocator_data = arena};

    return protobuf_c_message_unpack(type, &a, n, p);
}

void *message_pack(const ProtobufCMessage *m, struct arena *arena, size_t *len)
{
    void *p = arena_alloc(arena, protobuf_c_message_get_packed_size(m) + 1);

    *len = protobuf_c_message_pack(m, p);
    return p;
}

ProtobufCMessage *message_copy(const ProtobufCMessage *m, struct arena *arena)
{
    size_t n;
    void *p = message_pack(m, arena, &n);
    ProtobufCMessage *copy = message_unpack(m->descriptor, p, n, arena);

    must(copy);
    return copy;
}

void kept_set(struct kept *k, const ProtobufCMessage *m)
{
    struct kept fresh = {0};

    if (m) {
        fresh.arena = must_calloc(1, sizeof *fresh.arena);
        arena_init(fresh.arena, 0);
        fresh.m = message_copy(m, fresh.arena);
    }
    kept_fini(k);
    *k = fresh;
}

void kept_fini(struct kept *k)
{
    if (k->arena)
        arena_fini(k->arena);
    free(k->arena);
    *k = (struct kept){0};
}
