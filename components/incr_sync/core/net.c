#include "components/incr_sync/core/net.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"

#define MAP_FIRST 1024
#define MAP_KEEP 65536 /* places kept from one group to the next */
#define KEEP 65536     /* entries kept */

enum entry_state {
    ENTRY_OPEN,      /* later changes of the row may join */
    ENTRY_CLOSED,    /* sent as it came */
    ENTRY_CANCELLED, /* inserted and deleted again: nothing is sent */
};
struct entry {
    struct net_change c;
    enum entry_state state;
    uint32_t keys_at, n_keys; /* in net.keys: those of a change that leaves them alone */
};
struct touch { /* the newest entry that has a key */
    uint64_t key;
    uint32_t entry;
    bool used;
};
struct net {
    struct net_options o;
    VEC(struct entry) entries;
    VEC(struct net_change) out;
    struct dep_keys keys;        /* of the entries */
    struct dep_keys before, now; /* of the change being added */
    VEC(struct value) before_row, after_row;
    struct touch *map;
    size_t map_cap, map_n;
    uint32_t sealed; /* entries before this one take no more */
    uint64_t added;
};

struct net *net_new(void)
{
    return must_calloc(1, sizeof(struct net));
}

void net_free(struct net *n)
{
    if (!n)
        return;
    vec_fini(&n->entries);
    vec_fini(&n->out);
    vec_fini(&n->keys);
    vec_fini(&n->before);
    vec_fini(&n->now);
    vec_fini(&n->before_row);
    vec_fini(&n->after_row);
    free(n->map);
    free(n);
}

void net_begin(struct net *n, const struct net_options *o)
{
    n->o = *o;
    if (n->map_cap > MAP_KEEP) {
        free(n->map);
        n->map = NULL;
        n->map_cap = 0;
    } else if (n->map_n > 0) {
        memset(n->map, 0, n->map_cap * sizeof *n->map);
    }
    if (n->entries.cap > KEEP)
        vec_fini(&n->entries);
    if (n->out.cap > KEEP)
        vec_fini(&n->out);
    if (n->keys.cap > KEEP)
        vec_fini(&n->keys);
    n->map_n = 0;
    n->entries.n = n->out.n = n->keys.n = 0;
    n->sealed = 0;
    n->added = 0;
}

/* --- map: key -> its newest entry ---------------------------------------------------------------
 */

static struct touch *place(struct touch *map, size_t cap, uint64_t key)
{
    size_t i = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & (cap - 1);

    while (map[i].used && map[i].key != key)
        i = (i + 1) & (cap - 1);
    return &map[i];
}

static void map_grow(struct net *n)
{
    size_t cap = n->map_cap ? n->map_cap * 2 : MAP_FIRST;
    struct touch *map = must_calloc(cap, sizeof *map);

    for (size_t i = 0; i < n->map_cap; i++)
        if (n->map[i].used)
            *place(map, cap, n->map[i].key) = n->map[i];
    free(n->map);
    n->map = map;
    n->map_cap = cap;
}

static void touch(struct net *n, const struct dep_keys *keys, uint32_t entry)
{
    for (size_t i = 0; i < keys->n; i++) {
        struct touch *t;

        if ((n->map_n + 1) * 2 > n->map_cap)
            map_grow(n);
        t = place(n->map, n->map_cap, keys->at[i]);
        n->map_n += !t->used;
        *t = (struct touch){keys->at[i], entry, true};
    }
}

/* The entry that was the last to touch each of the keys; false: none, or not one and the same. */
static bool last_of(struct net *n, const struct dep_keys *keys, uint32_t *entry)
{
    for (size_t i = 0; i < keys->n; i++) {
        const struct touch *t = n->map_cap ? place(n->map, n->map_cap, keys->at[i]) : NULL;

        if (!t || !t->used || (i > 0 && t->entry != *entry))
            return false;
        *entry = t->entry;
    }
    return keys->n > 0;
}

/* --- one change ---------------------------------------------------------------------------------
 */

/* *known false: a key's value is absent, so that nothing can be told of the row. */
static bool image_keys(struct net *n, const struct sync_table *t, const struct change *ch,
                       bool after, struct dep_keys *keys, bool *known, struct err *e)
{
    struct view row = after ? ch->after : ch->before;
    struct value *values;

    keys->n = 0;
    if (!row.p)
        return true;
    vec_reserve(&n->before_row, t->def->n_columns);
    vec_reserve(&n->after_row, t->def->n_columns);
    values = after ? n->after_row.at : n->before_row.at;
    if (!row_read(t->def, ROWS_CANONICAL, ch->flags & CHANGE_F_ABSENT, row, values))
        return err_set(e, ERR_CORRUPT, "a row of '%s.%s' does not have its table's form",
                       t->def->db, t->def->name);
    *known &= table_deps_add(&t->deps, values, keys);
    return true;
}

static bool same_row(const struct table_def *t, const struct value *a, const struct value *b)
{
    const struct key_def *k = &t->keys[t->row_key];

    for (uint16_t i = 0; i < k->n_parts; i++) {
        const struct value *x = &a[k->parts[i].column], *y = &b[k->parts[i].column];

        if (x->state != VALUE_SET || y->state != VALUE_SET || x->len != y->len ||
            (x->len > 0 && memcmp(x->p, y->p, x->len) != 0))
            return false;
    }
    return true;
}

static bool same_keys(const struct dep_keys *a, const uint64_t *at, size_t n_keys)
{
    return a->n == n_keys && (n_keys == 0 || memcmp(a->at, at, n_keys * sizeof *at) == 0);
}

/* Both images are read. */
static bool leaves_keys_alone(const struct net *n, const struct sync_table *t,
                              const struct change *ch)
{
    return ch->op != CHANGE_UPDATE || (same_keys(&n->before, n->now.at, n->now.n) &&
                                       same_row(t->def, n->before_row.at, n->after_row.at));
}

static struct entry *append(struct net *n, const struct txn_table *t, const struct change *ch)
{
    struct entry x = {.c = {.table = t->table,
                            .op = ch->op,
                            .overlap = t->use == USE_OVERLAP,
                            .has_absent = ch->flags & CHANGE_F_ABSENT,
                            .no_checks = ch->flags & CHANGE_F_NO_FK,
                            .before = ch->before,
                            .after = ch->after,
                            .stands_for = 1},
                      .state = ENTRY_CLOSED};

    vec_push(&n->entries, x);
    return &n->entries.at[n->entries.n - 1];
}

/* Is the entry's row the one of the change that was read last? The entry is read into the buffer
 * that the change does not use. */
static bool is_row_of(struct net *n, const struct entry *x, const struct change *ch)
{
    const struct table_def *t = x->c.table->def;
    bool in_after = ch->op != CHANGE_DELETE;
    struct value *mine = in_after ? n->after_row.at : n->before_row.at;
    struct value *other = in_after ? n->before_row.at : n->after_row.at;

    return row_read(t, ROWS_CANONICAL, false, x->c.after.p ? x->c.after : x->c.before, other) &&
           same_row(t, mine, other);
}

/* --- two changes of one row ---------------------------------------------------------------------
 */

static bool join_exact(struct net *n, struct entry *x, const struct change *ch)
{
    bool gone = x->state == ENTRY_CANCELLED;

    switch (ch->op) {
    case CHANGE_INSERT:
        if (gone) {
            x->state = ENTRY_OPEN;
        } else if (x->c.op == CHANGE_DELETE && n->o.may_replace &&
                   n->o.may_replace(n->o.arg, x->c.table)) {
            x->c.op = CHANGE_UPDATE;
        } else {
            return false;
        }
        x->c.after = ch->after;
        return true;
    case CHANGE_UPDATE:
        if (gone || x->c.op == CHANGE_DELETE)
            return false;
        x->c.after = ch->after;
        return true;
    case CHANGE_DELETE:
        if (gone || x->c.op == CHANGE_DELETE)
            return false;
        if (x->c.op == CHANGE_INSERT)
            x->state = ENTRY_CANCELLED;
        else
            x->c.op = CHANGE_DELETE;
        if (x->c.op == CHANGE_DELETE)
            x->c.after = (struct view){NULL, 0};
        return true;
    }
    return false;
}

static bool join(struct net *n, struct entry *x, const struct txn_table *t, const struct change *ch)
{
    if (x->state == ENTRY_CLOSED || x->c.table != t->table ||
        x->c.overlap != (t->use == USE_OVERLAP) || !is_row_of(n, x, ch))
        return false;
    if (x->c.overlap) {
        x->c.op = ch->op;
        x->c.before = ch->before;
        x->c.after = ch->after;
    } else if (!join_exact(n, x, ch)) {
        return false;
    }
    x->c.stands_for++;
    return true;
}

/* The change joins the entry that was the last to touch its keys, if that is of the same row. */
static bool try_join(struct net *n, const struct txn_table *t, const struct change *ch,
                     const struct dep_keys *keys)
{
    uint32_t last = 0;
    struct entry *x;

    if (!last_of(n, keys, &last) || last < n->sealed)
        return false;
    x = &n->entries.at[last];
    return same_keys(keys, n->keys.at + x->keys_at, x->n_keys) && join(n, x, t, ch);
}

static void open_entry(struct net *n, struct entry *x, const struct dep_keys *keys)
{
    x->state = ENTRY_OPEN;
    x->keys_at = (uint32_t)n->keys.n;
    x->n_keys = (uint32_t)keys->n;
    for (size_t i = 0; i < keys->n; i++)
        vec_push(&n->keys, keys->at[i]);
}

bool net_add(struct net *n, const struct txn_table *t, const struct change *ch, struct err *e)
{
    const struct dep_keys *keys = ch->op == CHANGE_DELETE ? &n->before : &n->now;
    bool known = true, plain;
    struct entry *x;
    uint32_t at;

    n->added++;
    if (!n->o.merge || t->table->deps.exclusive) {
        (void)append(n, t, ch);
        return true;
    }
    if (!image_keys(n, t->table, ch, false, &n->before, &known, e) ||
        !image_keys(n, t->table, ch, true, &n->now, &known, e))
        return false;
    plain = known && !(ch->flags & CHANGE_F_ABSENT) && leaves_keys_alone(n, t->table, ch);
    if (plain && try_join(n, t, ch, keys))
        return true;
    x = append(n, t, ch);
    at = (uint32_t)(x - n->entries.at);
    if (plain)
        open_entry(n, x, keys);
    touch(n, &n->before, at);
    touch(n, &n->now, at);
    if (!known)
        n->sealed = at + 1;
    return true;
}

const struct net_change *net_finish(struct net *n, size_t *count)
{
    n->out.n = 0;
    for (size_t i = 0; i < n->entries.n; i++)
        if (n->entries.at[i].state != ENTRY_CANCELLED)
            vec_push(&n->out, n->entries.at[i].c);
    *count = n->out.n;
    return n->out.at;
}

uint64_t net_added(const struct net *n)
{
    return n->added;
}

uint64_t net_cancelled(const struct net *n)
{
    return n->added - n->out.n;
}
