/*
 * Messages as JSON and YAML, and the commented example file of a message. Secrets become "***".
 * Thread: any.
 */
#include <string.h>

#include "common/pbtext/pbtext_priv.h"

struct writer {
    struct buf *out;
    unsigned flags;
    unsigned depth;
};

static bool is_secret(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f)
{
    const struct pbtext_rule *r = rule_find(d->name, f->name);

    return r && r->secret;
}

static void indent(struct buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        buf_str(out, "  ");
}

static void new_line(struct writer *w)
{
    if (!(w->flags & PBTEXT_INDENT))
        return;
    buf_u8(w->out, '\n');
    indent(w->out, w->depth);
}

static void json_message(struct writer *w, const ProtobufCMessage *m);

static void json_element(struct writer *w, const ProtobufCMessageDescriptor *d,
                         const ProtobufCFieldDescriptor *f, const void *value)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        json_message(w, *(ProtobufCMessage *const *)value);
    else if (is_secret(d, f))
        buf_str(w->out, "\"***\"");
    else
        scalar_format(f, value, w->out);
}

static void json_list(struct writer *w, const ProtobufCMessage *m,
                      const ProtobufCFieldDescriptor *f)
{
    const char *items = *(const char *const *)member_of(m, f);
    size_t n = *member_count(m, f);

    buf_u8(w->out, '[');
    w->depth++;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_u8(w->out, ',');
        new_line(w);
        json_element(w, m->descriptor, f, items + i * element_size(f->type));
    }
    w->depth--;
    if (n > 0)
        new_line(w);
    buf_u8(w->out, ']');
}

static void json_message(struct writer *w, const ProtobufCMessage *m)
{
    bool first = true;

    buf_u8(w->out, '{');
    w->depth++;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        bool present = member_is_present(m, f);

        if (!present && !(w->flags & PBTEXT_EMPTY))
            continue;
        if (!first)
            buf_u8(w->out, ',');
        first = false;
        new_line(w);
        text_format_quoted(f->name, strlen(f->name), w->out);
        buf_str(w->out, w->flags & PBTEXT_INDENT ? ": " : ":");
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            json_list(w, m, f);
        else if (present)
            json_element(w, m->descriptor, f, member_of(m, f));
        else
            buf_str(w->out, "null");
    }
    w->depth--;
    if (!first)
        new_line(w);
    buf_u8(w->out, '}');
}

void pbtext_format_json(const ProtobufCMessage *m, unsigned flags, struct buf *out)
{
    struct writer w = {out, flags, 0};

    json_message(&w, m);
    if (flags & PBTEXT_INDENT)
        buf_u8(out, '\n');
}

static bool message_is_empty(const ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++)
        if (member_is_present(m, &m->descriptor->fields[i]))
            return false;
    return true;
}

/* hang: the first line continues after "- ". */
static void yaml_message(struct buf *out, unsigned depth, bool hang, const ProtobufCMessage *m);

static void yaml_scalar(struct buf *out, const ProtobufCMessageDescriptor *d,
                        const ProtobufCFieldDescriptor *f, const void *value)
{
    if (is_secret(d, f))
        buf_str(out, "\"***\"");
    else if (f->type == PROTOBUF_C_TYPE_STRING)
        text_format_yaml(*(char *const *)value, out);
    else
        scalar_format(f, value, out);
    buf_u8(out, '\n');
}

static void yaml_field(struct buf *out, unsigned depth, const ProtobufCMessage *m,
                       const ProtobufCFieldDescriptor *f)
{
    const ProtobufCMessage *sub;
    const char *items;

    buf_printf(out, "%s:", f->name);
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        items = *(const char *const *)member_of(m, f);
        buf_u8(out, '\n');
        for (size_t i = 0; i < *member_count(m, f); i++) {
            const void *value = items + i * element_size(f->type);

            indent(out, depth + 1);
            buf_str(out, "- ");
            if (f->type == PROTOBUF_C_TYPE_MESSAGE)
                yaml_message(out, depth + 2, true, *(ProtobufCMessage *const *)value);
            else
                yaml_scalar(out, m->descriptor, f, value);
        }
        return;
    }
    if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
        buf_u8(out, ' ');
        yaml_scalar(out, m->descriptor, f, member_of(m, f));
        return;
    }
    sub = *(ProtobufCMessage *const *)member_of(m, f);
    buf_u8(out, message_is_empty(sub) ? ' ' : '\n');
    yaml_message(out, depth + 1, false, sub);
}

static void yaml_message(struct buf *out, unsigned depth, bool hang, const ProtobufCMessage *m)
{
    if (message_is_empty(m)) {
        buf_str(out, "{}\n");
        return;
    }
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];

        if (!member_is_present(m, f))
            continue;
        if (!hang)
            indent(out, depth);
        hang = false;
        yaml_field(out, depth, m, f);
    }
}

void pbtext_format_yaml(const ProtobufCMessage *m, struct buf *out)
{
    yaml_message(out, 0, false, m);
}

/* --- examples ------------------------------------------------------------------------------- */

static void example_head(struct buf *out, const char *lead, const struct pbtext_rule *r)
{
    if (!r || !r->doc)
        return;
    buf_printf(out, "%s# %s", lead, r->doc);
    if (r->choices)
        buf_printf(out, " One of: %s.", r->choices);
    if (r->has_min && r->has_max)
        buf_printf(out, " %lld to %lld", r->min, r->max);
    else if (r->has_min)
        buf_printf(out, " At least %lld", r->min);
    if (r->has_min || r->has_max)
        buf_printf(out, "%s%s.", r->unit ? " " : "", r->unit ? r->unit : "");
    else if (r->unit)
        buf_printf(out, " In %s.", r->unit);
    buf_u8(out, '\n');
}

static const char *example_value(const ProtobufCFieldDescriptor *f, const struct pbtext_rule *r)
{
    if (r && r->example)
        return r->example;
    if (r && r->standard)
        return r->standard;
    if (f->type == PROTOBUF_C_TYPE_BOOL)
        return "false";
    return f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_BYTES ? "..." : "0";
}

static void example_scalar(struct buf *out, const ProtobufCFieldDescriptor *f,
                           const struct pbtext_rule *r)
{
    if (f->type == PROTOBUF_C_TYPE_STRING)
        text_format_yaml(example_value(f, r), out);
    else
        buf_str(out, example_value(f, r));
    buf_u8(out, '\n');
}

/* Within a part that is commented out, what has no standard stays a comment when the part is taken:
 * its examples would be settings, and several may exclude each other. */
static bool is_apart(const struct pbtext_rule *r, bool live)
{
    return !live && !(r && (r->standard || r->needed));
}

/* lead: what each line begins with (spaces, and "# " within a part that is commented out). */
static void example_message(struct buf *out, const char *lead, const char *first,
                            const ProtobufCMessageDescriptor *d, bool live, struct arena *arena)
{
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        const struct pbtext_rule *r = rule_find(d->name, f->name);
        bool here = live && r && (r->needed || r->example);
        const char *line =
            (live && !here) || is_apart(r, live) ? arena_printf(arena, "%s# ", lead) : lead;
        const char *deeper = arena_printf(arena, "%s  ", line);

        if (first && i > 0)
            first = NULL;
        else if (!first)
            example_head(out, lead, r);
        buf_printf(out, "%s%s:", first ? first : line, f->name);
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            buf_u8(out, '\n');
            if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
                example_message(out, arena_printf(arena, "%s    ", line),
                                arena_printf(arena, "%s  - ", line), f->descriptor, false, arena);
            } else {
                buf_printf(out, "%s- ", deeper);
                example_scalar(out, f, r);
            }
        } else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
            buf_u8(out, '\n');
            example_message(out, deeper, NULL, f->descriptor, here, arena);
        } else {
            buf_u8(out, ' ');
            example_scalar(out, f, r);
        }
    }
}

void pbtext_format_example(const ProtobufCMessageDescriptor *type, struct buf *out)
{
    CLEANUP(arena_fini) struct arena arena;

    arena_init(&arena, 0);
    for (unsigned i = 0; i < pbtext_n_abouts; i++)
        if (strcmp(pbtext_abouts[i].message, type->name) == 0)
            buf_printf(out,
                       "# %s\n# Lines that begin with '# ' and a key show other settings; "
                       "take the '# ' away to use them.\n",
                       pbtext_abouts[i].about);
    example_message(out, "", NULL, type, true, &arena);
}
