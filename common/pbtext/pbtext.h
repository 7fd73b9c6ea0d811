/*
 * Protobuf messages and their text forms: YAML and JSON in, YAML, JSON and tables out, walking
 * protobuf-c's descriptors. Rules (min, max, choices, needed, unit, standard, secret) come from the
 * plugin's generated table. Errors name file, line, key and, for an unknown key, the nearest known
 * one. Thread: any.
 */
#ifndef OMS_COMMON_PBTEXT_PBTEXT_H
#define OMS_COMMON_PBTEXT_PBTEXT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/* Parses YAML (JSON is YAML too) into a message in arena and checks its rules. `file` is for
 * errors. */
bool pbtext_parse_yaml(const char *file, const char *text, size_t len,
                       const ProtobufCMessageDescriptor *type, struct arena *arena,
                       ProtobufCMessage **out, struct err *e) MUST_CHECK;
bool pbtext_parse_json(const char *file, const char *text, size_t len,
                       const ProtobufCMessageDescriptor *type, struct arena *arena,
                       ProtobufCMessage **out, struct err *e) MUST_CHECK;
/* The line on which `place` ("objects.include[1]", entries counted from 1) stands in a file that
 * was parsed before; of its nearest group where it is not written; 0 = not YAML. */
unsigned pbtext_line_of(const char *text, size_t len, const char *place, struct arena *arena);
/* Checks the rules of a message that came another way (RPC). where: prefix of places in errors. */
bool pbtext_check(const char *where, const ProtobufCMessage *m, struct err *e) MUST_CHECK;
/* Fields of m's present submessages may be set only where their rule says that they change while a
 * project runs; the first that does not is named, with those that do. */
bool pbtext_check_live(const ProtobufCMessage *m, struct err *e) MUST_CHECK;
/* "section.field", of the submessages of `type`, comma separated: what changes while it runs. */
void pbtext_live_list(const ProtobufCMessageDescriptor *type, struct buf *out);
/* Puts each absent scalar field's standard value in (recursively into present submessages). */
void pbtext_fill_standard(ProtobufCMessage *m, struct arena *arena);

enum {
    PBTEXT_INDENT = 1, /* JSON over several lines */
    PBTEXT_EMPTY = 2   /* write empty lists and absent scalars (null) too */
};
/* Secrets are written as "***". */
void pbtext_format_json(const ProtobufCMessage *m, unsigned flags, struct buf *out);
void pbtext_format_yaml(const ProtobufCMessage *m, struct buf *out);
/* Text in quotes with JSON's escapes. */
void pbtext_format_string(const char *s, struct buf *out);
/* A commented example file of the message, from the fields' doc, example and standard. */
void pbtext_format_example(const ProtobufCMessageDescriptor *type, struct buf *out);

/* Edits (insert, delete, replace; two for a swap of neighbours) between short names: for guessing
 * what was meant. */
size_t pbtext_distance(const char *a, const char *b);

/* Unpacks with all memory in arena. False: not this message. */
bool pbtext_unpack(const ProtobufCMessageDescriptor *type, const void *p, size_t n,
                   struct arena *arena, ProtobufCMessage **out, struct err *e) MUST_CHECK;
ProtobufCAllocator pbtext_allocator(struct arena *arena);
/* Deep copy into arena. */
ProtobufCMessage *pbtext_copy(const ProtobufCMessage *m, struct arena *arena);

/* Aligned tables for people: UTF-8 display width, cells cut to the terminal when width_max > 0. */
struct pbtext_table;
struct pbtext_table *pbtext_table_new(const char *const *headings, size_t n_columns);
void pbtext_table_row(struct pbtext_table *t, const char *const *cells);
void pbtext_table_write(struct pbtext_table *t, size_t width_max, struct buf *out);
void pbtext_table_free(struct pbtext_table *t);

/* One rule row of the generated table (proto/plugin). */
struct pbtext_rule {
    const char *message, *field; /* "oms.ProjectFile", "name" */
    const char *doc, *unit, *example, *standard, *choices;
    bool has_min, has_max, live, needed, secret;
    long long min, max;
};
extern const struct pbtext_rule pbtext_rules[];
extern const unsigned pbtext_n_rules;
struct pbtext_about { /* message option `about` */
    const char *message, *about;
};
extern const struct pbtext_about pbtext_abouts[];
extern const unsigned pbtext_n_abouts;
enum pbtext_method_kind { METHOD_READ, METHOD_GOAL, METHOD_COMMAND };
enum pbtext_role { ROLE_ANY, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN, ROLE_HOST, ROLE_COMPONENT };
struct pbtext_method {            /* method options */
    const char *service, *method; /* "AdminService", "ProjectStart" */
    enum pbtext_method_kind kind;
    enum pbtext_role role;
    unsigned timeout_ms;
};
extern const struct pbtext_method pbtext_methods[];
extern const unsigned pbtext_n_methods;
const struct pbtext_method *pbtext_method_find(const char *service, const char *method);

#endif
