/* What the files of this folder share: the tree of a text, places, rules, scalars. */
#ifndef OMS_COMMON_PBTEXT_PBTEXT_PRIV_H
#define OMS_COMMON_PBTEXT_PBTEXT_PRIV_H

#include <stdint.h>

#include "common/pbtext/pbtext.h"

#define PBTEXT_DEPTH_MAX 64 /* nesting of a text: foreign input must not use up the stack */

/* A text as a tree; YAML and JSON give the same one. All memory in the reader's arena. */
enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };
struct node {
    enum node_kind kind;
    bool quoted; /* a scalar that is text whatever it looks like */
    bool strict; /* from JSON: text is always quoted */
    unsigned line, n_children;
    const char *text; /* NODE_SCALAR: len bytes, valid UTF-8, NUL-terminated */
    size_t len;
    const char *key; /* in a map: this child's key */
    struct node *first, *next;
};
bool node_read_yaml(const char *file, const char *text, size_t len, struct arena *arena,
                    const struct node **out, struct err *e) MUST_CHECK;
bool node_read_json(const char *file, const char *text, size_t len, struct arena *arena,
                    const struct node **out, struct err *e) MUST_CHECK;
bool node_is_null(const struct node *n);

/* Where in a message we are; written out only when an error names it. */
struct place {
    const struct place *up;
    const char *name; /* NULL: the message itself */
    int index;        /* of a list's entry; -1 = none */
};
/* "objects.rename[1].from" in out; "" at the top. */
const char *place_format(const struct place *p, char *out, size_t cap);

/* Length of the UTF-8 sequence at p (1..4), or 0 where the bytes are not UTF-8. */
size_t utf8_len(const unsigned char *p, size_t n);
uint32_t utf8_decode(const unsigned char *p, size_t len);
bool utf8_is_valid(const char *p, size_t n);

const struct pbtext_rule *rule_find(const char *message, const char *field); /* NULL: no rule */
/* Bounds and choices of one value (not of a message). The message lacks the place. */
bool rule_check_value(const struct pbtext_rule *r, const ProtobufCFieldDescriptor *f,
                      const void *value, struct err *e) MUST_CHECK;
/* Needed fields that are absent. The message lacks the place. */
bool rule_check_needed(const ProtobufCMessage *m, struct err *e) MUST_CHECK;

/* Access to members by descriptor. */
void *member_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
size_t *member_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
bool member_is_present(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
void member_set_present(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);
size_t element_size(ProtobufCType type);

/* Text of a scalar to the member at out (memory in arena). The message lacks the place. */
bool scalar_parse(const ProtobufCFieldDescriptor *f, const struct node *n, struct arena *arena,
                  void *out, struct err *e) MUST_CHECK;
/* A scalar as JSON, which is YAML too. */
void scalar_format(const ProtobufCFieldDescriptor *f, const void *value, struct buf *out);
void text_format_quoted(const char *p, size_t n, struct buf *out);
/* Plain where YAML reads the same text back, else quoted. */
void text_format_yaml(const char *s, struct buf *out);

#endif
