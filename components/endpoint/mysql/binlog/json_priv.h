/* Nodes of a document in the binary form; shared by json*.c. Every read is checked against the end
 * of the value that encloses it. */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_JSON_PRIV_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_BINLOG_JSON_PRIV_H

#include "components/endpoint/mysql/binlog/json.h"

#define JSON_DEPTH_MAX 100 /* the server's own limit */

enum json_type {
    JSON_SMALL_OBJECT = 0,
    JSON_LARGE_OBJECT = 1,
    JSON_SMALL_ARRAY = 2,
    JSON_LARGE_ARRAY = 3,
    JSON_LITERAL = 4,
    JSON_INT16 = 5,
    JSON_UINT16 = 6,
    JSON_INT32 = 7,
    JSON_UINT32 = 8,
    JSON_INT64 = 9,
    JSON_UINT64 = 10,
    JSON_DOUBLE = 11,
    JSON_STRING = 12,
    JSON_OPAQUE = 15,
};

struct json_node {
    uint8_t type;
    struct view bytes; /* from the value's first byte on; may reach beyond it */
};
struct json_items { /* of an object or array */
    bool is_object, is_large;
    uint32_t n;
    struct view all; /* offsets count from its first byte */
};

bool json_root(struct view binary, struct json_node *n);
static inline bool json_is_container(const struct json_node *n)
{
    return n->type <= JSON_LARGE_ARRAY;
}
bool json_items_of(const struct json_node *n, struct json_items *it);
/* i < it->n; the key only of objects. */
bool json_item(const struct json_items *it, uint32_t i, struct view *key, struct json_node *value);

void json_put_string(struct view v, struct buf *out);
bool json_put_scalar(const struct json_node *n, struct buf *out);
/* Any node. */
bool json_put_node(const struct json_node *n, unsigned depth, struct buf *out);
/* A double's text. False: not a number that JSON has. */
bool json_put_double(double d, struct buf *out);

#endif
