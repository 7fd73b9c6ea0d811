/* The specification, its endpoints and its secrets. See component.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/place.h"
#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"
#include "components/runtime/runtime_priv.h"
#include "proto/admin.pb-c.h"

#define SPEC_MAX (4u << 20)

static bool read_text(const char *path, struct buf *text, struct err *e)
{
    buf_init(text, SPEC_MAX);
    if (durable_read_file(path, text, e))
        return true;
    buf_fini(text);
    return false;
}

bool spec_load(struct component *c, struct err *e)
{
    ProtobufCMessage *m;
    struct buf text;
    bool ok;

    if (!read_text(c->spec_path, &text, e))
        return err_wrap(e, "read the specification");
    ok = pbtext_parse_yaml(c->spec_path, (const char *)text.p, text.len,
                           &oms__component_spec__descriptor, &c->arena, &m, e);
    buf_fini(&text);
    if (!ok)
        return false;
    c->spec = (const Oms__ComponentSpec *)m;
    if (!c->spec->id || !c->spec->kind || !c->spec->fixed)
        return err_set(e, ERR_INVALID, "'%s' needs id, kind and fixed", c->spec_path);
    if (strcmp(c->spec->kind, c->ops->kind) != 0)
        return err_set(e, ERR_INVALID, "'%s' is for a component of kind '%s', this is '%s'",
                       c->spec_path, c->spec->kind, c->ops->kind);
    return true;
}

void secrets_put(struct component *c, const char *name, const void *value, size_t len)
{
    struct secret_row *r = NULL, fresh = {0};

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->secrets.n && !r; i++)
        if (strcmp(c->secrets.at[i].name, name) == 0)
            r = &c->secrets.at[i];
    if (!r) {
        fresh.name = must_strdup(name);
        vec_push(&c->secrets, fresh);
        r = &c->secrets.at[c->secrets.n - 1];
    }
    /* Addresses given out point at an earlier value: a changed one is kept beside it, in the arena.
     */
    if (!r->value || r->len != len || memcmp(r->value, value, len) != 0) {
        r->value = (uint8_t *)arena_strndup(&c->arena, value, len);
        r->len = len;
    }
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

void secrets_fini(struct component *c)
{
    for (size_t i = 0; i < c->secrets.n; i++) {
        explicit_bzero(c->secrets.at[i].value, c->secrets.at[i].len);
        free(c->secrets.at[i].name);
    }
    vec_fini(&c->secrets);
}

/* "name: value" pairs, as YAML or JSON, in the file named in OMS_SECRETS. */
bool spec_load_secrets_by_hand(struct component *c, struct err *e)
{
    const char *path = getenv("OMS_SECRETS");
    char *at, *line;
    struct buf text;

    if (!path)
        return true;
    if (!read_text(path, &text, e))
        return err_wrap(e, "read the secrets named in OMS_SECRETS");
    (void)buf_cstr(&text);
    at = (char *)text.p;
    while ((line = strsep(&at, "\n")) != NULL) {
        char *sep = strstr(line, ": ");

        if (*line == '#' || !sep)
            continue;
        *sep = '\0';
        secrets_put(c, line, sep + 2, strlen(sep + 2));
    }
    explicit_bzero(text.p, text.len);
    buf_fini(&text);
    return true;
}

static const struct secret_row *find_secret(struct component *c, const char *name)
{
    for (size_t i = 0; i < c->secrets.n; i++)
        if (strcmp(c->secrets.at[i].name, name) == 0)
            return &c->secrets.at[i];
    return NULL;
}

bool component_secret(struct component *c, const char *name, char *out, size_t cap, struct err *e)
{
    const struct secret_row *r;
    bool ok;

    pthread_mutex_lock(&c->lock);
    r = find_secret(c, name);
    ok = r && r->len < cap;
    if (ok) {
        memcpy(out, r->value, r->len);
        out[r->len] = '\0';
    }
    pthread_mutex_unlock(&c->lock);
    if (!r)
        return err_set(e, ERR_UNAVAILABLE, "secret '%s' has not arrived", name);
    return ok || err_set(e, ERR_LIMIT, "secret '%s' is longer than %zu bytes", name, cap - 1);
}

static const Oms__Endpoint *find_endpoint(const Oms__ComponentFixed *f, const char *id)
{
    if (f->source && f->source->id && strcmp(f->source->id, id) == 0)
        return f->source;
    if (f->target && f->target->id && strcmp(f->target->id, id) == 0)
        return f->target;
    return NULL;
}

static bool put_others(struct component *c, const Oms__Endpoint *ep, struct endpoint_address *out,
                       struct err *e)
{
    struct endpoint_place *others;
    char host[PLACE_HOST_MAX];
    bool ok = true;

    if (ep->n_addresses == 0)
        return true;
    pthread_mutex_lock(&c->lock);
    others = arena_calloc(&c->arena, ep->n_addresses, sizeof *others);
    for (size_t i = 0; ok && i < ep->n_addresses; i++) {
        ok = place_parse(ep->addresses[i], host, &others[i].port);
        others[i].host = ok ? arena_strdup(&c->arena, host) : NULL;
    }
    pthread_mutex_unlock(&c->lock);
    out->others = others;
    out->n_others = ep->n_addresses;
    return ok || err_set(e, ERR_INVALID, "data source '%s': an address is not host:port", ep->id);
}

/* The further servers, and the authority: the client library wants a file. */
static bool put_rest(struct component *c, const Oms__Endpoint *ep, struct endpoint_address *out,
                     struct err *e)
{
    char *path;

    if (!put_others(c, ep, out, e))
        return false;
    if (!ep->tls_ca_pem || !*ep->tls_ca_pem)
        return true;
    pthread_mutex_lock(&c->lock);
    path = arena_printf(&c->arena, "%s/ca-%s.pem", c->dir, ep->id);
    pthread_mutex_unlock(&c->lock);
    out->tls_ca = path;
    return durable_write_file(path, ep->tls_ca_pem, strlen(ep->tls_ca_pem), 0600, e);
}

bool component_address(struct component *c, const char *datasource_id, struct endpoint_address *out,
                       const struct endpoint **endpoint, struct err *e)
{
    const Oms__Endpoint *ep = find_endpoint(c->spec->fixed, datasource_id);
    const struct secret_row *secret = NULL;

    if (!ep)
        return err_set(e, ERR_NOT_FOUND, "the specification has no data source '%s'",
                       datasource_id);
    *endpoint = endpoint_find(ep->kind ? ep->kind : "");
    if (!*endpoint)
        return err_set(e, ERR_UNSUPPORTED, "data source '%s' is of unknown kind '%s'",
                       datasource_id, ep->kind ? ep->kind : "");
    *out = (struct endpoint_address){.kind = ep->kind,
                                     .host = ep->host ? ep->host : "127.0.0.1",
                                     .port = (uint16_t)(ep->has_port ? ep->port : 3306),
                                     .socket = ep->socket && *ep->socket ? ep->socket : NULL,
                                     .user = ep->user ? ep->user : "",
                                     .password = "",
                                     .silent_after_ms = ep->silent_after_ms,
                                     .tls_mode = ep->tls ? ep->tls : "preferred"};
    if (ep->secret && *ep->secret) {
        pthread_mutex_lock(&c->lock);
        secret = find_secret(c, ep->secret);
        if (secret)
            out->password = (const char *)secret->value;
        pthread_mutex_unlock(&c->lock);
        if (!secret)
            return err_set(e, ERR_UNAVAILABLE, "the secret of data source '%s' has not arrived",
                           datasource_id);
    }
    return put_rest(c, ep, out, e);
}
