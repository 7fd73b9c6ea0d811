/*
 * Further unique keys that a table of the target has before its copy (correctness A10). Rows of
 * chunks from different moments, and rows of the overlap, may collide in them without being wrong.
 * So they are taken off before the first chunk and made again by Incr-Sync, when replay has passed
 * every end, in the words that they have now. Invariant: what is off is recorded; the record (the
 * task's memo MEMO_KEYS) is durable before the first of them goes, and nothing takes a key from it
 * but a copy that makes the table anew. A run that finds the record takes off what is still there.
 * What a foreign key or AUTO_INCREMENT needs stays as a key that is not unique; what the server
 * keeps all the same stays unique, and a collision in it is a conflict. Tables that are copied at
 * one moment (no key; families) keep theirs: no two of their rows are of different moments. Main
 * thread alone.
 */
#include <string.h>

#include "common/log/log.h"
#include "common/os/fault.h"
#include "components/convert/kept_keys.h"
#include "components/full_import/import_priv.h"

#define RECORD_MAX (16u << 20)

struct elder {
    struct import *im;
    struct session *target; /* for definitions */
    struct arena arena;     /* of one table */
};

static const char *memo_key(struct elder *o, const struct import_table *t)
{
    return arena_printf(&o->arena, MEMO_KEYS "%s", t->key);
}

/* --- the record --------------------------------------------------------------------------------
 */

static bool read_record(struct elder *o, const struct import_table *t, struct kept_keys *keys,
                        struct memo *m, bool *found, struct err *e)
{
    struct import *im = o->im;

    *keys = (struct kept_keys){.to_db = t->to_db, .to_name = t->to_name};
    return im->target->target->memo_get(im->claim, component_spec(im->c)->task, memo_key(o, t),
                                        &o->arena, m, found, e) &&
           (!*found || kept_keys_decode(m->after, &o->arena, keys, e));
}

/* The statement that makes them, for people; the table as it was before the first went; the keys.
 */
static bool write_record(struct elder *o, const struct import_table *t,
                         const struct kept_keys *keys, struct view was, struct err *e)
{
    struct import *im = o->im;
    struct buf make CLEANUP(buf_fini), bytes CLEANUP(buf_fini);

    buf_init(&make, RECORD_MAX);
    buf_init(&bytes, RECORD_MAX);
    (void)kept_keys_make(keys, 0, keys->n, NULL, &make);
    kept_keys_encode(keys, &bytes);
    if (!buf_ok(&make) || !buf_ok(&bytes))
        return err_set(e, ERR_LIMIT, "the unique keys of '%s.%s' are too long", t->to_db,
                       t->to_name);
    struct memo m = {.state = "keys",
                     .statement = {make.p ? make.p : (const uint8_t *)"", make.len},
                     .before = was,
                     .after = {bytes.p, bytes.len}};
    return im->target->target->memo_put(im->claim, memo_key(o, t), &m, e);
}

/* Records what is there and not recorded yet. */
static bool record(struct elder *o, const struct import_table *t, const struct table_def *there,
                   const struct kept_keys *now, struct err *e)
{
    struct view text = {(const uint8_t *)there->create_text, strlen(there->create_text)};
    struct kept_keys keys;
    struct memo m;
    bool found;

    if (!read_record(o, t, &keys, &m, &found, e))
        return false;
    if (!kept_keys_join(&keys, now, true, &o->arena))
        return true;
    return write_record(o, t, &keys, found && m.before.p ? m.before : text, e);
}

/* --- taking off --------------------------------------------------------------------------------
 */

static void say_off(const struct kept_keys *keys, size_t i, const char *how)
{
    log_event(LOG_INFO, "full.key_off",
              "unique key '%s' of '%s.%s' is %s while the table is copied; it is made again when "
              "the changes have passed the end of the copy",
              keys->at[i].name, keys->to_db, keys->to_name, how);
}

/* The server says no: it stays. False: it could not be asked. */
static bool take_off(struct elder *o, const struct kept_keys *keys, size_t i, struct err *e)
{
    static const char *const how[] = {"taken off", "kept as a key that is not unique"};
    struct import *im = o->im;
    struct err no = ERR_INIT;

    for (int stands_in = 0; stands_in < 2; stands_in++) {
        struct buf sql CLEANUP(buf_fini);

        err_clear(&no);
        buf_init(&sql, RECORD_MAX);
        kept_keys_off(keys, i, stands_in, &sql);
        if (im->target->target->run_ddl_checked(im->claim, buf_cstr(&sql), &no)) {
            say_off(keys, i, how[stands_in]);
            FAULT(FULL_KEY_OFF);
            return true;
        }
        if (no.code != ERR_SERVER_REFUSED && no.code != ERR_SERVER_DENIED) {
            *e = no;
            return err_wrap(e, "take unique key '%s' off", keys->at[i].name);
        }
    }
    log_event(LOG_WARN, "full.key_stays",
              "unique key '%s' of '%s.%s' stays while the table is copied, so rows of different "
              "moments that collide in it are a conflict: %s",
              keys->at[i].name, keys->to_db, keys->to_name, no.message);
    return true;
}

/* Rows that were there before the copy are the operator's, and so are their keys. */
static bool may_take(struct elder *o, const struct import_table *t, bool *may, struct err *e)
{
    struct import *im = o->im;

    *may = t->anew || changed_recorded(im, t->def->db, t->def->name) != NULL;
    if (*may)
        return true;
    if (!im->target->target->table_is_empty(im->claim, t->to_db, t->to_name, may, e))
        return false;
    if (!*may)
        log_event(LOG_WARN, "full.key_stays",
                  "'%s.%s' has rows of its own before it is copied: its unique keys stay, and rows "
                  "of different moments that collide in them are a conflict",
                  t->to_db, t->to_name);
    return true;
}

/* Made anew from the source's present definition: of the record only what the source never had. */
static bool forget_sources_keys(struct elder *o, const struct import_table *t, struct err *e)
{
    struct kept_keys keys;
    struct memo m;
    bool found;

    if (!read_record(o, t, &keys, &m, &found, e))
        return false;
    kept_keys_leave_own(&keys, t->def);
    return !found || write_record(o, t, &keys, m.before, e);
}

static bool take_all(struct elder *o, const struct import_table *t, const struct table_def *there,
                     struct err *e)
{
    struct kept_keys now;
    bool may;

    if (!kept_keys_find(there, t->def, &o->arena, &now, e))
        return false;
    if (now.n == 0)
        return true;
    if (!may_take(o, t, &may, e) || (may && !record(o, t, there, &now, e)))
        return false;
    if (may)
        FAULT(FULL_KEYS_KEPT);
    for (size_t i = 0; may && i < now.n; i++)
        if (!take_off(o, &now, i, e))
            return false;
    return true;
}

static bool one(struct elder *o, const struct import_table *t, struct err *e)
{
    const struct table_def *there = NULL;

    if (t->keyless || t->def->family[0] != '\0' || (t->recorded_done && !t->anew))
        return true;
    if (t->anew && !forget_sources_keys(o, t, e))
        return false;
    if (!o->im->target->catalog->load_table(o->target, t->to_db, t->to_name, &there, e))
        return false;
    bool ok = take_all(o, t, there, e);
    table_def_unref(there);
    return ok;
}

bool elder_keys_off(struct import *im, struct err *e)
{
    struct elder o = {.im = im};
    bool ok = im->target->catalog->connect(&im->target_at, &o.target, e);

    for (size_t i = 0; ok && i < im->tables.n; i++) {
        arena_init(&o.arena, 0);
        ok = one(&o, im->tables.at[i], e) ||
             err_wrap(e, "look after the unique keys of '%s.%s' on the target",
                      im->tables.at[i]->to_db, im->tables.at[i]->to_name);
        arena_fini(&o.arena);
    }
    im->target->catalog->close(o.target);
    return ok;
}

/* Keys that are neither the source's nor in the record: put there by hand since, or by a DDL that
 * the source has undone. Which of the two is not known, so nobody makes them again. */
static bool tell_lost(struct elder *o, const struct import_table *t, const struct table_def *there,
                      struct err *e)
{
    struct kept_keys now, kept;
    struct memo m;
    bool found;

    if (!kept_keys_find(there, t->def, &o->arena, &now, e) ||
        !read_record(o, t, &kept, &m, &found, e))
        return false;
    for (size_t i = 0; i < now.n; i++) {
        struct buf make CLEANUP(buf_fini) = {0};

        buf_init(&make, RECORD_MAX);
        if (!now.at[i].own || kept_keys_has(&kept, now.at[i].name))
            continue;
        (void)kept_keys_make(&now, i, i + 1, NULL, &make);
        log_event(LOG_WARN, "full.key_lost",
                  "unique key '%s' of '%s.%s' goes with the table, and the source has none of that "
                  "name; what would make it: %s",
                  now.at[i].name, t->to_db, t->to_name, buf_cstr(&make));
    }
    return true;
}

bool elder_keys_tell_lost(struct import *im, const struct import_table *t, struct err *e)
{
    const struct table_def *there = NULL;
    struct elder o = {.im = im};
    bool ok;

    arena_init(&o.arena, 0);
    ok = im->target->catalog->connect(&im->target_at, &o.target, e);
    if (ok && !im->target->catalog->load_table(o.target, t->to_db, t->to_name, &there, e)) {
        ok = e->code == ERR_SERVER_NO_OBJECT;
        if (ok)
            err_clear(e);
    } else if (ok) {
        ok = tell_lost(&o, t, there, e);
    }
    table_def_unref(there);
    im->target->catalog->close(o.target);
    arena_fini(&o.arena);
    return ok || err_wrap(e, "look at the unique keys of '%s.%s'", t->to_db, t->to_name);
}
