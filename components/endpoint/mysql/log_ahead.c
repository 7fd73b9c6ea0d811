/*
 * DDL that lies ahead (log_priv.h, correctness A15). Where table maps do not name their columns, a
 * definition is taken from the catalog, which says how the table is now and not how it was when the
 * rows were written. The two are the same if the log has no DDL on the table in between, and that
 * is read: a second dump, from the event behind to the log's end, of which only statements are
 * looked at. It is read once; later questions go on where it stood.
 *
 * What the catalog shows is in the log by then: either server writes a DDL to its log before it
 * lets go of the table's metadata lock, and a definition is read under that lock (MySQL's
 * dictionary: committed after the log). So DDL behind the end that was asked for after the
 * definition was read does not count.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "components/endpoint/mysql/log_priv.h"

#define TO_THE_END 1 /* a flag of the dump: stop there */
#define WAIT_MS 30000
#define EVENT_TEXT_MAX ((size_t)1100 << 20)
#define SHOWN 120
#define MAGIC_BYTES 4

struct ddl_ahead {
    size_t file;
    uint64_t pos; /* behind it */
    char *db, *name;
    char text[SHOWN + 1];
};
struct ahead {
    VEC(char *) files; /* in their order; the last one is read up to pos */
    uint64_t pos;
    VEC(struct ddl_ahead) ddl;
};

void ahead_fini(struct log *l)
{
    struct ahead *a = l->ahead;

    if (!a)
        return;
    for (size_t i = 0; i < a->files.n; i++)
        free(a->files.at[i]);
    for (size_t i = 0; i < a->ddl.n; i++) {
        free(a->ddl.at[i].db);
        free(a->ddl.at[i].name);
    }
    vec_fini(&a->files);
    vec_fini(&a->ddl);
    free(a);
    l->ahead = NULL;
}

/* --- reading on ---------------------------------------------------------------------------------
 */

static void touched(void *arg, const char *db, const char *name, struct view sql)
{
    struct log *look = arg;
    struct ahead *a = look->ahead;
    struct ddl_ahead d = {.file = a->files.n - 1,
                          .pos = look->pos,
                          .db = db ? must_strdup(db) : NULL,
                          .name = name ? must_strdup(name) : NULL};

    (void)snprintf(d.text, sizeof d.text, "%.*s", sql.len < SHOWN ? (int)sql.len : SHOWN,
                   (const char *)sql.p);
    vec_push(&a->ddl, d);
}

static bool rotated(struct log *look, struct view body, struct err *e)
{
    struct binlog_rotate r;
    struct ahead *a = look->ahead;

    if (!binlog_read_rotate(body, &r, e))
        return false;
    const char *last = a->files.at[a->files.n - 1];
    look->pos = r.pos;
    if (strlen(last) != r.file.len || memcmp(last, r.file.p, r.file.len) != 0) {
        char *name = must_alloc(r.file.len + 1);
        memcpy(name, r.file.p, r.file.len);
        name[r.file.len] = '\0';
        vec_push(&a->files, name);
        a->pos = MAGIC_BYTES;
    }
    return true;
}

static bool look_at(struct log *look, struct view event, struct err *e)
{
    struct binlog_header h;
    struct view body;

    if (!binlog_event_open(&look->format, event, &h, &body, e))
        return false;
    log_move_position(look, &h);
    switch (h.type) {
    case BINLOG_FORMAT:
        return binlog_read_format(body, &look->format, e);
    case BINLOG_ROTATE:
        return rotated(look, body, e);
    case BINLOG_QUERY:
    case BINLOG_QUERY_COMPRESSED:
        return look->pos <= look->ahead->pos || log_query_touches(look, &h, body, touched, look, e);
    default:
        return true;
    }
}

static bool ask(struct log *look, uint32_t number, struct err *e)
{
    const char *file = look->ahead->files.at[look->ahead->files.n - 1];

    if (!log_dump_at(look->s, number, file, &look->pos, TO_THE_END, e))
        return false;
    packets_init(&look->packets, look->s);
    look->packets.may_end = true;
    return true;
}

static bool look_on(struct log *look, struct err *e)
{
    struct view event;
    bool got;

    while (!look->packets.ended) {
        if (!packets_next(&look->packets, WAIT_MS, &event, &got, e))
            return false;
        if (!got && !look->packets.ended)
            return err_set(e, ERR_SERVER_UNREACHABLE, "the source's log has been silent for %d s",
                           WAIT_MS / 1000);
        if (got && !look_at(look, event, e))
            return false;
    }
    return true;
}

/* From where it stood to the log's end. What was found stays found if it breaks off. */
static bool read_ahead(struct log *l, struct err *e)
{
    struct log look = {.address = l->address,
                       .collations = l->collations,
                       .small_names = l->small_names,
                       .ahead = l->ahead};
    bool ok;

    arena_init(&look.arena, 0);
    buf_init(&look.scratch, EVENT_TEXT_MAX);
    binlog_format_init(&look.format);
    look.pos = l->ahead->pos;
    ok = session_open(&l->address, SESSION_LOG, &look.s, e) &&
         (look.s->is_mariadb ? session_exec(look.s,
                                            "SET @master_binlog_checksum=@@global.binlog_checksum,"
                                            " @mariadb_slave_capability=4",
                                            e)
                             : log_mysql_settings(look.s, 0, e)) &&
         ask(&look, l->look_id, e) && look_on(&look, e);
    if (ok)
        l->ahead->pos = look.pos;
    packets_fini(&look.packets);
    session_close(look.s);
    inflater_fini(&look.z);
    buf_fini(&look.scratch);
    arena_fini(&look.arena);
    return ok || err_wrap(e, "look for DDL that lies ahead in the source's log");
}

/* --- the answer ---------------------------------------------------------------------------------
 */

/* Of a file that was never met: behind all. */
static size_t file_at(const struct ahead *a, const char *file)
{
    size_t i = 0;

    while (i < a->files.n && strcmp(a->files.at[i], file) != 0)
        i++;
    return i;
}

static bool is_behind(const struct ddl_ahead *d, size_t file, uint64_t pos)
{
    return d->file > file || (d->file == file && d->pos > pos);
}

static bool is_about(const struct ddl_ahead *d, const struct tracked *t)
{
    return (!d->db || strcmp(d->db, t->db) == 0) && (!d->name || strcmp(d->name, t->name) == 0);
}

static bool is_read_to(const struct ahead *a, const struct log_place *end)
{
    size_t file = file_at(a, end->file);

    return file + 1 < a->files.n || (file + 1 == a->files.n && a->pos >= end->offset);
}

bool ahead_is_clear(struct log *l, const struct tracked *t, const struct log_place *end,
                    struct err *e)
{
    if (!l->ahead) {
        l->ahead = must_calloc(1, sizeof *l->ahead);
        vec_push(&l->ahead->files, must_strdup(l->file));
        l->ahead->pos = l->pos;
    }
    struct ahead *a = l->ahead;
    if (!is_read_to(a, end) && !read_ahead(l, e))
        return false;
    size_t here = file_at(a, l->file), there = file_at(a, end->file);
    if (here == a->files.n || !is_read_to(a, end))
        return err_set(e, ERR_SERVER_UNREACHABLE,
                       "the source's log ended before %s:%" PRIu64 " when it was read ahead",
                       end->file, end->offset);
    for (size_t i = 0; i < a->ddl.n; i++) {
        const struct ddl_ahead *d = &a->ddl.at[i];
        if (is_about(d, t) && is_behind(d, here, l->pos) && !is_behind(d, there, end->offset))
            return err_set(e, ERR_LOG_METADATA,
                           "the log tells no column names for table '%s.%s' (binlog_row_metadata "
                           "is not FULL), and the catalog is past a statement that lies ahead, at "
                           "%s:%" PRIu64 ": '%s'",
                           t->db, t->name, a->files.at[d->file], d->pos, d->text);
    }
    return true;
}
