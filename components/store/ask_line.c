/* Records as lines of JSON, for dump and trace. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/must.h"
#include "components/record/value_text.h"
#include "components/store/ask_priv.h"

static const char *const op_names[] = {
    [CHANGE_INSERT] = "insert", [CHANGE_UPDATE] = "update", [CHANGE_DELETE] = "delete"};

void line_text(struct buf *out, const char *name, const void *p, size_t n)
{
    buf_printf(out, ", \"%s\": ", name);
    if (bytes_are_utf8(p, n))
        json_put_text(out, p, n);
    else
        buf_str(out, "null");
}

static void line_time(struct buf *out, const char *name, struct wall t)
{
    char text[WALL_TEXT_MAX];

    wall_format(t, text);
    buf_printf(out, ", \"%s\": \"%s\"", name, text);
}

void line_begin(struct buf *out, const char *kind, const struct txn_head *h)
{
    buf_printf(out, "{\"kind\": \"%s\"", kind);
    if (!h)
        return;
    buf_printf(out, ", \"txn\": \"%s=%" PRIu64 "\"", h->id.origin, h->id.seq);
    line_time(out, "commit", h->commit);
    if (h->native.len > 0)
        line_text(out, "position", h->native.p, h->native.len);
}

bool line_row(struct buf *out, const char *name, const struct table_def *t, const struct change *ch,
              struct view row)
{
    struct value *v = must_calloc(t->n_columns ? t->n_columns : 1, sizeof *v);
    bool first = true, ok;

    ok = row_read(t, ROWS_CANONICAL, ch->flags & CHANGE_F_ABSENT, row, v);
    buf_printf(out, ", \"%s\": {", name);
    for (uint16_t i = 0; ok && i < t->n_columns; i++) {
        if (v[i].state == VALUE_ABSENT)
            continue;
        if (!first)
            buf_str(out, ", ");
        first = false;
        json_put_text(out, t->columns[i].name, strlen(t->columns[i].name));
        buf_str(out, ": ");
        value_put_json(out, &t->columns[i], &v[i]);
    }
    buf_u8(out, '}');
    free(v);
    return ok;
}

void line_ddl(struct buf *out, const struct walk_record *r)
{
    const struct ddl_record *d = &r->ddl;

    line_begin(out, "ddl", &r->head);
    line_text(out, "database", d->default_db.p, d->default_db.len);
    if (d->table.len > 0) {
        struct buf name;

        buf_init(&name, 1024);
        buf_printf(&name, "%.*s.%.*s", (int)d->db.len, (const char *)d->db.p, (int)d->table.len,
                   (const char *)d->table.p);
        line_text(out, "table", name.p, name.len);
        buf_fini(&name);
    }
    line_text(out, "sql", d->sql.p, d->sql.len);
    buf_str(out, "}\n");
}

void line_heartbeat(struct buf *out, const struct walk_record *r)
{
    line_begin(out, "heartbeat", NULL);
    line_time(out, "time", r->time);
    line_text(out, "position", r->native.p, r->native.len);
    buf_str(out, "}\n");
}

bool line_change(struct buf *out, const struct walk_record *r, const struct change *ch,
                 uint64_t number)
{
    bool ok = true;

    line_begin(out, "change", &r->head);
    buf_printf(out, ", \"number\": %" PRIu64 ", \"table\": ", number);
    struct buf name;
    buf_init(&name, 1024);
    buf_printf(&name, "%s.%s", ch->table->db, ch->table->name);
    json_put_text(out, name.p, name.len);
    buf_fini(&name);
    buf_printf(out, ", \"op\": \"%s\"", op_names[ch->op]);
    if (ch->before.p)
        ok = line_row(out, "before", ch->table, ch, ch->before);
    if (ok && ch->after.p)
        ok = line_row(out, "after", ch->table, ch, ch->after);
    buf_str(out, "}\n");
    return ok;
}
