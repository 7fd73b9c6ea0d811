/* Unpacking (inflate.h). */
#include "components/endpoint/mysql/binlog/inflate.h"

#include <string.h>

void inflater_fini(struct inflater *i)
{
    if (i->open)
        inflateEnd(&i->z);
    *i = (struct inflater){.open = false};
}

static bool begin(struct inflater *i, bool raw)
{
    int bits = raw ? -15 : 15;

    if (i->open && i->raw == raw)
        return inflateReset(&i->z) == Z_OK;
    if (i->open ? inflateReset2(&i->z, bits) != Z_OK : inflateInit2(&i->z, bits) != Z_OK)
        return false;
    i->open = true;
    i->raw = raw;
    return true;
}

static bool run(struct inflater *i, bool raw, struct view in, uint8_t *to, size_t len)
{
    uint8_t nothing;

    if (in.len > UINT32_MAX || len > UINT32_MAX || !begin(i, raw))
        return false;
    i->z.next_in = (Bytef *)(uintptr_t)in.p;
    i->z.avail_in = (uInt)in.len;
    i->z.next_out = len > 0 ? to : &nothing;
    i->z.avail_out = (uInt)len;
    return inflate(&i->z, Z_FINISH) == Z_STREAM_END && i->z.avail_out == 0;
}

bool inflate_event(struct inflater *i, struct view block, struct buf *out)
{
    struct cursor c = cursor_of(block.p, block.len);
    uint8_t head = cursor_u8(&c);
    unsigned n = head & 7;

    if (c.failed || (head & 0xf8) != 0x80 || n == 0 || n > 4)
        return false;
    size_t len = (size_t)cursor_be(&c, n);
    if (c.failed || !buf_reserve(out, len + 1)) /* never an empty buffer: its bytes are NULL */
        return false;
    if (!run(i, false, (struct view){c.p, cursor_left(&c)}, out->p + out->len, len))
        return false;
    out->len += len;
    return true;
}

bool inflate_column_len(struct view value, size_t *len)
{
    struct cursor c = cursor_of(value.p, value.len);

    *len = 0;
    if (value.len == 0)
        return true;
    uint8_t head = cursor_u8(&c);
    if (head == 0) {
        *len = cursor_left(&c);
        return true;
    }
    unsigned n = head & 7;
    if ((head & 0xf0) != 0x80 || n == 0 || n > 4)
        return false;
    *len = (size_t)cursor_be(&c, n);
    return !c.failed;
}

bool inflate_column(struct inflater *i, struct view value, uint8_t *to, size_t len)
{
    if (value.len == 0)
        return len == 0;
    if (value.p[0] == 0) {
        memcpy(to, value.p + 1, len);
        return len == value.len - 1;
    }
    size_t skip = 1 + (value.p[0] & 7u);
    bool raw = value.p[0] & 8;
    return value.len > skip &&
           run(i, raw, (struct view){value.p + skip, value.len - skip}, to, len);
}
