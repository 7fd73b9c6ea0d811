/* A table with a primary key and a nullable unique key, and valid changes of it as events. Included
 * by test_net.c alone. */
#ifndef OMS_TEST_UNIT_INCR_SYNC_NET_FIXTURE_H
#define OMS_TEST_UNIT_INCR_SYNC_NET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/incr_sync/core/net.h"

#define N_IDS 12
#define N_UNIQUE 6 /* 0 = NULL */
#define N_CHANGES 160

struct row {
    bool there;
    int64_t id;
    int32_t u, v;
};
struct image {
    uint8_t bytes[32];
    size_t n;
};
struct event {
    struct change ch;
    struct image before, after;
    struct row from, to;
};
struct fixture {
    const struct table_def *def;
    struct sync_table table;
    struct txn_table entry;
    struct net *net;
    struct net_options options;
    uint64_t rng;
};

static uint32_t rnd(struct fixture *f, uint32_t below)
{
    f->rng ^= f->rng << 13;
    f->rng ^= f->rng >> 7;
    f->rng ^= f->rng << 17;
    return (uint32_t)((f->rng * 0x2545f4914f6cdd1du) >> 33) % below;
}

static enum fold exact(void *arg, const struct column_def *c)
{
    (void)arg;
    (void)c;
    return FOLD_EXACT;
}

static bool always(void *arg, const struct sync_table *t)
{
    (void)arg;
    (void)t;
    return true;
}

static const struct table_def *make_def(bool keyed)
{
    static const struct column_def columns[] = {
        {.name = "id", .kind = KIND_I64, .charset = "", .collation = "", .native = "bigint(20)"},
        {.name = "u",
         .kind = KIND_I32,
         .nullable = true,
         .charset = "",
         .collation = "",
         .native = "int(11)"},
        {.name = "v", .kind = KIND_I32, .charset = "", .collation = "", .native = "int(11)"},
    };
    static const struct key_part id_part[] = {{.column = 0}}, u_part[] = {{.column = 1}};
    static const struct key_def keys[] = {
        {.name = "PRIMARY", .primary = true, .unique = true, .n_parts = 1, .parts = id_part},
        {.name = "u", .unique = true, .n_parts = 1, .parts = u_part},
    };
    struct table_def_builder b;
    const struct table_def *t;
    struct err e = ERR_INIT;

    table_def_builder_init(&b);
    b.def.id = 1;
    b.def.db = b.def.name = "t";
    b.def.engine = b.def.charset = b.def.collation = b.def.create_text = "";
    b.def.n_columns = 3;
    b.def.columns = columns;
    b.def.n_keys = keyed ? 2 : 0;
    b.def.keys = keys;
    assert_true(table_def_seal(&b, &t, &e));
    table_def_builder_fini(&b);
    return t;
}

static void setup(struct fixture *f, uint64_t seed, bool keyed)
{
    *f = (struct fixture){.rng = seed * 0x9e3779b97f4a7c15u + 88172645463325252u};
    f->def = make_def(keyed);
    f->table.def = f->def;
    f->table.in_scope = true;
    table_deps_init(&f->table.deps, f->def, "t", "t", NULL, exact, NULL);
    f->entry = (struct txn_table){1, USE_EXACT, &f->table};
    f->net = net_new();
    f->options = (struct net_options){.merge = true, .may_replace = always};
}

static void teardown(struct fixture *f)
{
    net_free(f->net);
    table_deps_fini(&f->table.deps);
    table_def_unref(f->def);
}

/* --- events -------------------------------------------------------------------------------------
 */

static void put_image(struct fixture *f, struct image *out, const struct row *r)
{
    struct row_writer w;
    struct buf b;

    buf_init(&b, sizeof out->bytes);
    row_begin(&w, &b, f->def, ROWS_CANONICAL, false);
    row_put_fixed(&w, &r->id);
    if (r->u == 0)
        row_put_null(&w);
    else
        row_put_fixed(&w, &r->u);
    row_put_fixed(&w, &r->v);
    row_end(&w);
    must(buf_ok(&b));
    memcpy(out->bytes, b.p, b.len);
    out->n = b.len;
    buf_fini(&b);
}

static struct row read_image(struct fixture *f, struct view image)
{
    struct value v[3];
    struct row r = {.there = true};

    must(row_read(f->def, ROWS_CANONICAL, false, image, v));
    memcpy(&r.id, v[0].p, sizeof r.id);
    if (v[1].state == VALUE_SET)
        memcpy(&r.u, v[1].p, sizeof r.u);
    memcpy(&r.v, v[2].p, sizeof r.v);
    return r;
}

/* from or to may be not there. */
static void make_event(struct fixture *f, struct event *x, struct row from, struct row to)
{
    memset(x, 0, sizeof *x);
    x->from = from;
    x->to = to;
    x->ch.table = f->def;
    x->ch.op = !from.there ? CHANGE_INSERT : to.there ? CHANGE_UPDATE : CHANGE_DELETE;
    if (from.there) {
        put_image(f, &x->before, &from);
        x->ch.before = (struct view){x->before.bytes, x->before.n};
    }
    if (to.there) {
        put_image(f, &x->after, &to);
        x->ch.after = (struct view){x->after.bytes, x->after.n};
    }
}

static bool unique_is_free(const struct row *rows, int32_t u, uint32_t except)
{
    for (uint32_t i = 0; i < N_IDS; i++)
        if (u != 0 && i != except && rows[i].there && rows[i].u == u)
            return false;
    return true;
}

/* One valid change of the source's rows. */
static bool random_event(struct fixture *f, struct row *rows, struct event *x)
{
    uint32_t at = rnd(f, N_IDS), to_at = at, what = rnd(f, 10);
    struct row from = rows[at], to = from;

    to.v = (int32_t)rnd(f, 1000);
    if (!from.there) {
        to = (struct row){
            .there = true, .id = at, .u = (int32_t)rnd(f, N_UNIQUE), .v = (int32_t)rnd(f, 1000)};
    } else if (what < 3) {
        to.there = false;
    } else if (what < 5) {
        to.u = (int32_t)rnd(f, N_UNIQUE);
    } else if (what < 6) {
        to_at = rnd(f, N_IDS);
        to.id = to_at;
        if (to_at != at && rows[to_at].there)
            return false;
    }
    if (to.there && !unique_is_free(rows, to.u, at))
        return false;
    make_event(f, x, from, to);
    rows[at].there = false;
    if (to.there)
        rows[to_at] = to;
    return true;
}

#endif
