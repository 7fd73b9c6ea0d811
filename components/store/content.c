/* See content.h. */
#include "components/store/content.h"

#include <string.h>
#include <xxhash.h>

#define COMPARED_BYTES (16u << 20)

static void add(struct content *c, const void *p, size_t n)
{
    c->digest = XXH3_64bits_withSeed(p, n, c->digest + n);
    c->bytes += n;
}

bool content_enough(const struct content *c)
{
    return c->ended || c->bytes >= COMPARED_BYTES;
}

void content_add_text(struct content *c, struct view v)
{
    if (v.p)
        add(c, v.p, v.len);
    else
        add(c, "", 0);
}

void content_add_evidence(struct content *c, const struct txn_head *h)
{
    if (origin_is_place(h->id.origin))
        c->evidence = XXH3_64bits_withSeed(h->native.p, h->native.len, (uint64_t)h->commit.us);
}

bool content_add_changes(struct content *c, struct view changes, table_resolver *resolve, void *arg,
                         struct err *e)
{
    struct change_iter it;
    struct change one;

    change_iter_init(&it, changes, resolve, arg);
    while (!content_enough(c) && change_next(&it, &one)) {
        uint8_t op = (uint8_t)one.op;
        add(c, &op, 1);
        add(c, one.table->db, strlen(one.table->db));
        add(c, one.table->name, strlen(one.table->name));
        content_add_text(c, one.before);
        content_add_text(c, one.after);
    }
    return !it.c.failed ||
           err_set(e, ERR_CORRUPT, "the changes of a transaction do not have their form");
}

bool content_same(const struct content *stored, const struct content *now)
{
    bool by_place = origin_is_place(stored->id.origin) && stored->is_filtered;

    /* Of a place that was taken over from another server (adopt.h) only the place is kept. */
    return stored->server_id == now->server_id && stored->evidence == now->evidence &&
           (by_place || stored->digest == now->digest);
}
