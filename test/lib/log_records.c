/* Records for tests. See log_records.h. */
#include "test/lib/log_records.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"

const struct table_def *log_table(uint32_t id, const char *name)
{
    static const struct column_def columns[] = {
        {.name = "id", .kind = KIND_I64, .charset = "", .collation = "", .native = "bigint(20)"},
        {.name = "v",
         .kind = KIND_TEXT,
         .nullable = true,
         .charset = "utf8mb4",
         .collation = "utf8mb4_bin",
         .native = "mediumtext"},
    };
    static const struct key_part part[] = {{.column = 0}};
    static const struct key_def key[] = {
        {.name = "PRIMARY", .primary = true, .unique = true, .n_parts = 1, .parts = part}};
    struct table_def_builder b;
    const struct table_def *t = NULL;
    struct err e = ERR_INIT;

    table_def_builder_init(&b);
    b.def = (struct table_def){.id = id,
                               .db = "shop",
                               .name = name,
                               .engine = "InnoDB",
                               .charset = "utf8mb4",
                               .collation = "utf8mb4_bin",
                               .n_columns = ARRAY_LEN(columns),
                               .columns = columns,
                               .n_keys = ARRAY_LEN(key),
                               .keys = key,
                               .create_text = ""};
    must(table_def_seal(&b, &t, &e));
    table_def_builder_fini(&b);
    return t;
}

void log_txn_part(struct buf *out, const char *origin, uint64_t seq, uint32_t part, bool last,
                  const struct table_def *t, size_t text_len)
{
    struct txn_head h = {.id = {origin_intern(origin, strlen(origin)), seq},
                         .covers_from = seq,
                         .commit = {(int64_t)seq * 1000000},
                         .part = part,
                         .server_id = 1};
    char *text = must_alloc(text_len + 1);
    uint64_t x = seq << 8 | part;
    struct txn_writer w;
    struct row_writer row;
    size_t mark;

    for (size_t i = 0; i < text_len; i++) { /* letters that do not compress well */
        x = x * 6364136223846793005u + 1442695040888963407u;
        text[i] = (char)('a' + (x >> 40) % 26);
    }
    txn_writer_init(&w, out);
    txn_write_begin(&w, last ? RECORD_TXN : RECORD_TXN_PART, &h);
    txn_write_change(&w, t->id, CHANGE_INSERT, 0, IMAGE_FULL);
    mark = txn_image_begin(&w);
    row_begin(&row, out, t, ROWS_CANONICAL, false);
    row_put_u64(&row, seq);
    row_put_bytes(&row, text, text_len);
    row_end(&row);
    txn_image_end(&w, mark);
    txn_write_end(&w);
    free(text);
}

void log_txn(struct buf *out, const char *origin, uint64_t seq, const struct table_def *t,
             size_t text_len)
{
    log_txn_part(out, origin, seq, 0, true, t, text_len);
}

size_t log_ids(struct view records, struct txn_set *out)
{
    struct cursor c = cursor_of(records.p, records.len);
    struct record r;
    size_t n = 0;

    while (record_next(&c, &r)) {
        struct cursor body = cursor_of(r.body.p, r.body.len);
        struct txn_head h;

        if (r.type != RECORD_TXN && r.type != RECORD_DDL)
            continue;
        must(txn_head_read(&body, &h));
        txn_set_add(out, h.id.origin, h.covers_from, h.id.seq);
        n++;
    }
    must(!c.failed);
    return n;
}

struct txn_set log_set(const char *text)
{
    struct txn_set s;
    struct err e = ERR_INIT;

    must(txn_set_parse(text, &s, &e));
    return s;
}
