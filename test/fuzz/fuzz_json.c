/* Documents in MySQL's binary form, and changes to them: any bytes become text or are refused, and
 * what is text has quotes and brackets in pairs. Input: u16 length of the document, the document,
 * changes. */
#include <stdint.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/binlog/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX (1u << 20)

static void check_text(const struct buf *b)
{
    int depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < b->len; i++) {
        uint8_t c = b->p[i];
        must(c >= 0x20);
        if (quoted && c == '\\')
            must(++i < b->len);
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        must(depth >= 0);
    }
    must(!quoted && depth == 0 && b->len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_of(data, size);
    struct view document = cursor_take(&c, cursor_u16(&c));
    struct buf b;

    if (c.failed)
        return 0;
    buf_init(&b, TEXT_MAX);
    if (json_text(document, &b))
        check_text(&b);
    buf_clear(&b);
    if (json_text_changed(document, (struct view){c.p, cursor_left(&c)}, &b))
        check_text(&b);
    buf_fini(&b);
    return 0;
}
