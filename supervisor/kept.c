/* Messages kept beyond the call that brought them. */
#include "common/pbtext/pbtext.h"
#include "supervisor/supervisor_priv.h"

void keep_message(struct kept_message *k, const ProtobufCMessage *m)
{
    struct kept_message fresh = {0};

    arena_init(&fresh.arena, 0);
    fresh.m = m ? pbtext_copy(m, &fresh.arena) : NULL;
    drop_message(k);
    *k = fresh;
}

void drop_message(struct kept_message *k)
{
    arena_fini(&k->arena);
    k->m = NULL;
}
