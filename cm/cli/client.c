/*
 * Finding and calling the CM. Address: --cm, OMS_CM, else the installation last started. Token:
 * --token-file, OMS_TOKEN_FILE, else that installation's.
 */
#include <stdlib.h>
#include <string.h>

#include "cm/cli/cli.h"
#include "cm/cli/installation.h"
#include "common/base/must.h"
#include "common/pbtext/pbtext.h"
#include "common/rpc/rpc.h"
#include "proto/admin.pb-c.h"

#define MESSAGE_MAX (64u << 20)

/* "host:port", "tcp://...", "file:PATH" -> a url. */
static bool url_of(struct cli *c, const char *text, const char **url)
{
    if (strncmp(text, "file:", 5) == 0)
        return installation_read_line(c, text + 5, url);
    *url = strstr(text, "://") ? text : arena_printf(&c->arena, "tcp://%s", text);
    return true;
}

static bool find_cm(struct cli *c, const char **url, const char **token_file)
{
    const char *given = cli_value(c, "cm"), *dir;
    Oms__Installation *i;

    *token_file = cli_value(c, "token-file");
    if (!*token_file)
        *token_file = getenv("OMS_TOKEN_FILE");
    if (!given)
        given = getenv("OMS_CM");
    if (given && *given && *token_file)
        return url_of(c, given, url);
    if (!installation_remembered(c, &dir) || !installation_read(c, dir, &i)) {
        if (given && *given)
            return err_set(&c->e, ERR_DENIED,
                           "no token for the CM at '%s': give --token-file or OMS_TOKEN_FILE",
                           given);
        return c->e.code == ERR_NOT_FOUND
                   ? err_set(&c->e, ERR_UNAVAILABLE, "the installation in '%s' is gone", dir)
                   : false;
    }
    if (!*token_file)
        *token_file = i->admin_token_file;
    if (given && *given)
        return url_of(c, given, url);
    if (!installation_read_line(c, i->cm_address_file, url))
        return err_set(&c->e, ERR_UNAVAILABLE,
                       "the installation in '%s' does not run; start it with `oms up --dir %s`",
                       dir, dir);
    return true;
}

bool cli_connect_to(struct cli *c, const char *url, const char *token_file)
{
    struct rpc_client_options o = {.url = url, .max_message_bytes = MESSAGE_MAX};

    cli_disconnect(c);
    if (!installation_read_line(c, token_file, &o.token) || !rpc_client_open(&o, &c->client, &c->e))
        return false;
    c->url = must_strdup(url);
    return true;
}

bool cli_connect(struct cli *c)
{
    const char *url, *token_file;

    if (c->client)
        return true;
    return find_cm(c, &url, &token_file) && cli_connect_to(c, url, token_file);
}

void cli_disconnect(struct cli *c)
{
    if (c->client)
        rpc_client_close(c->client);
    c->client = NULL;
    free(c->url);
    c->url = NULL;
}

bool cli_call(struct cli *c, const char *method, const ProtobufCMessage *request, void *reply)
{
    const struct pbtext_method *m = pbtext_method_find("AdminService", method);
    uint32_t timeout_ms = c->timeout_ms        ? c->timeout_ms
                          : m && m->timeout_ms ? m->timeout_ms
                                               : 10000;
    ProtobufCMessage *got;

    if (!cli_connect(c))
        return false;
    if (!rpc_client_call_sync(c->client, &oms__admin_service__descriptor, method, request, NULL,
                              timeout_ms, &c->arena, &got, &c->e)) {
        if (c->e.code == ERR_TIMEOUT || c->e.code == ERR_UNAVAILABLE)
            return err_set(&c->e, ERR_UNAVAILABLE, "no answer from the CM at %s: %s", c->url,
                           arena_strdup(&c->arena, c->e.message));
        return false;
    }
    *(ProtobufCMessage **)reply = got;
    return true;
}

bool cli_call_name(struct cli *c, const char *method, const char *name, void *reply)
{
    Oms__NameRequest r = OMS__NAME_REQUEST__INIT;

    r.name = (char *)name;
    return cli_call(c, method, &r.base, reply);
}

bool cli_call_empty(struct cli *c, const char *method, void *reply)
{
    Oms__Empty r = OMS__EMPTY__INIT;

    return cli_call(c, method, &r.base, reply);
}

void cli_put_reply(struct cli *c, const Oms__CommandReply *reply)
{
    if (c->output == OUTPUT_JSON)
        cli_print_message(c, &reply->base);
    else
        buf_printf(&c->out, "%s\n", cli_or(reply->text, "done"));
}

enum cli_exit cli_command_call(struct cli *c, const char *method, const ProtobufCMessage *request)
{
    Oms__CommandReply *reply;

    if (!cli_call(c, method, request, &reply))
        return cli_failed(c);
    cli_put_reply(c, reply);
    return CLI_FINE;
}
