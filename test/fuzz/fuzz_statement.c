/* Statements of a log: any bytes are read, every name found is a text, every span lies inside.
 * Input: u8 mode, then the statement. */
#include <stdint.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/ddl/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct statement s;

    if (size == 0)
        return 0;
    uint64_t mode = (data[0] & 1 ? SQL_MODE_ANSI_QUOTES : 0) |
                    (data[0] & 2 ? SQL_MODE_NO_BACKSLASH_ESCAPES : 0);
    arena_init(&arena, 0);
    statement_read((struct view){data + 1, size - 1}, "d", mode, &arena, &s);
    for (size_t i = 0; i < s.n_names; i++) {
        must(strlen(s.names[i].db) <= size && strlen(s.names[i].name) <= size);
        must(s.names[i].at <= size - 1 && s.names[i].len <= size - 1 - s.names[i].at);
    }
    for (size_t i = 0; i < s.n_cuts; i++)
        must(s.cuts[i].at <= size - 1 && s.cuts[i].len <= size - 1 - s.cuts[i].at);
    for (size_t i = 0; i < s.n_actions; i++)
        must(s.actions[i].at <= size - 1 && s.actions[i].len <= size - 1 - s.actions[i].at);
    struct view v = statement_text((struct view){data + 1, size - 1}, mode, data[0] & 4,
                                   data[0] & 8 ? 101100 : 50600, &arena);
    must(v.len == size - 1);
    must(s.class != STATEMENT_DDL || s.ddl != DDL_DATABASE || s.database);
    arena_fini(&arena);
    return 0;
}
