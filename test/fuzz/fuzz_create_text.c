/* A server's CREATE TABLE text: any bytes are cut into clauses that lie inside the text, or
 * refused; and conversion of what was cut ends. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/convert/convert.h"
#include "components/convert/create_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void map(void *arg, const char *db, const char *table, const char **to_db,
                const char **to_table)
{
    (void)arg;
    *to_db = db;
    *to_table = table;
}

static bool each(void *arg, const char *name, bool cascades, const char *ddl, struct err *e)
{
    (void)arg;
    (void)cascades;
    (void)e;
    must(name && strncmp(ddl, "ALTER TABLE ", 12) == 0);
    return true;
}

static void convert(const char *text, const struct create_text *create)
{
    struct column_def *columns = must_calloc(create->n + 1, sizeof *columns);
    struct table_def t = {.db = "d",
                          .name = "t",
                          .family = "",
                          .create_text = text,
                          .columns = columns,
                          .row_key = -1};
    struct table_def none = {.db = "d", .name = "t", .row_key = -1};
    struct err e = ERR_INIT;
    struct buf ddl;
    bool any;

    for (size_t i = 0; i < create->n; i++)
        if (create->clauses[i].kind == CLAUSE_COLUMN)
            columns[t.n_columns++] = (struct column_def){
                .name = create->clauses[i].name, .kind = KIND_BYTES, .charset = ""};
    buf_init(&ddl, 1 << 20);
    if (convert_create_table(&t, "d", "t", &ddl, &e))
        must(ddl.len > 0);
    buf_clear(&ddl);
    if (convert_add_indexes(&t, &none, "d", "t", INDEX_PLAIN, &ddl, &any, &e))
        must(any == (ddl.len > 0));
    if (!convert_foreign_keys(&t, "d", "t", map, each, NULL, &e))
        must(e.code != ERR_NONE);
    buf_fini(&ddl);
    free(columns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct create_text create;
    struct err e = ERR_INIT;
    char *text = must_alloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    arena_init(&arena, 0);
    if (create_text_parse(text, &arena, &create, &e)) {
        const uint8_t *from = (const uint8_t *)text, *to = from + strlen(text);
        for (size_t i = 0; i < create.n; i++) {
            struct view v = create.clauses[i].text;
            must(v.p >= from && v.p + v.len <= to);
        }
        must(create.tail.p >= from && create.tail.p + create.tail.len <= to);
        convert(text, &create);
    } else {
        must(e.code != ERR_NONE);
    }
    arena_fini(&arena);
    free(text);
    return 0;
}
