/*
 * A text's tree to a message: keys are looked up in the descriptor, values converted, rules
 * checked where their line is still known. Thread: any.
 */
#include <stdlib.h>
#include <string.h>

#include "common/pbtext/pbtext_priv.h"

struct walk {
    const char *file;
    struct arena *arena;
    struct err *e;
};

#define NAME_MAX_COMPARED 63

size_t pbtext_distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_COMPARED + 1], n = strlen(b), m = strlen(a);

    if (n > NAME_MAX_COMPARED || m > NAME_MAX_COMPARED)
        return n + m;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[n];
}

static const char *nearest_name(const ProtobufCMessageDescriptor *d, const char *key)
{
    const char *best = NULL;
    size_t least = 0;

    for (unsigned i = 0; i < d->n_fields; i++) {
        size_t n = pbtext_distance(key, d->fields[i].name);

        if (!best || n < least) {
            best = d->fields[i].name;
            least = n;
        }
    }
    return best;
}

/* Puts file, line and place before the error; always false. */
static bool at_line(struct walk *w, unsigned line, const struct place *p)
{
    char place[256];

    if (*place_format(p, place, sizeof place))
        err_wrap(w->e, "%s", place);
    return err_wrap(w->e, "%s:%u", w->file, line);
}

static bool unknown_key(struct walk *w, const struct node *n, const ProtobufCMessageDescriptor *d,
                        const struct place *p)
{
    const char *near = nearest_name(d, n->key);
    char place[256];

    place_format(p, place, sizeof place);
    if (!near)
        return err_set(w->e, ERR_INVALID, "%s:%u: unknown key '%.64s': no key is known here",
                       w->file, n->line, n->key);
    return err_set(w->e, ERR_INVALID,
                   "%s:%u: unknown key '%.64s'%s%s%s; the nearest known key is '%s'", w->file,
                   n->line, n->key, *place ? " in '" : "", place, *place ? "'" : "", near);
}

static bool parse_message(struct walk *w, const struct node *n, const ProtobufCMessageDescriptor *d,
                          const struct place *p, ProtobufCMessage **out);

/* One value of a field to the memory at out. */
static bool parse_element(struct walk *w, const struct node *n, const char *message,
                          const ProtobufCFieldDescriptor *f, const struct place *p, void *out)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return parse_message(w, n, f->descriptor, p, out);
    if (!scalar_parse(f, n, w->arena, out, w->e) ||
        !rule_check_value(rule_find(message, f->name), f, out, w->e))
        return at_line(w, n->line, p);
    return true;
}

static bool parse_repeated(struct walk *w, const struct node *n, ProtobufCMessage *m,
                           const ProtobufCFieldDescriptor *f, struct place *p)
{
    size_t size = element_size(f->type);
    char *items;

    if (n->kind != NODE_LIST) {
        err_set(w->e, ERR_INVALID, "expected a list, got %s",
                n->kind == NODE_MAP ? "a group of keys" : "one value");
        return at_line(w, n->line, p);
    }
    if (n->n_children == 0)
        return true;
    items = arena_calloc(w->arena, n->n_children, size);
    p->index = 0;
    for (const struct node *c = n->first; c; c = c->next, p->index++)
        if (!parse_element(w, c, m->descriptor->name, f, p, items + (size_t)p->index * size))
            return false;
    *(char **)member_of(m, f) = items;
    *member_count(m, f) = n->n_children;
    return true;
}

static bool parse_field(struct walk *w, const struct node *n, ProtobufCMessage *m,
                        const ProtobufCFieldDescriptor *f, const struct place *up)
{
    struct place here = {up, f->name, -1};

    if (node_is_null(n))
        return true;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return parse_repeated(w, n, m, f, &here);
    if (!parse_element(w, n, m->descriptor->name, f, &here, member_of(m, f)))
        return false;
    member_set_present(m, f);
    return true;
}

/* The key was given before in the same group. */
static bool is_repeated_key(const struct node *group, const struct node *n)
{
    for (const struct node *c = group->first; c != n; c = c->next)
        if (strcmp(c->key, n->key) == 0)
            return true;
    return false;
}

static bool parse_message(struct walk *w, const struct node *n, const ProtobufCMessageDescriptor *d,
                          const struct place *p, ProtobufCMessage **out)
{
    ProtobufCMessage *m = arena_calloc(w->arena, 1, d->sizeof_message);

    protobuf_c_message_init(d, m);
    *out = m;
    if (n->kind != NODE_MAP && !node_is_null(n)) {
        err_set(w->e, ERR_INVALID, "expected a group of keys, got %s",
                n->kind == NODE_LIST ? "a list" : "one value");
        return at_line(w, n->line, p);
    }
    for (const struct node *c = n->first; c; c = c->next) {
        const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field_by_name(d, c->key);

        if (!f)
            return unknown_key(w, c, d, p);
        if (is_repeated_key(n, c)) {
            err_set(w->e, ERR_INVALID, "key '%s' is given twice", c->key);
            return at_line(w, c->line, p);
        }
        if (!parse_field(w, c, m, f, p))
            return false;
    }
    return rule_check_needed(m, w->e) || at_line(w, n->line, p);
}

typedef bool node_reader(const char *file, const char *text, size_t len, struct arena *arena,
                         const struct node **out, struct err *e);

static bool parse_text_form(node_reader *read, const char *file, const char *text, size_t len,
                            const ProtobufCMessageDescriptor *type, struct arena *arena,
                            ProtobufCMessage **out, struct err *e)
{
    CLEANUP(arena_fini) struct arena tree;
    struct walk w = {file, arena, e};
    const struct node *top;
    ProtobufCMessage *m;

    arena_init(&tree, 0);
    if (!read(file, text, len, &tree, &top, e) || !parse_message(&w, top, type, NULL, &m))
        return false;
    *out = m;
    return true;
}

bool pbtext_parse_yaml(const char *file, const char *text, size_t len,
                       const ProtobufCMessageDescriptor *type, struct arena *arena,
                       ProtobufCMessage **out, struct err *e)
{
    return parse_text_form(node_read_yaml, file, text, len, type, arena, out, e);
}

bool pbtext_parse_json(const char *file, const char *text, size_t len,
                       const ProtobufCMessageDescriptor *type, struct arena *arena,
                       ProtobufCMessage **out, struct err *e)
{
    return parse_text_form(node_read_json, file, text, len, type, arena, out, e);
}

/* The child that the next word of *place names, "key" or "[1]"; NULL: none. Moves behind it. */
static const struct node *step_down(const struct node *n, const char **place)
{
    size_t len = strcspn(*place, ".[:, ");
    const struct node *c = n->first;

    if (**place == '[' && n->kind == NODE_LIST) {
        long wanted = strtol(*place + 1, NULL, 10);

        while (c && --wanted > 0)
            c = c->next;
        *place += strcspn(*place, "]") + (strchr(*place, ']') != NULL);
    } else {
        while (c && !(n->kind == NODE_MAP && len > 0 && strlen(c->key) == len &&
                      memcmp(c->key, *place, len) == 0))
            c = c->next;
        *place += len;
    }
    *place += **place == '.';
    return c;
}

unsigned pbtext_line_of(const char *text, size_t len, const char *place, struct arena *arena)
{
    struct err e = ERR_INIT;
    const struct node *n, *c;
    unsigned line;

    if (!node_read_yaml("", text, len, arena, &n, &e)) {
        err_clear(&e);
        return 0;
    }
    for (line = n->line; *place && (c = step_down(n, &place)) != NULL; n = c)
        line = c->line;
    return line;
}
