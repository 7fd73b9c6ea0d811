/* The table of kinds. See kind.h. */
#include "components/record/kind.h"

#include <string.h>

#define KIND_WIDTH_ROW(name, text, width, what) width,
const uint8_t kind_width[KIND_COUNT] = {KIND_TABLE(KIND_WIDTH_ROW)};
#undef KIND_WIDTH_ROW

#define KIND_NAME_ROW(name, text, width, what) text,
static const char *const names[KIND_COUNT] = {KIND_TABLE(KIND_NAME_ROW)};
#undef KIND_NAME_ROW

const char *kind_name(enum kind k)
{
    return (unsigned)k < KIND_COUNT ? names[k] : "?";
}

bool kind_from_name(const char *text, enum kind *k)
{
    for (unsigned i = 0; i < KIND_COUNT; i++)
        if (strcmp(names[i], text) == 0) {
            *k = (enum kind)i;
            return true;
        }
    return false;
}
