/* oms explain: the table of errors for people. */
#include <ctype.h>
#include <string.h>

#include "cm/cli/cli.h"
#include "common/pbtext/pbtext.h"

static const char *const reactions[] = {
    [ERR_CLASS_RETRY] = "tried again by itself",
    [ERR_CLASS_STOP] = "stops and waits for a person",
    [ERR_CLASS_FENCE] = "this process stops writing at once",
    [ERR_CLASS_BUG] = "a defect; stops",
};

static void put_markdown(struct buf *out)
{
    buf_str(out,
            "# Error codes\n\nMade from the table of errors by `make docs`; `oms explain CODE` "
            "prints one.\n");
    for (int i = 1; i < ERR_COUNT; i++) {
        const struct err_entry *x = err_entry_of((enum err_code)i);

        buf_printf(out, "\n## %s\n\n%s. Likely cause: %s. What to do: %s. (%s)\n", x->name,
                   x->meaning, x->cause, x->remedy, reactions[x->cls]);
    }
}

static void put_object(struct cli *c, const char *const *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_str(&c->out, i == 0 ? "{" : i % 2 ? ": " : ", ");
        pbtext_format_string(pairs[i], &c->out);
    }
    buf_str(&c->out, "}");
}

static void put_one(struct cli *c, const struct err_entry *x)
{
    const char *const pairs[] = {"code",   x->name,  "meaning", x->meaning, "cause",
                                 x->cause, "remedy", x->remedy, "reaction", reactions[x->cls]};

    if (c->output == OUTPUT_JSON) {
        put_object(c, pairs, ARRAY_LEN(pairs));
        buf_str(&c->out, "\n");
    } else
        buf_printf(&c->out, "%s: %s\n  likely cause: %s\n  what to do:   %s\n  OMS itself:   %s\n",
                   x->name, x->meaning, x->cause, x->remedy, reactions[x->cls]);
}

static void put_all(struct cli *c)
{
    static const char *const head[] = {"CODE", "MEANING"};
    struct pbtext_table *t;

    if (c->output == OUTPUT_JSON) {
        for (int i = 1; i < ERR_COUNT; i++) {
            const struct err_entry *x = err_entry_of((enum err_code)i);
            const char *const pairs[] = {"code", x->name, "meaning", x->meaning};

            buf_str(&c->out, i == 1 ? "{\"errors\": [" : ",\n");
            put_object(c, pairs, ARRAY_LEN(pairs));
        }
        buf_str(&c->out, "]}\n");
        return;
    }
    t = pbtext_table_new(head, 2);
    for (int i = 1; i < ERR_COUNT; i++) {
        const struct err_entry *x = err_entry_of((enum err_code)i);

        pbtext_table_row(t, (const char *const[]){x->name, x->meaning});
    }
    pbtext_table_write(t, cli_terminal_width(), &c->out);
    pbtext_table_free(t);
}

enum cli_exit cli_explain(struct cli *c)
{
    char *name;
    enum err_code code;

    if (cli_value(c, "markdown")) {
        put_markdown(&c->out);
        return CLI_FINE;
    }
    if (c->n_args == 0) {
        put_all(c);
        return CLI_FINE;
    }
    if (strcmp(c->args[0], "lag") == 0)
        return c->n_args == 2 ? cli_explain_lag(c, c->args[1])
                              : cli_usage(c, "oms explain lag needs a project");
    if (c->n_args > 1)
        return cli_usage(c, "one error code at a time");
    name = arena_strdup(&c->arena, c->args[0]);
    for (char *p = name; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    if (!err_code_from_name(name, &code)) {
        err_set(&c->e, ERR_NOT_FOUND, "no error code '%s'; `oms explain` lists all", c->args[0]);
        return cli_failed(c);
    }
    put_one(c, err_entry_of(code));
    return CLI_FINE;
}
