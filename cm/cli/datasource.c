/*
 * oms datasource: the servers that projects read and write. The password is read here (file,
 * environment, prompt) and travels in the request alone, never on a command line.
 */
#include <stdlib.h>
#include <string.h>

#include "cm/cli/cli.h"
#include "common/pbtext/pbtext.h"
#include "proto/admin.pb-c.h"

#define FILE_MAX (1u << 20)

/* A path in a file counts from that file's directory. */
static const char *beside(struct arena *a, const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');

    if (path[0] == '/' || !slash)
        return path;
    return arena_printf(a, "%.*s/%s", (int)(slash - file), file, path);
}

static bool find_password(struct cli *c, const char *file, const Oms__DataSourceFile *f,
                          const char **out)
{
    const char *option = cli_value(c, "password-file");

    if (option)
        return cli_password_from_file(c, option, out);
    if (f->password_file)
        return cli_password_from_file(c, beside(&c->arena, file, f->password_file), out);
    if (f->password_env) {
        *out = getenv(f->password_env);
        return *out || err_set(&c->e, ERR_INVALID, "%s: password_env: no variable '%s'", file,
                               f->password_env);
    }
    return cli_ask_password(
        c, arena_printf(&c->arena, "password of '%s' on data source '%s'", f->user, f->name), out);
}

static bool read_source(struct cli *c, const char *file, Oms__DataSourceAddRequest *r)
{
    CLEANUP(buf_fini) struct buf text, pem;
    const char *password;
    ProtobufCMessage *m;

    buf_init(&text, FILE_MAX);
    buf_init(&pem, FILE_MAX);
    if (!cli_read_file(c, file, &text) ||
        !pbtext_parse_yaml(file, (const char *)text.p, text.len, &oms__data_source_file__descriptor,
                           &c->arena, &m, &c->e))
        return false;
    r->file = (Oms__DataSourceFile *)m;
    if (!find_password(c, file, r->file, &password))
        return false;
    r->has_password = true;
    r->password = (ProtobufCBinaryData){strlen(password), (uint8_t *)password};
    r->file->password_file = r->file->password_env = NULL;
    if (r->file->tls_ca_file) {
        if (!cli_read_file(c, beside(&c->arena, file, r->file->tls_ca_file), &pem))
            return err_wrap(&c->e, "%s: tls_ca_file", file);
        r->tls_ca_pem = arena_strndup(&c->arena, (const char *)pem.p, pem.len);
    }
    return true;
}

enum cli_exit cli_datasource_add(struct cli *c)
{
    Oms__DataSourceAddRequest r = OMS__DATA_SOURCE_ADD_REQUEST__INIT;
    const char *file = cli_value(c, "file");

    if (cli_value(c, "example")) {
        pbtext_format_example(&oms__data_source_file__descriptor, &c->out);
        return CLI_FINE;
    }
    if (!file)
        return cli_usage(c, "--file is missing; --example prints one to start from");
    if (!read_source(c, file, &r))
        return cli_failed(c);
    r.has_replace = true;
    r.replace = cli_value(c, "replace") != NULL;
    return cli_command_call(c, "DataSourceAdd", &r.base);
}

static const char *address_of(struct cli *c, const Oms__DataSourceFile *f)
{
    if (f->socket)
        return f->socket;
    return arena_printf(&c->arena, "%s:%u", cli_or(f->host, "127.0.0.1"),
                        f->has_port ? f->port : 3306);
}

static const char *users_of(struct cli *c, const Oms__DataSourceView *v)
{
    const char *list = "";

    for (size_t i = 0; i < v->n_used_by; i++)
        list = arena_printf(&c->arena, "%s%s%s", list, i ? ", " : "", v->used_by[i]);
    return list;
}

enum cli_exit cli_datasource_list(struct cli *c)
{
    static const char *const head[] = {"NAME", "KIND", "ADDRESS", "USER", "TLS", "IDC", "USED BY"};
    Oms__DataSourceListReply *reply;
    struct pbtext_table *t;

    if (!cli_call_empty(c, "DataSourceList", &reply))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &reply->base);
        return CLI_FINE;
    }
    t = pbtext_table_new(head, ARRAY_LEN(head));
    for (size_t i = 0; i < reply->n_sources; i++) {
        const Oms__DataSourceView *v = reply->sources[i];
        static const Oms__DataSourceFile nothing = OMS__DATA_SOURCE_FILE__INIT;
        const Oms__DataSourceFile *f = v->file ? v->file : &nothing;

        pbtext_table_row(t, (const char *const[]){f->name, f->kind, address_of(c, f), f->user,
                                                  f->tls, f->idc, users_of(c, v)});
    }
    pbtext_table_write(t, cli_terminal_width(), &c->out);
    pbtext_table_free(t);
    return CLI_FINE;
}

enum cli_exit cli_datasource_show(struct cli *c)
{
    Oms__DataSourceView *v;

    if (!cli_call_name(c, "DataSourceShow", c->args[0], &v))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &v->base);
        return CLI_FINE;
    }
    if (v->file)
        pbtext_format_yaml(&v->file->base, &c->out);
    buf_printf(&c->out, "# created %s; used by: %s\n",
               cli_when(&c->arena, v->has_created_us ? v->created_us : 0),
               cli_or(users_of(c, v), "no project"));
    return CLI_FINE;
}

/* The task is done once it has an answer; that answer may be that the server cannot be used. */
static const Oms__CheckView *failed_check(const Oms__TaskOutcome *outcome)
{
    for (size_t i = 0; i < outcome->n_checks; i++)
        if (strcmp(cli_or(outcome->checks[i]->verdict, ""), "failed") == 0)
            return outcome->checks[i];
    return NULL;
}

static void put_outcome(struct cli *c, const Oms__TaskOutcome *outcome)
{
    if (outcome->text && !failed_check(outcome))
        buf_printf(&c->out, "%s\n", outcome->text);
    for (size_t i = 0; i < outcome->n_checks; i++)
        buf_printf(&c->out, "%-8s %s: %s\n", cli_or(outcome->checks[i]->verdict, "?"),
                   cli_or(outcome->checks[i]->id, "?"), cli_or(outcome->checks[i]->reason, ""));
}

/* One document: the outcome is an object in it, not a text that holds another document. */
static void put_test_json(struct cli *c, const Oms__TaskResult *r, const Oms__TaskOutcome *outcome)
{
    buf_str(&c->out, "{\"state\": ");
    pbtext_format_string(cli_or(r->state, ""), &c->out);
    buf_str(&c->out, ",\n \"result\": ");
    if (outcome)
        pbtext_format_json(&outcome->base, PBTEXT_EMPTY, &c->out);
    else
        buf_str(&c->out, "null");
    buf_str(&c->out, ",\n \"error\": ");
    if (r->error)
        pbtext_format_json(&r->error->base, PBTEXT_EMPTY, &c->out);
    else
        buf_str(&c->out, "null");
    buf_str(&c->out, "}\n");
}

/* The reason of a check begins with its code: "SERVER_DENIED: ...". */
static enum cli_exit unusable(struct cli *c, const Oms__TaskOutcome *outcome)
{
    const char *reason = cli_or(failed_check(outcome)->reason, "");
    size_t n = strcspn(reason, ":");
    enum err_code code = ERR_INVALID;

    if (reason[n] && err_code_from_name(arena_strndup(&c->arena, reason, n), &code))
        reason += n + 1 + (reason[n + 1] == ' ');
    err_set(&c->e, code, "data source '%s' cannot be used: %s", c->args[0], reason);
    return cli_ends(c, CLI_FAILED);
}

enum cli_exit cli_datasource_test(struct cli *c)
{
    Oms__TaskResult *r;
    ProtobufCMessage *m;
    Oms__TaskOutcome *outcome = NULL;
    const char *state;

    if (!cli_call_name(c, "DataSourceTest", c->args[0], &r))
        return cli_failed(c);
    state = cli_or(r->state, "");
    if (r->result && pbtext_parse_json("result", r->result, strlen(r->result),
                                       &oms__task_outcome__descriptor, &c->arena, &m, &c->e))
        outcome = (Oms__TaskOutcome *)m;
    if (c->output == OUTPUT_JSON) {
        put_test_json(c, r, outcome);
    } else if (outcome) {
        put_outcome(c, outcome);
    } else if (r->result) {
        buf_printf(&c->out, "%s\n", r->result);
    }
    cli_flush(c);
    if (r->error && cli_or(r->error->code, NULL)) {
        (void)cli_error_of(c, r->error);
        return cli_ends(c, CLI_FAILED);
    }
    if (strcmp(state, "done") == 0)
        return outcome && failed_check(outcome) ? unusable(c, outcome) : CLI_FINE;
    if (strcmp(state, "failed") == 0)
        return CLI_FAILED;
    err_set(&c->e, ERR_TIMEOUT, "the test of '%s' is still running", c->args[0]);
    return cli_ends(c, CLI_TIMEOUT);
}

enum cli_exit cli_datasource_remove(struct cli *c)
{
    Oms__NameRequest r = OMS__NAME_REQUEST__INIT;

    r.name = (char *)c->args[0];
    return cli_command_call(c, "DataSourceRemove", &r.base);
}
