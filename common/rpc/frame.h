/* An RPC message's body: u32 LE head length, head (proto/rpc.proto), payload. Private to
 * common/rpc. */
#ifndef OMS_COMMON_RPC_FRAME_H
#define OMS_COMMON_RPC_FRAME_H

#include <nng/nng.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/err.h"

#define RPC_PROTOCOL 1

/* Makes a message's body of head and payload (NULL: none); ERR_LIMIT beyond max_bytes. The peer has
 * the same limit and drops the connection of who passes it, so nobody may try. */
bool frame_put(nng_msg *msg, const ProtobufCMessage *head, const ProtobufCMessage *payload,
               size_t max_bytes, struct err *e) MUST_CHECK;
/* Unpacks the head into arena; *payload points into the bytes. */
bool frame_get(const void *bytes, size_t n, const ProtobufCMessageDescriptor *head_type,
               struct arena *arena, ProtobufCMessage **head, const uint8_t **payload,
               size_t *payload_len, struct err *e) MUST_CHECK;
/* Unpacks with all memory in arena, whose limit bounds what a peer can make us allocate. */
bool frame_unpack(const ProtobufCMessageDescriptor *type, const void *p, size_t n,
                  struct arena *arena, ProtobufCMessage **out, struct err *e) MUST_CHECK;

#endif
