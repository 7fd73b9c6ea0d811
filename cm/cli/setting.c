/*
 * oms project set: SECTION.KEY=VALUE become the sections of a request. What may be set is the
 * rules' business (pbtext_check_live); here the text is taken apart.
 */
#include <string.h>

#include "cm/cli/cli.h"
#include "common/pbtext/pbtext.h"
#include "proto/admin.pb-c.h"

#define TEXT_MAX 65536

/* Values are whole numbers: so are all that change while a project runs. */
static bool is_setting(const char *arg)
{
    const char *eq = strchr(arg, '='), *dot = strchr(arg, '.');

    return eq && dot && dot > arg && dot + 1 < eq && eq[1] != '\0' &&
           eq[1 + strspn(eq + 1, "0123456789")] == '\0' &&
           strspn(arg, "abcdefghijklmnopqrstuvwxyz_.") == (size_t)(eq - arg);
}

static bool is_of(const char *arg, const char *section)
{
    size_t n = strlen(section);

    return strncmp(arg, section, n) == 0 && arg[n] == '.';
}

/* "incremental: {max_rows_per_second: 5, max_mb_per_second: 1}" */
static void put_section(struct cli *c, const char *section, struct buf *yaml)
{
    const char *between = "{";

    for (size_t i = 1; i < c->n_args; i++) {
        const char *key = c->args[i] + strlen(section) + 1, *eq = strchr(c->args[i], '=');

        if (!is_of(c->args[i], section))
            continue;
        if (between[0] == '{')
            buf_printf(yaml, "%s: ", section);
        buf_printf(yaml, "%s%.*s: %s", between, (int)(eq - key), key, eq + 1);
        between = ", ";
    }
    if (between[0] != '{')
        buf_str(yaml, "}\n");
}

static bool read_settings(struct cli *c, struct buf *yaml)
{
    static const char *const sections[] = {"full", "incremental"};
    struct buf list CLEANUP(buf_fini);

    buf_init(&list, TEXT_MAX);
    pbtext_live_list(&oms__project_set_request__descriptor, &list);
    for (size_t i = 1; i < c->n_args; i++) {
        bool known = false;

        for (size_t k = 0; k < ARRAY_LEN(sections); k++)
            known |= is_of(c->args[i], sections[k]);
        if (!known)
            return err_set(&c->e, ERR_INVALID,
                           "'%s': cannot be changed in a project that exists; what can: %s",
                           c->args[i], buf_cstr(&list));
        if (!is_setting(c->args[i]))
            return err_set(&c->e, ERR_INVALID,
                           "'%s' is not SECTION.KEY=NUMBER, a whole one; keys are: %s", c->args[i],
                           buf_cstr(&list));
    }
    for (size_t k = 0; k < ARRAY_LEN(sections); k++)
        put_section(c, sections[k], yaml);
    return true;
}

enum cli_exit cli_project_set(struct cli *c)
{
    struct buf yaml CLEANUP(buf_fini);
    ProtobufCMessage *m;

    buf_init(&yaml, TEXT_MAX);
    if (!read_settings(c, &yaml) ||
        !pbtext_parse_yaml("settings", (const char *)yaml.p, yaml.len,
                           &oms__project_set_request__descriptor, &c->arena, &m, &c->e))
        return cli_failed(c);
    Oms__ProjectSetRequest *r = (Oms__ProjectSetRequest *)m;
    r->name = (char *)c->args[0];
    if (!pbtext_check_live(&r->base, &c->e))
        return cli_failed(c);
    return cli_command_call(c, "ProjectSet", &r->base);
}
