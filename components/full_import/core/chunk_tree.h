/*
 * The chunks of one table's copy: a tree of key ranges. A node is open, split (its two children
 * cover it exactly) or DONE (its rows are committed on the target). Only leaves are read.
 *
 * Invariant: the leaves cover the root's range without hole or overlap, because the only change of
 * shape is one split of one taken leaf. A split is durable before either half is read (E4): the
 * shell writes tree_split()'s three nodes in one transaction before it calls tree_split_done().
 * Pure, single-threaded: the shell holds its lock around every call.
 */
#ifndef OMS_COMPONENTS_FULL_IMPORT_CORE_CHUNK_TREE_H
#define OMS_COMPONENTS_FULL_IMPORT_CORE_CHUNK_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/cursor.h"
#include "common/base/err.h"

enum node_state { NODE_OPEN, NODE_SPLIT, NODE_DONE };

struct node {
    uint64_t id, parent; /* root: 1, parent 0 */
    struct view lo,
        hi; /* bounds in the reader's form; lo exclusive, hi inclusive; p = NULL: open */
    enum node_state state;
    bool taken; /* a worker has it now */
};

struct chunk_tree {
    struct arena arena; /* bounds */
    struct {
        struct node *at;
        size_t n, cap;
    } nodes; /* ascending by id */
    uint64_t next_id;
    uint64_t n_todo; /* leaves not DONE, taken ones included */
    uint64_t n_done;
};

void tree_init(struct chunk_tree *t);
void tree_fini(struct chunk_tree *t);
/* Plants the root. Only into an empty tree. */
void tree_plant(struct chunk_tree *t, struct view lo, struct view hi);
/* Adds a node as it was kept, in any order; then tree_check() once. */
void tree_add(struct chunk_tree *t, uint64_t id, uint64_t parent, struct view lo, struct view hi,
              enum node_state state);
/* Is what was loaded a tree: one root, every split node with two children? ERR_CORRUPT names the
 * node. */
bool tree_check(struct chunk_tree *t, struct err *e) MUST_CHECK;

bool tree_is_empty(const struct chunk_tree *t); /* nothing planted */
bool tree_is_done(const struct chunk_tree *t);  /* planted, and no leaf is left */

/* The lowest leaf that nobody has; false: none. It is then taken; the copy's views live in the
 * tree. */
bool tree_take(struct chunk_tree *t, struct node *out);
void tree_give_back(struct chunk_tree *t, uint64_t id); /* not read, or rolled back */

/* What must be durable for cutting a taken leaf at `bound`: out[0] the node as SPLIT, out[1] (lo,
 * bound], out[2] (bound, hi]. Changes nothing yet except that ids are used up. */
void tree_split(struct chunk_tree *t, uint64_t id, struct view bound, struct node out[3]);
/* The split is durable: the left half is taken by the caller, the right one is free. */
void tree_split_done(struct chunk_tree *t, const struct node split[3]);
/* The leaf's rows are committed on the target. */
void tree_done(struct chunk_tree *t, uint64_t id);

#endif
