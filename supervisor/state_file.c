/*
 * DIR/state: what the Supervisor was told, durable before it acts (C4, C9). Secrets in it are
 * sealed under DIR/host.key, each under "directive-id/secret-name".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crypto/token.h"
#include "common/log/log.h"
#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"
#include "supervisor/supervisor_priv.h"

#define PATH_CAP 4096
#define STATE_MAX (256u << 20)

/* Replaces every secret's value by its sealed (or plain) form, in memory of `a`. */
static bool turn_secrets(struct supervisor *sv, Oms__Directive *d, bool close, struct arena *a,
                         struct err *e)
{
    for (size_t i = 0; i < d->n_secrets; i++) {
        Oms__Secret *s = d->secrets[i];
        const char *name = arena_printf(a, "%s/%s", d->spec->id, s->name ? s->name : "");
        struct buf out;
        bool ok;

        buf_init(&out, 1u << 20);
        ok = close ? seal_close(&sv->key, name, s->value.data, s->value.len, &out, e)
                   : seal_open(&sv->key, name, s->value.data, s->value.len, &out, e);
        if (ok)
            s->value = (ProtobufCBinaryData){out.len, arena_memdup(a, out.p, out.len)};
        buf_fini(&out);
        if (!ok)
            return false;
    }
    return true;
}

static void take_state(struct supervisor *sv, const Oms__SupervisorState *st, struct arena *a)
{
    if (st->host_id && *st->host_id) {
        free(sv->host_id);
        sv->host_id = must_strdup(st->host_id);
    }
    if (st->metadb_id && *st->metadb_id)
        sv->metadb_id = must_strdup(st->metadb_id);
    sv->cm_epoch = st->cm_epoch;
    sv->revision = st->revision;
    for (size_t i = 0; i < st->n_directives; i++) {
        Oms__Directive *d = st->directives[i];
        struct err e = ERR_INIT;
        struct unit *u;

        if (!d->spec || !d->spec->id)
            continue;
        u = unit_new(sv, d->spec->id);
        if (!turn_secrets(sv, d, false, a, &e)) {
            log_err(LOG_ERROR, "supervisor.secret", &e);
            d->n_secrets = 0;
            d->revision = sv->revision = 0; /* so that the CM sends them again */
        }
        keep_message(&u->directive, &d->base);
        u->goal = d->goal && strcmp(d->goal, "STOP") == 0 ? GOAL_STOP : GOAL_RUN;
    }
}

bool state_load(struct supervisor *sv, struct err *e)
{
    char path[PATH_CAP], id[TOKEN_TEXT_MAX];
    struct err missing = ERR_INIT;
    struct arena arena;
    ProtobufCMessage *m;
    struct buf bytes;
    bool ok = true;

    if (!token_make(id, e))
        return false;
    id[32] = '\0';
    sv->host_id = must_strdup(id);
    snprintf(path, sizeof path, "%s/state", sv->dir);
    buf_init(&bytes, STATE_MAX);
    if (!durable_read_file(path, &bytes, &missing)) {
        buf_fini(&bytes);
        if (missing.code == ERR_NOT_FOUND)
            return state_save(sv, e); /* the host's id must never change */
        *e = missing;
        return false;
    }
    arena_init(&arena, 0);
    ok = pbtext_unpack(&oms__supervisor_state__descriptor, bytes.p, bytes.len, &arena, &m, e);
    if (ok)
        take_state(sv, (const Oms__SupervisorState *)m, &arena);
    arena_fini(&arena);
    buf_fini(&bytes);
    return ok ? true : err_wrap(e, "read '%s'", path);
}

static bool build(struct supervisor *sv, Oms__SupervisorState *st, struct arena *a, struct err *e)
{
    st->host_id = sv->host_id;
    st->metadb_id = sv->metadb_id;
    st->has_cm_epoch = st->has_revision = 1;
    st->cm_epoch = sv->cm_epoch;
    st->revision = sv->revision;
    st->directives = arena_calloc(a, sv->units.n, sizeof *st->directives);
    for (size_t i = 0; i < sv->units.n; i++) {
        const Oms__Directive *d = unit_directive(sv->units.at[i]);
        Oms__Directive *copy;

        if (!d)
            continue;
        copy = (Oms__Directive *)pbtext_copy(&d->base, a);
        if (!turn_secrets(sv, copy, true, a, e))
            return false;
        st->directives[st->n_directives++] = copy;
    }
    return true;
}

bool state_save(struct supervisor *sv, struct err *e)
{
    Oms__SupervisorState st = OMS__SUPERVISOR_STATE__INIT;
    char path[PATH_CAP];
    struct arena arena;
    bool ok;

    arena_init(&arena, 0);
    ok = build(sv, &st, &arena, e);
    if (ok) {
        size_t n = protobuf_c_message_get_packed_size(&st.base);
        uint8_t *bytes = arena_alloc(&arena, n);

        protobuf_c_message_pack(&st.base, bytes);
        snprintf(path, sizeof path, "%s/state", sv->dir);
        ok = durable_write_file(path, bytes, n, 0600, e);
    }
    arena_fini(&arena);
    return ok ? true : err_wrap(e, "keep what the cluster manager said");
}
