/*
 * Rules of fields: found in the generated tables, checked on messages however they came. Also the
 * access to members by descriptor, which everything here uses. Thread: any.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "common/pbtext/pbtext_priv.h"

void *member_of(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return (char *)m + f->offset;
}

size_t *member_count(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    return (size_t *)((char *)m + f->quantifier_offset);
}

static bool is_pointer(const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;
}

bool member_is_present(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *member_count(m, f) > 0;
    if (is_pointer(f)) {
        const void *p = *(void *const *)member_of(m, f);

        return p != NULL && p != f->default_value;
    }
    if (f->label == PROTOBUF_C_LABEL_OPTIONAL)
        return *(const protobuf_c_boolean *)((const char *)m + f->quantifier_offset);
    return true;
}

void member_set_present(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    if (f->label == PROTOBUF_C_LABEL_OPTIONAL && !is_pointer(f))
        *(protobuf_c_boolean *)((char *)m + f->quantifier_offset) = true;
}

size_t element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(int);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

struct rule_key {
    const char *message, *field;
};

static int rule_cmp(const void *key, const void *row)
{
    const struct rule_key *k = key;
    const struct pbtext_rule *r = row;
    int c = strcmp(k->message, r->message);

    return c ? c : strcmp(k->field, r->field);
}

const struct pbtext_rule *rule_find(const char *message, const char *field)
{
    struct rule_key key = {message, field};

    return bsearch(&key, pbtext_rules, pbtext_n_rules, sizeof pbtext_rules[0], rule_cmp);
}

const struct pbtext_method *pbtext_method_find(const char *service, const char *method)
{
    for (unsigned i = 0; i < pbtext_n_methods; i++)
        if (strcmp(pbtext_methods[i].service, service) == 0 &&
            strcmp(pbtext_methods[i].method, method) == 0)
            return &pbtext_methods[i];
    return NULL;
}

const char *place_format(const struct place *p, char *out, size_t cap)
{
    size_t n = 0;

    out[0] = '\0';
    if (!p)
        return out;
    if (p->up)
        n = strlen(place_format(p->up, out, cap));
    if (p->name && n < cap)
        n += (size_t)snprintf(out + n, cap - n, "%s%s", n ? "." : "", p->name);
    if (p->index >= 0 && n < cap)
        snprintf(out + n, cap - n, "[%d]", p->index + 1);
    return out;
}

/* "mariadb|mysql" holds value. */
static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);

    for (const char *p = choices;; p++) {
        size_t len = strcspn(p, "|");

        if (len == n && memcmp(p, value, n) == 0)
            return true;
        p += len;
        if (!*p)
            return false;
    }
}

static bool check_choice(const struct pbtext_rule *r, const char *value, struct err *e)
{
    char words[256];
    size_t n = 0;

    if (is_choice(r->choices, value))
        return true;
    for (const char *p = r->choices; *p && n + 3 < sizeof words; p++) {
        if (*p == '|')
            words[n++] = ',';
        words[n++] = *p == '|' ? ' ' : *p;
    }
    words[n] = '\0';
    return err_set(e, ERR_INVALID, "'%.64s' is not one of %s", value, words);
}

static bool out_of_bounds(const struct pbtext_rule *r, bool is_signed, long long value, bool less,
                          struct err *e)
{
    const char *unit = r->unit ? r->unit : "", *gap = r->unit ? " " : "";
    const char *how = less ? "less" : "more";
    long long bound = less ? r->min : r->max;

    if (is_signed)
        return err_set(e, ERR_INVALID, "%lld is %s than %lld%s%s", value, how, bound, gap, unit);
    return err_set(e, ERR_INVALID, "%llu is %s than %lld%s%s", (unsigned long long)value, how,
                   bound, gap, unit);
}

static bool check_bounds(const struct pbtext_rule *r, bool is_signed, long long value,
                         struct err *e)
{
    bool huge = !is_signed && value < 0; /* an unsigned value beyond what a bound can say */

    if (r->has_min && !huge && value < r->min)
        return out_of_bounds(r, is_signed, value, true, e);
    if (r->has_max && (huge || value > r->max))
        return out_of_bounds(r, is_signed, value, false, e);
    return true;
}

bool rule_check_value(const struct pbtext_rule *r, const ProtobufCFieldDescriptor *f,
                      const void *value, struct err *e)
{
    if (!r)
        return true;
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return !r->choices || check_choice(r, *(char *const *)value, e);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return check_bounds(r, true, *(const int32_t *)value, e);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return check_bounds(r, true, *(const int64_t *)value, e);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return check_bounds(r, false, *(const uint32_t *)value, e);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return check_bounds(r, false, (long long)*(const uint64_t *)value, e);
    default:
        return true;
    }
}

bool rule_check_needed(const ProtobufCMessage *m, struct err *e)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        const struct pbtext_rule *r = rule_find(d->name, f->name);

        if (!r || !r->needed)
            continue;
        if (!member_is_present(m, f))
            return err_set(e, ERR_INVALID, "needed key '%s' is missing (%s)", f->name,
                           r->doc ? r->doc : "no description");
        if (f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED &&
            **(char **)member_of(m, f) == '\0')
            return err_set(e, ERR_INVALID, "needed key '%s' is empty (%s)", f->name,
                           r->doc ? r->doc : "no description");
    }
    return true;
}

/* Puts the place before the message; always false. */
static bool at_place(const char *where, const struct place *p, struct err *e)
{
    char place[256];

    if (*place_format(p, place, sizeof place))
        err_wrap(e, "%s", place);
    if (where && *where)
        err_wrap(e, "%s", where);
    return false;
}

static bool check_message(const char *where, const ProtobufCMessage *m, const struct place *at,
                          struct err *e);

static bool check_element(const char *where, const ProtobufCMessage *m,
                          const ProtobufCFieldDescriptor *f, const void *value,
                          const struct place *at, struct err *e)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return check_message(where, *(ProtobufCMessage *const *)value, at, e);
    if (!rule_check_value(rule_find(m->descriptor->name, f->name), f, value, e))
        return at_place(where, at, e);
    return true;
}

static bool check_message(const char *where, const ProtobufCMessage *m, const struct place *at,
                          struct err *e)
{
    if (!rule_check_needed(m, e))
        return at_place(where, at, e);
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        struct place here = {at, f->name, -1};
        const char *items;

        if (!member_is_present(m, f))
            continue;
        if (f->label != PROTOBUF_C_LABEL_REPEATED) {
            if (!check_element(where, m, f, member_of(m, f), &here, e))
                return false;
            continue;
        }
        items = *(const char *const *)member_of(m, f);
        for (size_t k = 0; k < *member_count(m, f); k++) {
            here.index = (int)k;
            if (!check_element(where, m, f, items + k * element_size(f->type), &here, e))
                return false;
        }
    }
    return true;
}

bool pbtext_check(const char *where, const ProtobufCMessage *m, struct err *e)
{
    return check_message(where, m, NULL, e);
}
