/*
 * Parsing of the command line against the table of commands. Options may stand anywhere after the
 * command's words; "--" ends them. What cannot be understood leaves with CLI_USAGE before anything
 * is done.
 */
#include "cm/cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/base/version.h"
#include "common/pbtext/pbtext.h"

#define OUT_MAX (256u << 20)

void cli_flush(struct cli *c)
{
    for (size_t at = 0; at < c->out.len;) {
        ssize_t n = write(STDOUT_FILENO, c->out.p + at, c->out.len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            _exit(CLI_FAILED); /* nobody reads any more */
        at += (size_t)n;
    }
    buf_clear(&c->out);
}

static int find_option(const struct cli_option *list, const char *name, size_t len, char letter)
{
    for (int i = 0; list[i].name; i++)
        if (letter ? list[i].letter == letter
                   : strlen(list[i].name) == len && memcmp(list[i].name, name, len) == 0)
            return i;
    return -1;
}

const char *cli_value(const struct cli *c, const char *name)
{
    int i = find_option(c->command->options, name, strlen(name), 0);

    if (i >= 0)
        return c->values[i];
    i = find_option(cli_global_options, name, strlen(name), 0);
    must(i >= 0);
    return c->globals[i];
}

bool cli_number(struct cli *c, const char *name, long low, long high, long *out)
{
    const char *text = cli_value(c, name);
    char *end;
    long v;

    if (!text)
        return true;
    errno = 0;
    v = strtol(text, &end, 10);
    if (errno || end == text || *end || v < low || v > high)
        return err_set(&c->e, ERR_INVALID, "--%s: '%s' is not a whole number from %ld to %ld", name,
                       text, low, high);
    *out = v;
    return true;
}

/* The command that the first words name; *used = how many. */
static const struct cli_command *find_command(int argc, char **argv, int *used)
{
    for (size_t i = 0; i < cli_n_commands; i++) {
        const struct cli_command *cmd = &cli_commands[i];

        if (argc < 1 || strcmp(cmd->noun, argv[0]) != 0)
            continue;
        *used = cmd->verb ? 2 : 1;
        if (!cmd->verb || (argc > 1 && strcmp(cmd->verb, argv[1]) == 0))
            return cmd;
    }
    return NULL;
}

/* The option that is written most like this one; "" = none is near. */
static const char *guess_option(struct cli *c, const char *name)
{
    const struct cli_option *const lists[] = {c->command->options, cli_global_options};
    const char *best = NULL;
    size_t least = strlen(name) / 2 + 1;

    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        for (const struct cli_option *o = lists[k]; o->name; o++)
            if (pbtext_distance(name, o->name) < least) {
                best = o->name;
                least = pbtext_distance(name, o->name);
            }
    return best ? arena_printf(&c->arena, "; did you mean '--%s'?", best) : "";
}

/* One option at argv[*i]; moves *i past a value that stands apart. */
static enum cli_exit take_option(struct cli *c, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *name = word + 2;
    bool is_long = word[1] == '-';
    size_t len = is_long ? strcspn(name, "=") : 0;
    char letter = is_long ? 0 : word[1];
    const char *attached = is_long   ? (name[len] ? name + len + 1 : NULL)
                           : word[2] ? word + 2
                                     : NULL;
    const struct cli_option *list = c->command->options;
    const char **values = c->values;
    int at = find_option(list, name, len, letter);

    if (at < 0) {
        list = cli_global_options;
        values = c->globals;
        at = find_option(list, name, len, letter);
    }
    if (at < 0)
        return cli_usage(c, "unknown option '%s'%s", word,
                         is_long ? guess_option(c, arena_strndup(&c->arena, name, len)) : "");
    if (!list[at].value) {
        if (attached)
            return cli_usage(c, "option '--%s' takes no value", list[at].name);
        values[at] = "";
        return CLI_FINE;
    }
    if (!attached && *i + 1 >= argc)
        return cli_usage(c, "option '--%s' needs %s", list[at].name, list[at].value);
    values[at] = attached ? attached : argv[++*i];
    return CLI_FINE;
}

static enum cli_exit parse(struct cli *c, int argc, char **argv)
{
    bool options = true;

    c->args = must_calloc((size_t)argc + 1, sizeof *c->args);
    for (int i = 0; i < argc; i++) {
        enum cli_exit x;

        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            x = take_option(c, argc, argv, &i);
            if (x != CLI_FINE)
                return x;
        } else {
            c->args[c->n_args++] = argv[i];
        }
    }
    return CLI_FINE;
}

static enum cli_exit check(struct cli *c)
{
    const char *output = cli_value(c, "output");

    if (c->n_args < c->command->min_args)
        return cli_usage(c, "'%s' is missing: %s", c->command->args, c->command->about);
    if (c->n_args > c->command->max_args)
        return cli_usage(c, "'%s' is one word too many", c->args[c->command->max_args]);
    if (output && strcmp(output, "json") != 0 && strcmp(output, "table") != 0)
        return cli_usage(c, "--output is table or json, not '%s'", output);
    c->output = output && output[0] == 'j' ? OUTPUT_JSON : OUTPUT_TABLE;
    return CLI_FINE;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* The command that is written most like these words ("; did you mean ..."); "" = none is near. */
static const char *guess(struct cli *c, const char *noun, const char *verb)
{
    const struct cli_command *best = NULL;
    size_t least = 0;

    for (size_t i = 0; i < cli_n_commands; i++) {
        const struct cli_command *cmd = &cli_commands[i];
        size_t n = pbtext_distance(noun, cmd->noun);

        if (n > strlen(cmd->noun) / 2)
            continue;
        if (verb && cmd->verb)
            n += pbtext_distance(verb, cmd->verb);
        if (!best || n < least) {
            best = cmd;
            least = n;
        }
    }
    if (!best)
        return "";
    if (verb && best->verb && pbtext_distance(verb, best->verb) <= strlen(best->verb) / 2)
        return arena_printf(&c->arena, "; did you mean 'oms %s %s'?", best->noun, best->verb);
    if (strcmp(noun, best->noun) == 0)
        return arena_printf(&c->arena, "; `oms help %s` lists what there is", noun);
    return arena_printf(&c->arena, "; did you mean 'oms %s'?", best->noun);
}

static bool is_noun(const char *word)
{
    for (size_t i = 0; i < cli_n_commands; i++)
        if (strcmp(cli_commands[i].noun, word) == 0)
            return true;
    return false;
}

/* noun, verb: the words that are no command; either may be NULL. */
static enum cli_exit unknown_words(struct cli *c, const char *noun, const char *verb)
{
    if (!noun)
        return cli_usage(c, "a command is missing");
    if (!is_noun(noun))
        return cli_usage(c, "unknown command '%s'%s", noun, guess(c, noun, verb));
    if (verb)
        return cli_usage(c, "unknown command '%s %s'%s", noun, verb, guess(c, noun, verb));
    return cli_usage(c, "a word is missing after '%s'; `oms help %s` lists what there is", noun,
                     noun);
}

/* Help that was asked for, or that is owed to a noun alone: of everything, or of the noun. */
static void put_help(struct cli *c, const char *noun)
{
    if (!noun)
        cli_help_all(&c->out);
    for (size_t i = 0; noun && i < cli_n_commands; i++)
        if (strcmp(cli_commands[i].noun, noun) == 0)
            cli_help_command(&cli_commands[i], &c->out);
    cli_flush(c);
}

static enum cli_exit unknown_command(struct cli *c, int argc, char **argv)
{
    const char *noun = argc > 0 && !is_help(argv[0]) ? argv[0] : NULL;
    const char *verb = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    bool help = argc > 0 && is_help(argv[argc - 1]);
    bool wrong = (noun && !is_noun(noun)) || verb;

    if (wrong || (!help && (argc > 1 || c->output == OUTPUT_JSON)))
        return unknown_words(c, noun, verb);
    put_help(c, noun);
    return help ? CLI_FINE : CLI_USAGE;
}

/* Options of every command may stand before it, too; *used = their words. */
static enum cli_exit take_leading(struct cli *c, int argc, char **argv, int *used)
{
    static const struct cli_option none[] = {{0}};
    static const struct cli_command nothing = {.noun = "", .options = none};
    enum cli_exit x = CLI_FINE;
    int i = 0;

    c->command = &nothing;
    for (; i < argc && x == CLI_FINE && argv[i][0] == '-' && !is_help(argv[i]); i++)
        x = take_option(c, argc, argv, &i);
    c->command = NULL;
    *used = i;
    return x;
}

/* What is wrong with the words is said in the form that they ask for, so it is looked for first. */
static enum cli_output wanted_output(int argc, char **argv)
{
    static const char *const forms[] = {"-ojson", "--output=json"};

    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        for (size_t k = 0; k < ARRAY_LEN(forms); k++)
            if (strcmp(argv[i], forms[k]) == 0)
                return OUTPUT_JSON;
        if ((strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "--output") == 0) && i + 1 < argc &&
            strcmp(argv[i + 1], "json") == 0)
            return OUTPUT_JSON;
    }
    return OUTPUT_TABLE;
}

/* `oms --version`, like other programs. */
static bool asks_version(int argc, char **argv)
{
    return argc == 1 && (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0);
}

static enum cli_exit run(struct cli *c, int argc, char **argv)
{
    int used = 0;
    enum cli_exit x;

    c->output = wanted_output(argc, argv);
    if (asks_version(argc, argv)) {
        buf_printf(&c->out, "oms %s\n", OMS_VERSION);
        cli_flush(c);
        return CLI_FINE;
    }
    x = take_leading(c, argc, argv, &used);
    if (x != CLI_FINE)
        return x;
    argc -= used;
    argv += used;
    c->command = find_command(argc, argv, &used);
    if (!c->command)
        return unknown_command(c, argc, argv);
    x = parse(c, argc - used, argv + used);
    if (x == CLI_FINE && cli_value(c, "help")) {
        cli_help_command(c->command, &c->out);
        cli_flush(c);
        return CLI_FINE;
    }
    if (x == CLI_FINE)
        x = check(c);
    if (x == CLI_FINE) {
        x = c->command->run(c);
        cli_flush(c);
    }
    return x;
}

int cli_main(int argc, char **argv)
{
    struct cli c = {0};
    enum cli_exit x;

    signal(SIGPIPE, SIG_IGN);
    arena_init(&c.arena, 0);
    buf_init(&c.out, OUT_MAX);
    x = run(&c, argc - 1, argv + 1);
    cli_disconnect(&c);
    free(c.args);
    buf_fini(&c.out);
    arena_fini(&c.arena);
    return (int)x;
}
