/* What a Store could send, through the intake: whatever the bytes are, it refuses or gives whole
 * transactions, and every block comes back. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/incr_sync/core/intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t live_blocks;

static void scope(void *arg, const struct table_def *t, struct intake_scope *out)
{
    (void)arg;
    *out = (struct intake_scope){.in_scope = true, .to_db = t->db, .to_name = t->name};
}

static bool ddl_in_scope(void *arg, const struct ddl_record *d)
{
    (void)arg;
    return d->in_scope;
}

static enum fold fold(void *arg, const struct column_def *c)
{
    (void)arg;
    return c->kind == KIND_TEXT ? fold_of_text(c->charset, c->collation) : FOLD_EXACT;
}

static void idle(void *arg, struct source_block *b)
{
    (void)arg;
    live_blocks--;
    source_block_free(b);
}

/* A table of a number and a text, so that rows can be hit without inventing a definition. */
static void put_table(struct buf *out)
{
    static const struct column_def columns[] = {
        {.name = "id", .kind = KIND_I32, .charset = "", .collation = "", .native = "int(11)"},
        {.name = "t",
         .kind = KIND_TEXT,
         .nullable = true,
         .charset = "utf8mb4",
         .collation = "utf8mb4_bin",
         .native = "text"},
    };
    static const struct key_part part[] = {{.column = 0}};
    static const struct key_def key[] = {
        {.name = "PRIMARY", .primary = true, .unique = true, .n_parts = 1, .parts = part}};
    struct table_def t = {.id = 1,
                          .db = "d",
                          .name = "t",
                          .engine = "",
                          .charset = "",
                          .collation = "",
                          .n_columns = 2,
                          .columns = columns,
                          .n_keys = 1,
                          .keys = key,
                          .family = "",
                          .create_text = ""};

    record_write_table(out, &t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct txn_set none;
    struct intake_params p = {.low = &none,
                              .done = &none,
                              .scope = scope,
                              .ddl_in_scope = ddl_in_scope,
                              .fold = fold,
                              .txn_limit_bytes = 100000,
                              .barrier_bytes = 50000,
                              .barrier_keys = 100};
    struct source_block *b = source_block_new(size + 4096);
    struct err e = ERR_INIT;
    struct intake *in;
    bool ok;

    txn_set_init(&none);
    in = intake_new(&p);
    live_blocks = 1;
    put_table(&b->raw);
    buf_append(&b->raw, data, size);
    ok = intake_block(in, b, &e);
    must(ok == (e.code == ERR_NONE));
    for (size_t i = 0; i < b->txns.n; i++)
        source_txn_release(b->txns.at[i], idle, NULL);
    intake_drop_open(in, idle, NULL);
    if (source_block_unref(b))
        idle(NULL, b);
    must(live_blocks == 0);
    intake_free(in);
    return 0;
}
