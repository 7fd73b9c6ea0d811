/* The chunks of one table's copy. See chunk_tree.h. */
#include "components/full_import/core/chunk_tree.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/vec.h"

void tree_init(struct chunk_tree *t)
{
    *t = (struct chunk_tree){.next_id = 1};
    arena_init(&t->arena, 0);
}

void tree_fini(struct chunk_tree *t)
{
    vec_fini(&t->nodes);
    arena_fini(&t->arena);
}

static struct view keep(struct chunk_tree *t, struct view v)
{
    if (!v.p)
        return v;
    return (struct view){arena_memdup(&t->arena, v.p, v.len), v.len};
}

static struct node *find(struct chunk_tree *t, uint64_t id)
{
    size_t lo = 0, hi = t->nodes.n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (t->nodes.at[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < t->nodes.n && t->nodes.at[lo].id == id ? &t->nodes.at[lo] : NULL;
}

static void insert(struct chunk_tree *t, struct node n)
{
    size_t at = t->nodes.n;

    vec_push(&t->nodes, n);
    while (at > 0 && t->nodes.at[at - 1].id > n.id) {
        t->nodes.at[at] = t->nodes.at[at - 1];
        at--;
    }
    t->nodes.at[at] = n;
    if (n.id >= t->next_id)
        t->next_id = n.id + 1;
    if (n.state == NODE_OPEN)
        t->n_todo++;
    if (n.state == NODE_DONE)
        t->n_done++;
}

void tree_add(struct chunk_tree *t, uint64_t id, uint64_t parent, struct view lo, struct view hi,
              enum node_state state)
{
    insert(t, (struct node){id, parent, keep(t, lo), keep(t, hi), state, false});
}

void tree_plant(struct chunk_tree *t, struct view lo, struct view hi)
{
    must(tree_is_empty(t));
    tree_add(t, 1, 0, lo, hi, NODE_OPEN);
}

bool tree_check(struct chunk_tree *t, struct err *e)
{
    VEC(uint8_t) children = {0};
    size_t roots = 0;
    bool ok = true;

    vec_reserve(&children, t->nodes.n + 1);
    memset(children.at, 0, t->nodes.n + 1);
    for (size_t i = 0; ok && i < t->nodes.n; i++) {
        const struct node *n = &t->nodes.at[i];
        const struct node *parent = find(t, n->parent);

        if (n->parent == 0)
            roots++;
        else if (!parent || parent->state != NODE_SPLIT)
            ok = err_set(e, ERR_CORRUPT, "chunk %" PRIu64 " has no split parent %" PRIu64, n->id,
                         n->parent);
        else if (children.at[parent - t->nodes.at] < 3)
            children.at[parent - t->nodes.at]++;
    }
    for (size_t i = 0; ok && i < t->nodes.n; i++)
        if (t->nodes.at[i].state == NODE_SPLIT && children.at[i] != 2)
            ok = err_set(e, ERR_CORRUPT, "split chunk %" PRIu64 " has %u halves, not 2",
                         t->nodes.at[i].id, children.at[i]);
    if (ok && t->nodes.n > 0 && roots != 1)
        ok = err_set(e, ERR_CORRUPT, "%zu root chunks, not 1", roots);
    vec_fini(&children);
    return ok;
}

bool tree_is_empty(const struct chunk_tree *t)
{
    return t->nodes.n == 0;
}

bool tree_is_done(const struct chunk_tree *t)
{
    return t->nodes.n > 0 && t->n_todo == 0;
}

bool tree_take(struct chunk_tree *t, struct node *out)
{
    for (size_t i = 0; i < t->nodes.n; i++) {
        struct node *n = &t->nodes.at[i];

        if (n->state == NODE_OPEN && !n->taken) {
            n->taken = true;
            *out = *n;
            return true;
        }
    }
    return false;
}

void tree_give_back(struct chunk_tree *t, uint64_t id)
{
    struct node *n = find(t, id);

    must(n && n->taken && n->state == NODE_OPEN);
    n->taken = false;
}

void tree_split(struct chunk_tree *t, uint64_t id, struct view bound, struct node out[3])
{
    struct node *n = find(t, id);
    struct view at = keep(t, bound);

    must(n && n->taken && n->state == NODE_OPEN);
    out[0] = *n;
    out[0].state = NODE_SPLIT;
    out[0].taken = false;
    out[1] = (struct node){t->next_id, id, n->lo, at, NODE_OPEN, true};
    out[2] = (struct node){t->next_id + 1, id, at, n->hi, NODE_OPEN, false};
    t->next_id += 2;
}

void tree_split_done(struct chunk_tree *t, const struct node split[3])
{
    struct node *n = find(t, split[0].id);

    must(n && n->taken && n->state == NODE_OPEN);
    *n = split[0];
    t->n_todo--;
    insert(t, split[1]);
    insert(t, split[2]);
}

void tree_done(struct chunk_tree *t, uint64_t id)
{
    struct node *n = find(t, id);

    must(n && n->state == NODE_OPEN);
    n->state = NODE_DONE;
    n->taken = false;
    t->n_todo--;
    t->n_done++;
}
