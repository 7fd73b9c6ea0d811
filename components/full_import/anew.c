/*
 * A table that is made and copied anew, because a DDL came in its copy's way or a person chose so:
 * the target's table is dropped, made from the source's present definition and copied from a new
 * begin, which contains the DDL. Which tables of the target are ours is recorded by the schema step
 * and here (MEMO_MADE), with the definition they were made after; no other is ever dropped by
 * itself.
 *
 * Invariant: from before the drop until the new begin is durable the record says "making", and
 * then whatever else is there of the table (chunks, an older position, a table on the target)
 * counts for nothing: a run that finds it makes the table once more. So a crash
 *   before "making": the older copy is whole as it was, and is found changed again;
 *   up to the new begin: "making" is found, all of it happens again;
 *   between the new begin and "made": it happens once more, with a begin that is later still;
 *   behind "made": a copy like any other.
 * No row is read before "made". Main thread, but for anew_has_begun.
 */
#include <string.h>

#include "common/log/log.h"
#include "common/os/fault.h"
#include "components/convert/convert.h"
#include "components/full_import/import_priv.h"
#include "components/transform/transform.h"

#define MAKING "making"
#define MADE "made"

static bool run(struct import *im, struct buf *sql, struct err *e)
{
    return im->target->target->run_ddl(im->claim, NULL, buf_cstr(sql), e);
}

static bool put_state(struct import *im, const char *key, const struct table_def *def,
                      const char *state, struct err *e)
{
    struct buf text CLEANUP(buf_fini), name CLEANUP(buf_fini);

    buf_init(&text, 16u << 20);
    buf_init(&name, 4096);
    buf_printf(&name, MEMO_MADE "%s", key);
    table_def_encode(def, &text);
    if (!buf_ok(&text) || !buf_ok(&name))
        return err_set(e, ERR_LIMIT, "the definition of '%s' is too long", key);
    struct memo m = {.state = state, .statement = {text.p, text.len}};
    return im->target->target->memo_put(im->claim, buf_cstr(&name), &m, e);
}

/* Ours before the schema step's; *found false: a person's, or of a program that left no record. */
static bool get_state(struct import *im, const char *key, struct arena *a, struct memo *m,
                      bool *own, bool *found, struct err *e)
{
    const Oms__ComponentSpec *spec = component_spec(im->c);
    const struct target_ops *to = im->target->target;
    const char *name = arena_printf(a, MEMO_MADE "%s", key);
    const char *project = spec->fixed->project;

    *own = false;
    if (!to->memo_get(im->claim, spec->task, name, a, m, found, e))
        return false;
    *own = *found;
    if (*found || !project || !*project)
        return true;
    return to->memo_get(im->claim, arena_printf(a, "%s" MADE_BY_SCHEMA, project), name, a, m, found,
                        e);
}

bool anew_look(struct import *im, const char *key, struct anew_record *out, struct err *e)
{
    struct arena a;
    struct memo m;
    bool own = false, found = false;

    *out = (struct anew_record){0};
    arena_init(&a, 0);
    bool ok = get_state(im, key, &a, &m, &own, &found, e);
    if (ok && found) {
        struct cursor c = cursor_of(m.statement.p, m.statement.len);
        bool made = strcmp(m.state, MADE) == 0;

        out->unfinished = own && !made;
        out->ours = own || made;
        ok = table_def_decode(&c, &out->after, e);
    }
    arena_fini(&a);
    return ok || err_wrap(e, "read who made the target's table of '%s'", key);
}

static bool drop(struct import *im, const char *to_db, const char *to_name, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);

    buf_init(&sql, 8192);
    buf_str(&sql, "DROP TABLE IF EXISTS ");
    im->target->dialect->quote_table(&sql, to_db, to_name);
    return run(im, &sql, e);
}

static bool create(struct import *im, const struct import_table *t, struct err *e)
{
    struct buf sql CLEANUP(buf_fini);
    const struct table_def *wanted = NULL;

    buf_init(&sql, 16u << 20);
    if (!convert_table(t->def, im->way, &wanted, NULL, e))
        return false;
    bool ok = convert_create_table(wanted, t->to_db, t->to_name, &sql, e) && run(im, &sql, e);
    table_def_unref(wanted);
    return ok;
}

bool anew_make(struct import *im, struct import_table *t, struct err *e)
{
    if (t->def->family[0] != '\0')
        return err_set(e, ERR_UNSUPPORTED,
                       "foreign keys with CASCADE or SET NULL join it to other tables, and such "
                       "tables cannot be copied one by one");
    log_event(LOG_WARN, "full.again",
              "table '%s' is dropped on the target as '%s.%s' and made anew", t->key, t->to_db,
              t->to_name);
    if (!elder_keys_tell_lost(im, t, e) || !put_state(im, t->key, t->def, MAKING, e))
        return false;
    FAULT(FULL_AGAIN_MAKING);
    if (!im->target->target->chunk_clear(im->claim, t->key, e) ||
        !drop(im, t->to_db, t->to_name, e))
        return false;
    FAULT(FULL_AGAIN_DROPPED);
    if (!create(im, t, e))
        return false;
    FAULT(FULL_AGAIN_MADE);
    t->anew = true;
    return true;
}

bool anew_has_begun(struct import *im, const struct import_table *t, struct err *e)
{
    bool ok;

    pthread_mutex_lock(&im->claim_lock);
    ok = put_state(im, t->key, t->def, MADE, e);
    pthread_mutex_unlock(&im->claim_lock);
    FAULT(FULL_AGAIN_BEGUN);
    return ok;
}

/* --- gone ---------------------------------------------------------------------------------------
 */

/* The position first: what is not there behind it was dropped or renamed by something in it. */
static bool is_gone_now(struct import *im, const char *db, const char *name, struct position *at,
                        struct err *e)
{
    const struct catalog_ops *cat = im->source->catalog;
    const struct table_def *there = NULL;
    struct reader *r = NULL;
    struct session *s = NULL;
    struct err none = ERR_INIT;

    if (!im->source->reader->open(&im->source_at, &r, e))
        return err_wrap(e, "connect to the source");
    bool ok = im->source->reader->position_now(r, at, e);
    im->source->reader->close(r);
    if (!ok || !cat->connect(&im->source_at, &s, e))
        return false;
    ok = !cat->load_table(s, db, name, &there, &none);
    cat->close(s);
    table_def_unref(there);
    if (ok && none.code != ERR_SERVER_NO_OBJECT) {
        *e = none;
        return false;
    }
    return ok || err_set(e, ERR_SERVER_TABLE_CHANGED, "'%s.%s' was made again", db, name);
}

static bool forget(struct import *im, const char *memo, const char *key, struct err *e)
{
    struct buf name CLEANUP(buf_fini);

    buf_init(&name, 4096);
    buf_printf(&name, "%s%s", memo, key);
    return im->target->target->memo_forget(im->claim, buf_cstr(&name), e);
}

bool anew_gone(struct import *im, const char *db, const char *name, bool ours, struct err *e)
{
    const char *key = transform_table_key(&im->arena, db, name), *to_db, *to_name;
    struct table_pos pos = {.db = db, .name = name, .mode = TABLE_MODE_EXACT, .done = true};
    struct position at = {0};

    scope_map(im->scope, db, name, &to_db, &to_name);
    txn_set_init(&at.set);
    bool ok = is_gone_now(im, db, name, &at, e) &&
              im->target->target->chunk_clear(im->claim, key, e) &&
              (!ours || (drop(im, to_db, to_name, e) && forget(im, MEMO_KEYS, key, e))) &&
              forget(im, MEMO_COPIED, key, e);
    FAULT(FULL_GONE_DROPPED);
    pos.begin = pos.end = at.set;
    ok = ok && im->target->target->table_pos_put(im->claim, &pos, e);
    txn_set_fini(&at.set);
    if (ok)
        log_event(LOG_WARN, "full.gone", "table '%s' is no longer on the source%s", key,
                  ours ? ", and dropped on the target" : "");
    return ok || err_wrap(e, "leave '%s' out, which is no longer on the source", key);
}
