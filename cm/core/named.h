/* Sets of things with a unique key, sorted by it. The set does not own them. Pure. */
#ifndef OMS_CM_CORE_NAMED_H
#define OMS_CM_CORE_NAMED_H

#include <stdbool.h>
#include <stddef.h>

struct named { /* first member of each thing that is kept in a set */
    char *key;
    bool dirty; /* differs from its row in MetaDB */
};
struct named_set {
    struct named **at;
    size_t n, cap;
};

struct named *named_find(const struct named_set *s, const char *key); /* NULL: not there */
void named_add(struct named_set *s, struct named *x);                 /* must not be there */
void named_drop(struct named_set *s, const struct named *x);          /* must be there */
void named_fini(struct named_set *s);

/* Replaces an owned text; true if it differs from before. NULL counts as "". */
bool text_set(char **owned, const char *text);
static inline const char *text_or_empty(const char *s)
{
    return s ? s : "";
}
bool text_is(const char *a, const char *b); /* NULL counts as "" */
/* Makes valid UTF-8 of it, in place: what is not becomes '?'. MetaDB takes nothing else. */
void text_clean(char *s);

#endif
