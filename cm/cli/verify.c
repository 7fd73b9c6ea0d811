/* oms verify: comparing source and target. */
#include <string.h>

#include "cm/cli/cli.h"
#include "common/pbtext/pbtext.h"
#include "proto/admin.pb-c.h"

enum cli_exit cli_verify_start(struct cli *c)
{
    Oms__VerifyRequest r = OMS__VERIFY_REQUEST__INIT;

    r.name = (char *)c->args[0];
    r.tables = (char **)(c->args + 1);
    r.n_tables = c->n_args - 1;
    return cli_command_call(c, "VerifyStart", &r.base);
}

static const Oms__TableView *find_table(const Oms__ProjectView *v, const char *name)
{
    for (size_t i = 0; i < v->n_tables; i++)
        if (strcmp(cli_or(v->tables[i]->name, ""), name) == 0)
            return v->tables[i];
    return NULL;
}

/* One table: its line, and the first rows that differ. */
static enum cli_exit show_table(struct cli *c, const Oms__ProjectView *v, const char *table)
{
    const Oms__TableView *t = find_table(v, table);

    if (!t) {
        err_set(&c->e, ERR_NOT_FOUND, "project '%s' has no table '%s'", c->args[0], table);
        return cli_failed(c);
    }
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &t->base);
        return CLI_FINE;
    }
    buf_printf(&c->out, "%s: %s%s%s\n", table, cli_or(t->verification, "not compared yet"),
               t->detail ? ": " : "", cli_or(t->detail, ""));
    return CLI_FINE;
}

const char *cli_verify_counts(struct arena *a, const char *detail)
{
    const char *rows = strstr(cli_or(detail, ""), ". The first: ");

    return rows ? arena_strndup(a, detail, (size_t)(rows - detail)) : detail;
}

enum cli_exit cli_verify_show(struct cli *c)
{
    static const char *const head[] = {"TABLE", "VERDICT", "DETAIL"};
    Oms__ProjectView *v;
    struct pbtext_table *t;

    if (!cli_call_name(c, "ProjectShow", c->args[0], &v))
        return cli_failed(c);
    if (c->n_args > 1)
        return show_table(c, v, c->args[1]);
    if (c->output == OUTPUT_JSON) {
        buf_str(&c->out, "[");
        for (size_t i = 0; i < v->n_tables; i++) {
            buf_str(&c->out, i ? ",\n " : "");
            pbtext_format_json(&v->tables[i]->base, PBTEXT_EMPTY, &c->out);
        }
        buf_str(&c->out, "]\n");
        return CLI_FINE;
    }
    t = pbtext_table_new(head, ARRAY_LEN(head));
    for (size_t i = 0; i < v->n_tables; i++)
        pbtext_table_row(
            t, (const char *const[]){v->tables[i]->name, cli_or(v->tables[i]->verification, "-"),
                                     cli_verify_counts(&c->arena, v->tables[i]->detail)});
    pbtext_table_write(t, cli_terminal_width(), &c->out);
    pbtext_table_free(t);
    return CLI_FINE;
}
