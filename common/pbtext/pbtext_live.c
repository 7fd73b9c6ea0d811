/* Settings that may change while a project runs, by the rules' `live` (pbtext.h). Pure. */
#include "common/pbtext/pbtext_priv.h"

#define LIST_MAX 4096

static bool is_section(const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED;
}

static bool is_live(const ProtobufCMessageDescriptor *section, const ProtobufCFieldDescriptor *f)
{
    const struct pbtext_rule *r = rule_find(section->name, f->name);

    return r && r->live;
}

void pbtext_live_list(const ProtobufCMessageDescriptor *type, struct buf *out)
{
    const char *comma = "";

    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCMessageDescriptor *section = type->fields[i].descriptor;

        if (!is_section(&type->fields[i]))
            continue;
        for (unsigned k = 0; k < section->n_fields; k++)
            if (is_live(section, &section->fields[k])) {
                buf_printf(out, "%s%s.%s", comma, type->fields[i].name, section->fields[k].name);
                comma = ", ";
            }
    }
}

static bool refuse(const ProtobufCMessage *m, const char *section, const char *field, struct err *e)
{
    struct buf list CLEANUP(buf_fini);

    buf_init(&list, LIST_MAX);
    pbtext_live_list(m->descriptor, &list);
    return err_set(e, ERR_UNSUPPORTED,
                   "%s.%s: cannot be changed in a project that exists; what can: %s", section,
                   field, buf_cstr(&list));
}

bool pbtext_check_live(const ProtobufCMessage *m, struct err *e)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCMessage *part;

        if (!is_section(&d->fields[i]) || !member_is_present(m, &d->fields[i]))
            continue;
        part = *(const ProtobufCMessage *const *)member_of(m, &d->fields[i]);
        for (unsigned k = 0; k < part->descriptor->n_fields; k++) {
            const ProtobufCFieldDescriptor *f = &part->descriptor->fields[k];

            if (member_is_present(part, f) && !is_live(part->descriptor, f))
                return refuse(m, d->fields[i].name, f->name, e);
        }
    }
    return true;
}
