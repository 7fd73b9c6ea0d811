/* Frames of remote calls. See frame.h. */
#include "common/rpc/frame.h"

#include <string.h>

static void *arena_allocate(void *arena, size_t n)
{
    struct err ignored = ERR_INIT;
    void *p;

    return arena_try_alloc(arena, n, &p, &ignored) ? p
                                                   : NULL; /* NULL: unpack fails, as it should */
}

static void arena_release(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

bool frame_unpack(const ProtobufCMessageDescriptor *type, const void *p, size_t n,
                  struct arena *arena, ProtobufCMessage **out, struct err *e)
{
    ProtobufCAllocator a = {
        .alloc = arena_allocate, .free = arena_release, .allocator_data = arena};

    *out = protobuf_c_message_unpack(type, &a, n, p);
    if (!*out)
        return err_set(e, ERR_CORRUPT, "%zu bytes are not a message of type '%s'", n, type->name);
    return true;
}

bool frame_put(nng_msg *msg, const ProtobufCMessage *head, const ProtobufCMessage *payload,
               size_t max_bytes, struct err *e)
{
    uint32_t head_len = (uint32_t)protobuf_c_message_get_packed_size(head);
    size_t payload_len = payload ? protobuf_c_message_get_packed_size(payload) : 0;
    uint8_t *body;

    if (4 + head_len + payload_len > max_bytes)
        return err_set(e, ERR_LIMIT, "a message of %zu bytes is larger than %zu", payload_len,
                       max_bytes);
    nng_msg_clear(msg);
    if (nng_msg_realloc(msg, 4 + head_len + payload_len) != 0)
        return err_set(e, ERR_LIMIT, "no memory for a message of %zu bytes", payload_len);
    body = nng_msg_body(msg);
    memcpy(body, &head_len, 4);
    protobuf_c_message_pack(head, body + 4);
    if (payload)
        protobuf_c_message_pack(payload, body + 4 + head_len);
    return true;
}

bool frame_get(const void *bytes, size_t n, const ProtobufCMessageDescriptor *head_type,
               struct arena *arena, ProtobufCMessage **head, const uint8_t **payload,
               size_t *payload_len, struct err *e)
{
    const uint8_t *p = bytes;
    uint32_t head_len;

    if (n < 4)
        return err_set(e, ERR_CORRUPT, "a message of %zu bytes has no head", n);
    memcpy(&head_len, p, 4);
    if (head_len > n - 4)
        return err_set(e, ERR_CORRUPT, "a message of %zu bytes says its head has %u", n, head_len);
    *payload = p + 4 + head_len;
    *payload_len = n - 4 - head_len;
    return frame_unpack(head_type, p + 4, head_len, arena, head, e);
}
