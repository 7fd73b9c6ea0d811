/* Protobuf messages that the cluster keeps: private copies, replaced as a whole. Pure. */
#ifndef OMS_CM_CORE_MESSAGE_H
#define OMS_CM_CORE_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "common/base/arena.h"

/* Deep copy into arena. */
ProtobufCMessage *message_copy(const ProtobufCMessage *m, struct arena *arena);
/* NULL: the bytes are not this message. */
ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *type, const void *p, size_t n,
                                 struct arena *arena);
void *message_pack(const ProtobufCMessage *m, struct arena *arena, size_t *len);

struct kept { /* one owned message; zero = none */
    struct arena *arena;
    ProtobufCMessage *m;
};
void kept_set(struct kept *k, const ProtobufCMessage *m); /* m may be inside k; NULL empties */
void kept_fini(struct kept *k);

#endif
