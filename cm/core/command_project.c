/* Projects: creation with everything that is refused at once, and removal. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cm/core/cycle.h"
#include "common/base/buf.h"
#include "common/base/check_table.h"
#include "common/scope/scope.h"

static bool check_scope(const Oms__ObjectScope *o, struct arena *a, struct err *e)
{
    struct scope_source src = {.include = (const char *const *)o->include,
                               .n_include = o->n_include,
                               .exclude = (const char *const *)o->exclude,
                               .n_exclude = o->n_exclude,
                               .n_rename = o->n_rename};
    struct scope_rename *renames = arena_calloc(a, o->n_rename + 1, sizeof *renames);
    const struct scope *s;

    for (size_t i = 0; i < o->n_rename; i++)
        renames[i] = (struct scope_rename){o->rename[i]->from, o->rename[i]->to};
    src.rename = renames;
    return scope_compile(&src, a, &s, e);
}

/* --- ids of checks ------------------------------------------------------------------------------
 */

#define CHECK_ID(id) id,
static const char *const check_ids[] = {CHECK_TABLE(CHECK_ID)};
#undef CHECK_ID
#define ID_MAX 64

/* How many characters must be put in, taken out or changed. */
static size_t distance(const char *a, const char *b)
{
    size_t row[ID_MAX + 1], n = strlen(b);

    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t corner = row[0]++;

        for (size_t j = 0; j < n; j++) {
            size_t least = corner + (a[i] != b[j]);

            least = row[j] + 1 < least ? row[j] + 1 : least;
            least = row[j + 1] + 1 < least ? row[j + 1] + 1 : least;
            corner = row[j + 1];
            row[j + 1] = least;
        }
    }
    return row[n];
}

static bool check_skipped(const Oms__ProjectFile *f, struct err *e)
{
    for (size_t i = 0; i < f->n_skip_checks; i++) {
        const char *id = text_or_empty(f->skip_checks[i]), *nearest = check_ids[0];
        size_t best = SIZE_MAX;

        for (size_t k = 0; k < ARRAY_LEN(check_ids) && best > 0; k++) {
            size_t far = distance(id, check_ids[k]);

            if (far < best) {
                best = far;
                nearest = check_ids[k];
            }
        }
        if (best > 0)
            return err_set(e, ERR_INVALID,
                           "skip_checks[%zu]: there is no check '%s'; the nearest is '%s'", i + 1,
                           id, nearest);
    }
    return true;
}

static bool check_heartbeat(const Oms__HeartbeatOptions *h, struct err *e)
{
    return !h || !h->schema || strncmp(h->schema, "oms_heartbeat", 13) == 0 ||
           err_set(e, ERR_INVALID,
                   "heartbeat.schema: '%s' does not begin with oms_heartbeat: databases of that "
                   "name are never copied",
                   h->schema);
}

static bool check_ddl(const Oms__DdlOptions *d, struct err *e)
{
    for (size_t i = 0; d && i < d->n_deny; i++)
        for (size_t k = 0; k < d->n_allow; k++)
            if (strcmp(d->deny[i], d->allow[k]) == 0)
                return err_set(e, ERR_INVALID, "ddl.deny[%zu]: '%s' is allowed in ddl.allow[%zu]",
                               i + 1, d->deny[i], k + 1);
    return true;
}

#define SERVER_IDS_LEAST 4 /* as the Store's READER_IDS_LEAST */

static bool check_server_ids(const Oms__StoreOptions *o, struct err *e)
{
    if (!o || (!o->has_server_id_from && !o->has_server_id_to))
        return true;
    if (!o->has_server_id_from || !o->has_server_id_to)
        return err_set(e, ERR_INVALID, "store: server_id_from and server_id_to belong together");
    if ((uint64_t)o->server_id_from + SERVER_IDS_LEAST - 1 > o->server_id_to)
        return err_set(e, ERR_INVALID,
                       "store.server_id_to: %u leaves no room, the range needs %d numbers from %u "
                       "on",
                       o->server_id_to, SERVER_IDS_LEAST, o->server_id_from);
    return true;
}

static bool check_options(const Oms__ProjectFile *f, struct err *e)
{
    return check_skipped(f, e) && check_heartbeat(f->heartbeat, e) && check_ddl(f->ddl, e) &&
           check_server_ids(f->store, e) && command_check_start(f, e);
}

static bool check_project(const struct cycle *y, const Oms__ProjectFile *f, struct err *e)
{
    if (!f)
        return err_set(e, ERR_INVALID, "the project is missing");
    if (!command_check_name("project", f->name, e))
        return false;
    if (!text_is(f->where, ""))
        return err_set(e, ERR_UNSUPPORTED, "where: row filters are not supported yet");
    if (f->n_columns > 0)
        return err_set(e, ERR_UNSUPPORTED, "columns: column selection is not supported yet");
    if (cluster_project(y->c, f->name))
        return err_set(e, ERR_EXISTS, "there is a project '%s' already", f->name);
    if (!cluster_source(y->c, text_or_empty(f->source)))
        return err_set(e, ERR_NOT_FOUND, "source: there is no data source '%s'",
                       text_or_empty(f->source));
    if (!cluster_source(y->c, text_or_empty(f->target)))
        return err_set(e, ERR_NOT_FOUND, "target: there is no data source '%s'",
                       text_or_empty(f->target));
    if (source_row(cluster_source(y->c, f->target))->file->n_addresses > 0)
        return err_set(e, ERR_INVALID,
                       "target: data source '%s' has several addresses, which only a source may",
                       f->target);
    if (text_is(f->source, f->target))
        return err_set(e, ERR_INVALID, "source and target are both '%s'", f->source);
    if (!f->objects || f->objects->n_include == 0)
        return err_set(e, ERR_INVALID, "objects.include: at least one pattern is needed");
    return check_options(f, e) && check_scope(f->objects, y->a, e);
}

void command_project_create(struct cycle *y, const struct cluster_event *ev)
{
    const Oms__ProjectFile *f = ((const Oms__ProjectCreateRequest *)ev->request)->file;
    Oms__Secret token = OMS__SECRET__INIT;
    struct err e = ERR_INIT;

    if (!check_project(y, f, &e)) {
        cycle_refuse(y, ev->call, &e);
        return;
    }
    struct project *p = project_new(y->c, f->name);
    kept_set(&p->file, &f->base);
    token.has_value = true;
    token.value = (ProtobufCBinaryData){ev->sealed_len, (uint8_t *)ev->sealed};
    kept_set(&p->stream_token, &token.base);
    p->created_us = y->now.wall.us;
    p->number = ++y->c->last_project;
    p->named.dirty = true;
    for (int k = 0; k < STEP_COUNT; k++)
        p->steps[k].dirty = true;
    cycle_event(y, "project.created", f->name, 0, "from '%s' to '%s'", f->source, f->target);
    cycle_say(y, ev->call, "project '%s' is created; oms project start %s starts it", f->name,
              f->name);
}

/* Of a copy that began: what it took off is made again only when the project catches up. */
static const char *keys_left(struct cycle *y, const struct project *p)
{
    const Oms__DetailRow *row = (const Oms__DetailRow *)p->checks.m;
    enum step_state full = p->steps[STEP_FULL].state;
    struct buf out CLEANUP(buf_fini) = {0};

    buf_init(&out, 1u << 20);
    if (full == STEP_PENDING || full == STEP_SKIPPED || project_is_released(p))
        return "";
    for (size_t i = 0; row && i < row->n_checks; i++)
        if (text_is(row->checks[i]->id, "target.unique_keys"))
            buf_printf(&out, "%s%s", out.len > 0 ? ", " : "",
                       text_or_empty(row->checks[i]->object));
    if (out.len == 0)
        return "";
    return arena_printf(y->a,
                        "; unless it had caught up, unique keys that the copy took off are missing "
                        "there (of %s), and what makes them is told by SELECT CONVERT(statement "
                        "USING utf8mb4) FROM oms_meta.ddl WHERE state='keys' AND task='%s/full'",
                        buf_cstr(&out), p->named.key);
}

void command_project_remove(struct cycle *y, const struct cluster_event *ev)
{
    const char *name = text_or_empty(((const Oms__NameRequest *)ev->request)->name);
    struct project *p = cluster_project(y->c, name);
    struct err e = ERR_INIT;

    if (!p)
        err_set(&e, ERR_NOT_FOUND, "there is no project '%s'", name);
    else if (p->want != WANT_INIT && p->want != WANT_PAUSE && !project_is_released(p) &&
             !project_is_failed(p))
        err_set(&e, ERR_WRONG_STATE,
                "cannot remove project '%s': it is %s; pause or release it first", name,
                project_state_name(p));
    if (e.code != ERR_NONE) {
        cycle_refuse(y, ev->call, &e);
        return;
    }
    const char *keys = keys_left(y, p);
    for (int k = 0; k < STEP_COUNT; k++) {
        struct component *x = project_component(y->c, p, (enum step_kind)k);
        if (x)
            component_remove(y, x);
        cycle_remove(y, "step", arena_printf(y->a, "%s/%s", name, step_rows[k].name));
    }
    incidents_of_project_gone(y, name);
    cycle_remove(y, "detail", arena_printf(y->a, "%s/checks", name));
    cycle_remove(y, "detail", arena_printf(y->a, "%s/objects", name));
    cycle_remove(y, "detail", arena_printf(y->a, "%s/tables", name));
    cycle_remove(y, "project", name);
    cycle_event(y, "project.removed", name, 0, "a person removes it");
    cycle_say(y, ev->call, "project '%s' is removed; tables on the target stay as they are%s", name,
              keys);
    named_drop(&y->c->projects, &p->named);
    project_free(p);
}
