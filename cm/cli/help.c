/* Help and the reference, made from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "cm/cli/cli.h"

#define EXIT_ROW(number, name, text) {number, text},
static const struct {
    int number;
    const char *text;
} exits[] = {CLI_EXITS(EXIT_ROW)};
#undef EXIT_ROW

static void put_synopsis(const struct cli_command *cmd, struct buf *out)
{
    buf_printf(out, "oms %s", cmd->noun);
    if (cmd->verb)
        buf_printf(out, " %s", cmd->verb);
    if (*cmd->args)
        buf_printf(out, " %s", cmd->args);
}

static void put_options(const struct cli_option *o, const char *lead, struct buf *out)
{
    for (; o->name; o++) {
        char head[64];
        int n = snprintf(head, sizeof head, "--%s%s%s%c%c", o->name, o->value ? " " : "",
                         o->value ? o->value : "", o->letter ? ',' : ' ', o->letter ? ' ' : ' ');

        if (o->letter)
            snprintf(head + n, sizeof head - (size_t)n, "-%c", o->letter);
        buf_printf(out, "%s%-26s %s\n", lead, head, o->help);
    }
}

static void put_lines(const char *text, const char *lead, struct buf *out)
{
    while (*text) {
        size_t n = strcspn(text, "\n");

        buf_printf(out, "%s%.*s\n", lead, (int)n, text);
        text += n + (text[n] == '\n');
    }
}

void cli_help_command(const struct cli_command *cmd, struct buf *out)
{
    put_synopsis(cmd, out);
    buf_printf(out, "\n    %s\n", cmd->about);
    put_options(cmd->options, "    ", out);
    buf_str(out, "  for example\n");
    put_lines(cmd->example, "    ", out);
    buf_str(out, "\n");
}

void cli_help_all(struct buf *out)
{
    const char *noun = "";

    buf_str(out, "oms: moves live databases.\n\ncommands:\n");
    for (size_t i = 0; i < cli_n_commands; i++) {
        const struct cli_command *cmd = &cli_commands[i];
        char line[128];

        if (i > 0 && strcmp(noun, cmd->noun) != 0 && cmd->verb)
            buf_str(out, "\n");
        noun = cmd->noun;
        snprintf(line, sizeof line, "oms %s%s%s%s%s", cmd->noun, cmd->verb ? " " : "",
                 cmd->verb ? cmd->verb : "", *cmd->args ? " " : "", cmd->args);
        buf_printf(out, "  %-34s %s\n", line, cmd->about);
    }
    buf_str(out, "\noptions of every command:\n");
    put_options(cli_global_options, "  ", out);
    buf_str(out, "\nexit codes:\n");
    for (size_t i = 0; i < ARRAY_LEN(exits); i++)
        buf_printf(out, "  %d  %s\n", exits[i].number, exits[i].text);
    buf_str(out, "\na first migration:\n"
                 "  oms up --dir ./var\n"
                 "  oms datasource add --example > shop.yaml     # edit; one file per server\n"
                 "  oms datasource add -f shop.yaml\n"
                 "  oms project create --example > project.yaml  # edit\n"
                 "  oms project create -f project.yaml\n"
                 "  oms project start shop-move\n"
                 "  oms project watch shop-move\n");
}

void cli_help_markdown(struct buf *out)
{
    buf_str(out, "# The command line\n\nMade from the table of commands by `make docs`.\n\n"
                 "## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(exits); i++)
        buf_printf(out, "| %d | %s |\n", exits[i].number, exits[i].text);
    buf_str(out, "\n## Options of every command\n\n```\n");
    put_options(cli_global_options, "", out);
    buf_str(out, "```\n");
    for (size_t i = 0; i < cli_n_commands; i++) {
        const struct cli_command *cmd = &cli_commands[i];

        buf_str(out, "\n## ");
        put_synopsis(cmd, out);
        buf_printf(out, "\n\n%s\n\n```\n", cmd->about);
        put_options(cmd->options, "", out);
        put_lines(cmd->example, "$ ", out);
        buf_str(out, "```\n");
    }
}

enum cli_exit cli_help(struct cli *c)
{
    bool found = false;

    if (cli_value(c, "markdown")) {
        cli_help_markdown(&c->out);
        return CLI_FINE;
    }
    for (size_t i = 0; i < cli_n_commands && c->n_args > 0; i++) {
        const struct cli_command *cmd = &cli_commands[i];

        if (strcmp(cmd->noun, c->args[0]) != 0)
            continue;
        if (c->n_args > 1 && (!cmd->verb || strcmp(cmd->verb, c->args[1]) != 0))
            continue;
        cli_help_command(cmd, &c->out);
        found = true;
    }
    if (c->n_args == 0)
        cli_help_all(&c->out);
    else if (!found)
        return cli_usage(c, "unknown command '%s%s%s'", c->args[0], c->n_args > 1 ? " " : "",
                         c->n_args > 1 ? c->args[1] : "");
    return CLI_FINE;
}
