/* Messages kept beyond the call that brought them. */
#include "common/pbtext/pbtext.h"
#include "supervisor/supervisor_priv.h"

void kept_put(struct kept *k, const ProtobufCMessage *m)
{
    struct kept fresh = {0};

    arena_init(&fresh.arena, 0);
    fresh.m = m ? pbtext_copy(m, &fresh.arena) : NULL;
    kept_fini(k);
    *k = fresh;
}

void kept_fini(struct kept *k)
{
    arena_fini(&k->arena);
    k->m = NULL;
}
