/* Secrets: sealed in MetaDB under the master key, opened only to travel beside a specification. */
#include <string.h>

#include "cm/cm.h"

#define SECRET_MAX 65536

bool secret_seal(struct cm *cm, const char *name, const void *p, size_t n, struct arena *arena,
                 ProtobufCBinaryData *out, struct err *e)
{
    struct buf sealed CLEANUP(buf_fini);

    buf_init(&sealed, SECRET_MAX);
    if (!seal_close(&cm->master, name, p, n, &sealed, e))
        return false;
    out->data = arena_memdup(arena, sealed.p, sealed.len);
    out->len = sealed.len;
    return true;
}

static bool add(struct cm *cm, const struct cluster *c, Oms__Directive *d, const char *name,
                struct arena *arena, struct err *e)
{
    const ProtobufCBinaryData *sealed = name ? secret_find(c, name) : NULL;
    struct buf plain CLEANUP(buf_fini);

    if (!sealed)
        return true;
    buf_init(&plain, SECRET_MAX);
    if (!seal_open(&cm->master, name, sealed->data, sealed->len, &plain, e))
        return err_wrap(e, "open secret '%s'", name);
    Oms__Secret *s = arena_alloc(arena, sizeof *s);
    oms__secret__init(s);
    s->name = (char *)name;
    s->has_value = true;
    s->value.data = arena_memdup(arena, plain.p ? plain.p : (uint8_t *)"", plain.len);
    s->value.len = plain.len;
    d->secrets[d->n_secrets++] = s;
    return true;
}

bool secrets_fill(struct cm *cm, const struct cluster *c, Oms__Directive *d, struct arena *arena,
                  struct err *e)
{
    const Oms__ComponentFixed *f = d->spec->fixed;
    const Oms__ComponentLive *live = d->spec->live;
    size_t n_peers = live ? live->n_peers : 0;

    d->secrets = arena_calloc(arena, 3 + n_peers, sizeof(void *));
    if (f && f->source && !add(cm, c, d, f->source->secret, arena, e))
        return false;
    if (f && f->target && !add(cm, c, d, f->target->secret, arena, e))
        return false;
    if (d->spec->kind && strcmp(d->spec->kind, "store") == 0 &&
        !add(cm, c, d, secret_of_store(d->spec->id, arena), arena, e))
        return false;
    for (size_t i = 0; i < n_peers; i++)
        if (!add(cm, c, d, live->peers[i]->token_secret, arena, e))
            return false;
    return true;
}
