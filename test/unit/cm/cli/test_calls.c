/* The command line against a CM that answers as this file says: what is sent, what is printed,
 * which code it leaves with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#include "cm/cli/cli.h"
#include "common/base/must.h"
#include "common/os/thread.h"
#include "common/pbtext/pbtext.h"
#include "common/rpc/rpc.h"
#include "proto/admin.pb-c.h"
#include "test/lib/cli_run.h"

static struct { /* the CM; its members change on its loop's thread alone while it runs */
    uv_loop_t loop;
    uv_async_t stop;
    struct rpc_server *server;
    struct thread thread;
    Oms__AdminService_Service service;
    char dir[64], address[64], token_file[96];
    char name[64], password[64], choice[64], args[64];
    unsigned watched, read;
    const char *end_state;
} cm;

static void reply_text(void *closure_data, const char *text)
{
    Oms__CommandReply r = OMS__COMMAND_REPLY__INIT;

    r.text = (char *)text;
    rpc_reply(rpc_call_of(closure_data), &r.base);
}

static void on_add(Oms__AdminService_Service *s, const Oms__DataSourceAddRequest *r,
                   Oms__CommandReply_Closure closure, void *data)
{
    (void)s;
    (void)closure;
    snprintf(cm.name, sizeof cm.name, "%s", r->file->name);
    snprintf(cm.password, sizeof cm.password, "%.*s", (int)r->password.len, r->password.data);
    must(!r->file->password_file && !r->file->password_env);
    reply_text(data, "data source 'shop' is known now");
}

static void on_start(Oms__AdminService_Service *s, const Oms__NameRequest *r,
                     Oms__CommandReply_Closure closure, void *data)
{
    struct err e = ERR_INIT;

    (void)s;
    (void)closure;
    err_set(&e, ERR_WRONG_STATE, "project '%s' runs already", r->name);
    rpc_fail(rpc_call_of(data), &e);
}

static void on_show(Oms__AdminService_Service *s, const Oms__NameRequest *r,
                    Oms__ProjectView_Closure closure, void *data)
{
    static Oms__StepView step = OMS__STEP_VIEW__INIT, *steps[] = {&step};
    Oms__ProjectView v = OMS__PROJECT_VIEW__INIT;

    (void)s;
    (void)closure;
    v.name = r->name;
    v.state = (char *)"running";
    step.name = (char *)"full";
    step.state = (char *)"running";
    v.steps = steps;
    v.n_steps = 1;
    rpc_reply(rpc_call_of(data), &v.base);
}

static void on_watch(Oms__AdminService_Service *s, const Oms__ProjectWatchRequest *r,
                     Oms__ProjectWatchReply_Closure closure, void *data)
{
    Oms__ProjectWatchReply reply = OMS__PROJECT_WATCH_REPLY__INIT;
    Oms__ProjectView v = OMS__PROJECT_VIEW__INIT;

    (void)s;
    (void)closure;
    must(r->cursor == cm.watched);
    reply.has_cursor = true;
    reply.cursor = ++cm.watched;
    reply.project = &v;
    v.state = (char *)(cm.watched < 3 ? "running" : cm.end_state);
    v.has_caught_up = true;
    v.caught_up = cm.watched >= 3;
    rpc_reply(rpc_call_of(data), &reply.base);
}

static void on_ask(Oms__AdminService_Service *s, const Oms__AskRequest *r,
                   Oms__AskReply_Closure closure, void *data)
{
    Oms__AskReply reply = OMS__ASK_REPLY__INIT;

    (void)s;
    (void)closure;
    cm.read = 0;
    snprintf(cm.args, sizeof cm.args, "%s %s %s", r->component_id, r->what, r->args[0]);
    reply.ask_id = (char *)"7";
    rpc_reply(rpc_call_of(data), &reply.base);
}

static void on_read(Oms__AdminService_Service *s, const Oms__AskReadRequest *r,
                    Oms__AskReadReply_Closure closure, void *data)
{
    Oms__AskReadReply reply = OMS__ASK_READ_REPLY__INIT;

    (void)s;
    (void)closure;
    must(strcmp(r->ask_id, "7") == 0 && r->cursor == cm.read);
    reply.has_chunk = reply.has_cursor = reply.has_last = true;
    reply.chunk = (ProtobufCBinaryData){6, (uint8_t *)(cm.read == 0 ? "one \xff\n" : "two  \n")};
    reply.cursor = ++cm.read;
    reply.last = cm.read == 2;
    rpc_reply(rpc_call_of(data), &reply.base);
}

static void on_resolve(Oms__AdminService_Service *s, const Oms__IncidentRequest *r,
                       Oms__CommandReply_Closure closure, void *data)
{
    (void)s;
    (void)closure;
    snprintf(cm.choice, sizeof cm.choice, "%d %s", (int)r->id, r->choice);
    reply_text(data, "answered");
}

static bool authorize(void *arg, struct rpc_call *call, struct err *e)
{
    (void)arg;
    return (call->token && strcmp(call->token, "sesame") == 0) ||
           err_set(e, ERR_DENIED, "wrong token");
}

static void on_stop(uv_async_t *a)
{
    rpc_server_stop(cm.server);
    uv_close((uv_handle_t *)a, NULL);
}

static void serve(void *arg)
{
    (void)arg;
    uv_run(&cm.loop, UV_RUN_DEFAULT);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    must(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static int start_cm(void **state)
{
    static ProtobufCService *services[] = {&cm.service.base};
    struct rpc_server_options o = {.loop = &cm.loop,
                                   .url = "tcp://127.0.0.1:0",
                                   .max_message_bytes = 1 << 20,
                                   .services = services,
                                   .n_services = 1,
                                   .authorize = authorize};
    struct err e = ERR_INIT;

    (void)state;
    snprintf(cm.dir, sizeof cm.dir, "/tmp/test_calls.XXXXXX");
    must(mkdtemp(cm.dir) != NULL);
    snprintf(cm.token_file, sizeof cm.token_file, "%s/token", cm.dir);
    write_text(cm.token_file, "sesame\n");
    oms__admin_service__init(&cm.service, NULL);
    cm.service.data_source_add = on_add;
    cm.service.project_start = on_start;
    cm.service.project_show = on_show;
    cm.service.project_watch = on_watch;
    cm.service.ask_start = on_ask;
    cm.service.ask_read = on_read;
    cm.service.incident_resolve = on_resolve;
    must(uv_loop_init(&cm.loop) == 0);
    must(uv_async_init(&cm.loop, &cm.stop, on_stop) == 0);
    must(rpc_server_start(&o, &cm.server, &e));
    snprintf(cm.address, sizeof cm.address, "127.0.0.1:%u", rpc_server_port(cm.server));
    setenv("OMS_CM", cm.address, 1);
    setenv("OMS_TOKEN_FILE", cm.token_file, 1);
    setenv("XDG_STATE_HOME", cm.dir, 1);
    return thread_start(&cm.thread, "cm", serve, NULL, &e) ? 0 : -1;
}

static int stop_cm(void **state)
{
    (void)state;
    uv_async_send(&cm.stop);
    thread_join(&cm.thread);
    must(uv_loop_close(&cm.loop) == 0);
    unlink(cm.token_file);
    rmdir(cm.dir);
    return 0;
}

static void a_password_comes_from_its_file_and_only_the_value_travels(void **state)
{
    char text[4096], yaml[96], secret[96], words[256];

    (void)state;
    snprintf(yaml, sizeof yaml, "%s/shop.yaml", cm.dir);
    snprintf(secret, sizeof secret, "%s/secret", cm.dir);
    write_text(secret, "t\xc3\xafger\nrest\n");
    write_text(yaml, "name: shop\nkind: mariadb\nuser: u\npassword_file: secret\n");
    snprintf(words, sizeof words, "datasource add -f %s", yaml);
    assert_int_equal(cli_run(text, sizeof text, words), CLI_FINE);
    assert_string_equal(text, "data source 'shop' is known now\n");
    assert_string_equal(cm.name, "shop");
    assert_string_equal(cm.password, "t\xc3\xafger");
    write_text(yaml, "name: shop\nkind: mariadb\nuser: u\npassword_env: NO_SUCH_VARIABLE\n");
    assert_int_equal(cli_run(text, sizeof text, words), CLI_FAILED);
    setenv("NO_SUCH_VARIABLE", "from env", 1);
    assert_int_equal(cli_run(text, sizeof text, words), CLI_FINE);
    assert_string_equal(cm.password, "from env");
    unlink(yaml);
    unlink(secret);
}

static void a_refusal_shows_code_and_reason_and_leaves_with_one(void **state)
{
    char text[4096];

    (void)state;
    assert_int_equal(cli_run(text, sizeof text, "project start shop-move"), CLI_FAILED);
    assert_non_null(strstr(text, "WRONG_STATE: project 'shop-move' runs already"));
    assert_non_null(strstr(text, "oms explain WRONG_STATE"));
}

static void a_wrong_token_is_denied(void **state)
{
    char text[4096], path[128], words[256];

    (void)state;
    snprintf(path, sizeof path, "%s/other", cm.dir);
    write_text(path, "wrong\n");
    snprintf(words, sizeof words, "project start a --token-file %s", path);
    assert_int_equal(cli_run(text, sizeof text, words), CLI_FAILED);
    assert_non_null(strstr(text, "DENIED"));
    unlink(path);
}

static void show_as_json_has_the_promised_members(void **state)
{
    static const char *const members[] = {
        "\"state\": \"running\"", "\"steps\": [",         "\"tables\": []",
        "\"lag_ms\": null",       "\"caught_up\": false", "\"position\": null",
        "\"incidents\": []",      "\"error\": null",      "\"rate\": 0"};
    char text[8192];

    (void)state;
    assert_int_equal(cli_run(text, sizeof text, "project show shop-move -o json"), CLI_FINE);
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (!strstr(text, members[i]))
            fail_msg("%s lacks %s", text, members[i]);
    assert_int_equal(cli_run(text, sizeof text, "-o json project show shop-move"), CLI_FINE);
    assert_non_null(strstr(text, members[0]));
    assert_int_equal(cli_run(text, sizeof text, "project show shop-move"), CLI_FINE);
    assert_non_null(strstr(text, "project shop-move: running"));
}

static void watch_ends_with_the_project_and_its_code(void **state)
{
    char text[8192];

    (void)state;
    cm.watched = 0;
    cm.end_state = "finished";
    assert_int_equal(cli_run(text, sizeof text, "project watch a"), CLI_FINE);
    assert_int_equal(cm.watched, 3);
    cm.watched = 0;
    cm.end_state = "failed";
    assert_int_equal(cli_run(text, sizeof text, "project watch a -o json"), CLI_FAILED);
    assert_non_null(strstr(text, "\"state\":\"failed\""));
    cm.watched = 0;
    cm.end_state = "running";
    assert_int_equal(cli_run(text, sizeof text, "project watch a --until=caught-up"), CLI_FINE);
}

static void a_watch_that_is_not_reached_leaves_with_four(void **state)
{
    char text[65536];

    (void)state;
    cm.watched = 0;
    cm.end_state = "running";
    assert_int_equal(cli_run(text, sizeof text, "project watch a --until finished --timeout 1"),
                     CLI_TIMEOUT);
}

static void logs_arrive_piece_by_piece_unchanged(void **state)
{
    char text[4096];

    (void)state;
    assert_int_equal(cli_run(text, sizeof text, "component logs a.store -n 5"), CLI_FINE);
    assert_string_equal(text, "one \xff\ntwo  \n");
    assert_string_equal(cm.args, "a.store logs 5");
}

static void a_choice_reaches_its_incident(void **state)
{
    char text[4096];

    (void)state;
    assert_int_equal(cli_run(text, sizeof text, "incident resolve 12 --choice copy-again"),
                     CLI_FINE);
    assert_string_equal(cm.choice, "12 copy-again");
    assert_int_equal(cli_run(text, sizeof text, "incident resolve twelve --choice x"), CLI_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_comes_from_its_file_and_only_the_value_travels),
        cmocka_unit_test(a_refusal_shows_code_and_reason_and_leaves_with_one),
        cmocka_unit_test(a_wrong_token_is_denied),
        cmocka_unit_test(show_as_json_has_the_promised_members),
        cmocka_unit_test(watch_ends_with_the_project_and_its_code),
        cmocka_unit_test(a_watch_that_is_not_reached_leaves_with_four),
        cmocka_unit_test(logs_arrive_piece_by_piece_unchanged),
        cmocka_unit_test(a_choice_reaches_its_incident),
    };

    return cmocka_run_group_tests(tests, start_cm, stop_cm);
}
