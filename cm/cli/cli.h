/*
 * The operator's command line. One table of commands (commands.c) makes parsing, help and the
 * reference; one file per noun carries the commands out. It talks to the CM alone, by AdminService;
 * only `oms up` and `oms down` run programs, and nothing here speaks SQL.
 * Exit codes are enum cli_exit. Single-threaded.
 */
#ifndef OMS_CM_CLI_CLI_H
#define OMS_CM_CLI_CLI_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "proto/admin.pb-c.h"
#include "proto/common.pb-c.h"

#define CLI_EXITS(X)                                                                 \
    X(0, FINE, "done, or the awaited state was reached")                             \
    X(1, FAILED, "refused or failed; the message names an error code (oms explain)") \
    X(2, USAGE, "the command line cannot be understood")                             \
    X(3, UNREACHABLE, "the CM cannot be reached, or no installation is known")       \
    X(4, TIMEOUT, "the awaited state was not reached within --timeout")
#define CLI_EXIT_ENUM(number, name, text) CLI_##name = number,
enum cli_exit { CLI_EXITS(CLI_EXIT_ENUM) };
#undef CLI_EXIT_ENUM

struct cli_option {
    const char *name;  /* "file"; NULL ends a list */
    char letter;       /* 'f'; 0 = none */
    const char *value; /* "FILE": takes one; NULL: a flag */
    const char *help;
};

struct cli;
struct cli_command {
    const char *noun, *verb; /* verb NULL: the noun alone is the command */
    const char *args;        /* as help shows them: "NAME [TABLE...]"; "" = none */
    unsigned min_args, max_args;
    const char *about;   /* one sentence */
    const char *example; /* lines one can type */
    const struct cli_option *options;
    enum cli_exit (*run)(struct cli *c);
};
extern const struct cli_command cli_commands[];
extern const size_t cli_n_commands;
extern const struct cli_option cli_global_options[];

#define CLI_OPTIONS_MAX 12
enum cli_output { OUTPUT_TABLE, OUTPUT_JSON };

struct rpc_client;
struct cli { /* one invocation */
    const struct cli_command *command;
    const char **args;
    size_t n_args;
    const char *values[CLI_OPTIONS_MAX];  /* of command->options; NULL = not given */
    const char *globals[CLI_OPTIONS_MAX]; /* of cli_global_options */
    enum cli_output output;
    struct arena arena;
    struct buf out; /* standard output, written at the end or by cli_flush */
    struct err e;
    struct rpc_client *client;
    char *url;           /* of the CM, while connected */
    unsigned timeout_ms; /* of a call; 0 = what the method says */
};

/* cli.c: the whole program. Thread: main. */
int cli_main(int argc, char **argv);
/* Value of an option of the command or a global one ("" for a flag); NULL = not given. */
const char *cli_value(const struct cli *c, const char *name);
/* Whole number in [low, high] of an option; absent: *out stays. */
bool cli_number(struct cli *c, const char *name, long low, long high, long *out) MUST_CHECK;
void cli_flush(struct cli *c);

/* failure.c: errors on standard error, as text or (-o json) as one line of JSON. */
/* Says c->e with its code and returns the exit code that fits. */
enum cli_exit cli_failed(struct cli *c);
/* The same where the exit code says more than the error's code. */
enum cli_exit cli_ends(struct cli *c, enum cli_exit x);
/* Says what is wrong with the command line. */
enum cli_exit cli_usage(struct cli *c, const char *fmt, ...) PRINTF(2, 3);
/* A sentence for people, about progress; nothing with -o json. */
void cli_say(const struct cli *c, const char *fmt, ...) PRINTF(2, 3);
/* c->e from an error that came in a message; always false. */
bool cli_error_of(struct cli *c, const Oms__Error *e);

void cli_help_command(const struct cli_command *cmd, struct buf *out);
void cli_help_all(struct buf *out);
void cli_help_markdown(struct buf *out);

/* client.c: the CM. */
bool cli_connect(struct cli *c) MUST_CHECK;
bool cli_connect_to(struct cli *c, const char *url, const char *token_file) MUST_CHECK;
void cli_disconnect(struct cli *c);
/* Calls AdminService.method; connects first if need be. *reply points to the method's message. */
bool cli_call(struct cli *c, const char *method, const ProtobufCMessage *request,
              void *reply) MUST_CHECK;
/* The same with NameRequest{args[0]} / Empty. */
bool cli_call_name(struct cli *c, const char *method, const char *name, void *reply) MUST_CHECK;
bool cli_call_empty(struct cli *c, const char *method, void *reply) MUST_CHECK;
/* Prints what a command came to. */
void cli_put_reply(struct cli *c, const Oms__CommandReply *reply);
/* Calls, then prints the CommandReply's sentence (or JSON). */
enum cli_exit cli_command_call(struct cli *c, const char *method, const ProtobufCMessage *request);

/* output.c: numbers and tables for people. */
void cli_print_message(struct cli *c, const ProtobufCMessage *m);  /* JSON */
const char *cli_count(struct arena *a, unsigned long long n);      /* "1,234,567" */
const char *cli_bytes(struct arena *a, unsigned long long n);      /* "812 bytes", "3.4 MB" */
const char *cli_rate_bytes(struct arena *a, unsigned long long n); /* "8.1 MB/s" */
const char *cli_duration(struct arena *a, long long ms);
const char *cli_when(struct arena *a, long long us); /* "2026-11-21 04:52:01 UTC"; "-" for 0 */
const char *cli_or(const char *s, const char *otherwise);
/* verify.c: a verdict's numbers, without the rows that are told of one table alone. */
const char *cli_verify_counts(struct arena *a, const char *detail);
unsigned cli_terminal_width(void); /* 0 = standard output is no terminal */
unsigned cli_terminal_height(void);
/* Reads a whole file, "-" for standard input. */
bool cli_read_file(struct cli *c, const char *path, struct buf *out) MUST_CHECK;
/* A password asked for without echo; ERR_INVALID where there is no terminal. */
bool cli_ask_password(struct cli *c, const char *prompt, const char **out) MUST_CHECK;
/* First line of a file. */
bool cli_password_from_file(struct cli *c, const char *path, const char **out) MUST_CHECK;

/* component.c: asks a component (or its Supervisor) and prints the answer as it comes. */
enum cli_exit cli_ask(struct cli *c, const char *component, const char *what,
                      const char *const *args, size_t n_args);

/* The same by pieces: begin, then next while `more`; a piece goes into a buffer, or (NULL) out. */
struct cli_ask {
    const char *id;
    unsigned long long cursor;
    unsigned hold_ms; /* next() returns without news after this */
    bool more;
};
bool cli_ask_begin(struct cli *c, struct cli_ask *a, const char *component, const char *what,
                   const char *const *args, size_t n_args) MUST_CHECK;
bool cli_ask_next(struct cli *c, struct cli_ask *a, struct buf *into) MUST_CHECK;

/* The commands, one file per noun. */
enum cli_exit cli_up(struct cli *c);
enum cli_exit cli_down(struct cli *c);
enum cli_exit cli_status(struct cli *c);
enum cli_exit cli_datasource_add(struct cli *c);
enum cli_exit cli_datasource_list(struct cli *c);
enum cli_exit cli_datasource_show(struct cli *c);
enum cli_exit cli_datasource_test(struct cli *c);
enum cli_exit cli_datasource_remove(struct cli *c);
enum cli_exit cli_project_create(struct cli *c);
enum cli_exit cli_project_start(struct cli *c);
enum cli_exit cli_project_pause(struct cli *c);
enum cli_exit cli_project_resume(struct cli *c);
enum cli_exit cli_project_release(struct cli *c);
enum cli_exit cli_project_remove(struct cli *c);
enum cli_exit cli_project_list(struct cli *c);
enum cli_exit cli_project_show(struct cli *c);
enum cli_exit cli_project_skipped(struct cli *c);
enum cli_exit cli_project_set(struct cli *c);
enum cli_exit cli_project_watch(struct cli *c);
enum cli_exit cli_component_list(struct cli *c);
enum cli_exit cli_component_show(struct cli *c);
enum cli_exit cli_component_logs(struct cli *c);
enum cli_exit cli_component_restart(struct cli *c);
enum cli_exit cli_host_list(struct cli *c);
enum cli_exit cli_host_show(struct cli *c);
enum cli_exit cli_store_list(struct cli *c);
enum cli_exit cli_store_show(struct cli *c);
enum cli_exit cli_store_dump(struct cli *c);
enum cli_exit cli_store_trace(struct cli *c);
enum cli_exit cli_verify_start(struct cli *c);
enum cli_exit cli_verify_show(struct cli *c);
enum cli_exit cli_incident_list(struct cli *c);
enum cli_exit cli_incident_show(struct cli *c);
enum cli_exit cli_incident_resolve(struct cli *c);
enum cli_exit cli_events(struct cli *c);
enum cli_exit cli_explain(struct cli *c);
enum cli_exit cli_explain_lag(struct cli *c, const char *project); /* explain_lag.c */
enum cli_exit cli_help(struct cli *c);

#endif
