/*
 * What went wrong, for people (a line and where to read on) and for programs (-o json: one line of
 * JSON on standard error and nothing else there), with the exit code that fits.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cm/cli/cli.h"
#include "common/pbtext/pbtext.h"

#define LINE_MAX_BYTES (1u << 20)

void cli_say(const struct cli *c, const char *fmt, ...)
{
    va_list ap;

    if (c->output == OUTPUT_JSON)
        return; /* standard error is for one error then */
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static void put_pair(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "\"%s\": ", name);
    pbtext_format_string(value, out);
    buf_str(out, ", ");
}

/* remedy NULL: the one of the table. */
static void put_json(enum err_code code, const char *message, const char *remedy, enum cli_exit x)
{
    const struct err_entry *entry = err_entry_of(code);
    struct buf out;

    buf_init(&out, LINE_MAX_BYTES);
    buf_str(&out, "{\"error\": {");
    put_pair(&out, "code", entry->name);
    put_pair(&out, "message", message);
    put_pair(&out, "meaning", entry->meaning);
    put_pair(&out, "cause", entry->cause);
    put_pair(&out, "remedy", remedy ? remedy : entry->remedy);
    buf_printf(&out, "\"exit_code\": %d}}\n", (int)x);
    fputs(buf_cstr(&out), stderr);
    buf_fini(&out);
}

enum cli_exit cli_ends(struct cli *c, enum cli_exit x)
{
    cli_flush(c);
    if (c->output == OUTPUT_JSON) {
        put_json(c->e.code, c->e.message,
                 x == CLI_TIMEOUT ? "wait longer, or see oms project show and oms events" : NULL,
                 x);
        return x;
    }
    fprintf(stderr, "oms: %s: %s\n", err_name(c->e.code), c->e.message);
    if (c->e.code != ERR_UNAVAILABLE && c->e.code != ERR_INVALID)
        fprintf(stderr, "     (oms explain %s)\n", err_name(c->e.code));
    return x;
}

enum cli_exit cli_failed(struct cli *c)
{
    return cli_ends(c, c->e.code == ERR_UNAVAILABLE ? CLI_UNREACHABLE : CLI_FAILED);
}

enum cli_exit cli_usage(struct cli *c, const char *fmt, ...)
{
    bool known = c->command && *c->command->noun;
    const char *verb = known ? c->command->verb : NULL;
    const char *help = arena_printf(&c->arena, "oms %s%s%s%s--help", known ? c->command->noun : "",
                                    verb ? " " : "", verb ? verb : "", known ? " " : "");
    char text[ERR_MESSAGE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cli_flush(c);
    if (c->output == OUTPUT_JSON)
        put_json(ERR_USAGE, text, help, CLI_USAGE);
    else
        fprintf(stderr, "oms: %s\n     (%s)\n", text, help);
    return CLI_USAGE;
}

bool cli_error_of(struct cli *c, const Oms__Error *e)
{
    enum err_code code = ERR_UNAVAILABLE;

    (void)err_code_from_name(cli_or(e->code, ""), &code); /* an unknown one stays UNAVAILABLE */
    return err_set(&c->e, code, "%s", cli_or(e->message, cli_or(e->code, "no reason is given")));
}
