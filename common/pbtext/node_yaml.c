/*
 * YAML to a tree, by libyaml's events. One document; no aliases (a few lines could grow without
 * bound) and no tags. Every error names file and line. Thread: any.
 */
#include <string.h>
#include <yaml.h>

#include "common/base/must.h"
#include "common/pbtext/pbtext_priv.h"

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool have_event;
    const char *file;
    struct arena *arena;
    struct err *e;
};

static void reader_fini(struct reader *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
}

static unsigned line_of(const struct reader *r)
{
    return (unsigned)r->event.start_mark.line + 1;
}

static bool refuse(struct reader *r, const char *what)
{
    return err_set(r->e, ERR_INVALID, "%s:%u: %s", r->file, line_of(r), what);
}

/* The next event replaces the last one. */
static bool advance(struct reader *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    r->have_event = false;
    if (!yaml_parser_parse(&r->parser, &r->event))
        return err_set(r->e, ERR_INVALID, "%s:%zu: not YAML: %s", r->file,
                       (size_t)r->parser.problem_mark.line + 1,
                       r->parser.problem ? r->parser.problem : "cannot be read");
    r->have_event = true;
    return true;
}

static bool read_node(struct reader *r, unsigned depth, struct node **out);

static bool read_scalar(struct reader *r, struct node *n)
{
    n->text = arena_strndup(r->arena, (const char *)r->event.data.scalar.value,
                            r->event.data.scalar.length);
    n->len = r->event.data.scalar.length;
    n->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return true;
}

static bool read_list(struct reader *r, unsigned depth, struct node *n)
{
    struct node **tail = &n->first;

    n->kind = NODE_LIST;
    for (;;) {
        if (!advance(r))
            return false;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return true;
        if (!read_node(r, depth + 1, tail))
            return false;
        tail = &(*tail)->next;
        n->n_children++;
    }
}

static bool read_map(struct reader *r, unsigned depth, struct node *n)
{
    struct node **tail = &n->first;

    n->kind = NODE_MAP;
    for (;;) {
        const char *key;
        unsigned line;

        if (!advance(r))
            return false;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            return true;
        if (r->event.type != YAML_SCALAR_EVENT)
            return refuse(r, "a key must be a plain word");
        line = line_of(r);
        key = arena_strndup(r->arena, (const char *)r->event.data.scalar.value,
                            r->event.data.scalar.length);
        if (!advance(r) || !read_node(r, depth + 1, tail))
            return false;
        (*tail)->key = key;
        (*tail)->line = line;
        tail = &(*tail)->next;
        n->n_children++;
    }
}

/* The node that begins with the present event. */
static bool read_node(struct reader *r, unsigned depth, struct node **out)
{
    struct node *n = arena_calloc(r->arena, 1, sizeof *n);
    const yaml_char_t *tag = NULL;

    n->line = line_of(r);
    *out = n;
    if (depth > PBTEXT_DEPTH_MAX)
        return refuse(r, "nested too deeply");
    if (r->event.type == YAML_SCALAR_EVENT)
        tag = r->event.data.scalar.tag;
    else if (r->event.type == YAML_SEQUENCE_START_EVENT)
        tag = r->event.data.sequence_start.tag;
    else if (r->event.type == YAML_MAPPING_START_EVENT)
        tag = r->event.data.mapping_start.tag;
    if (tag)
        return refuse(r, "tags ('!...') are not supported; quote the text");
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, n);
    case YAML_SEQUENCE_START_EVENT:
        return read_list(r, depth, n);
    case YAML_MAPPING_START_EVENT:
        return read_map(r, depth, n);
    default:
        return refuse(r, "aliases ('*name') are not supported; quote text that begins with '*'");
    }
}

bool node_read_yaml(const char *file, const char *text, size_t len, struct arena *arena,
                    const struct node **out, struct err *e)
{
    CLEANUP(reader_fini) struct reader r = {.file = file, .arena = arena, .e = e};
    struct node *top = arena_calloc(arena, 1, sizeof *top);

    must(yaml_parser_initialize(&r.parser) == 1);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text ? text : ""), len);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    *top = (struct node){.kind = NODE_MAP, .line = 1};
    if (!advance(&r) || !advance(&r))
        return false;
    if (r.event.type == YAML_DOCUMENT_START_EVENT) {
        if (!advance(&r) || !read_node(&r, 0, &top) || !advance(&r) || !advance(&r))
            return false;
        if (r.event.type != YAML_STREAM_END_EVENT)
            return refuse(&r, "a second document begins; one is expected");
    }
    *out = top;
    return true;
}
