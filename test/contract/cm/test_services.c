/*
 * The services of a whole CM over real RPC and a real PostgreSQL: roles, stored replies, parked
 * Syncs, secrets beside specifications, and a restart in the middle. The CM runs in a thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "cm/cm.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "common/os/thread.h"
#include "test/lib/postgres.h"

#define ADMIN_TOKEN "admin-token-of-the-test"
#define HOST_TOKEN "host-token-of-the-test"
#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static struct postgres server;
static char dir[80], config_file[96];
static struct thread cm_thread;
static struct rpc_client *admin, *host;
static struct arena arena;
static char metadb_id[ID_TEXT_MAX];

/* --- the CM ------------------------------------------------------------------------------------
 */

static void write_file(const char *name, const char *text)
{
    char path[128];
    struct err e = ERR_INIT;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_true(durable_write_file(path, text, strlen(text), 0600, &e));
}

static void run_cm(void *arg)
{
    struct err e = ERR_INIT;

    (void)arg;
    if (!cm_run(config_file, &e))
        print_error("cm: %s\n", e.message);
}

static char *read_address(void)
{
    char path[128];
    struct buf text;
    struct err e = ERR_INIT;
    char *url = NULL;

    (void)snprintf(path, sizeof path, "%s/address", dir);
    buf_init(&text, 1024);
    if (durable_read_file(path, &text, &e)) {
        url = arena_strdup(&arena, buf_cstr(&text));
        url[strcspn(url, "\n")] = '\0';
    }
    buf_fini(&text);
    return url;
}

static bool ask(struct rpc_client *c, const ProtobufCServiceDescriptor *d, const char *method,
                const ProtobufCMessage *m, const struct id *id, void *reply, struct err *e)
{
    return rpc_client_call_sync(c, d, method, m, id, 5000, &arena, reply, e);
}

static bool ask_admin(const char *method, const ProtobufCMessage *m, const struct id *id,
                      void *reply, struct err *e)
{
    return ask(admin, &oms__admin_service__descriptor, method, m, id, reply, e);
}

static void connect_clients(const char *url)
{
    struct rpc_client_options o = {
        .url = url, .token = ADMIN_TOKEN, .max_message_bytes = CM_MESSAGE_MAX};
    struct err e = ERR_INIT;

    assert_true(rpc_client_open(&o, &admin, &e));
    o.token = HOST_TOKEN;
    assert_true(rpc_client_open(&o, &host, &e));
}

/* Until it leads. */
static void start_cm(void)
{
    struct mono until = mono_add_ms(clock_mono(), 20000);
    Oms__Empty empty = OMS__EMPTY__INIT;
    Oms__StatusReply *status;
    struct err e = ERR_INIT;
    const char *url;
    char path[128];

    (void)snprintf(path, sizeof path, "%s/address", dir);
    assert_true(durable_unlink(path, &e));
    assert_true(thread_start(&cm_thread, "cm", run_cm, NULL, &e));
    while (!(url = read_address())) {
        assert_true(mono_cmp(clock_mono(), until) < 0);
        (void)poll(NULL, 0, 20);
    }
    connect_clients(url);
    while (!ask_admin("Status", &empty.base, NULL, &status, &e)) {
        assert_true(mono_cmp(clock_mono(), until) < 0);
        (void)poll(NULL, 0, 20);
    }
    (void)snprintf(metadb_id, sizeof metadb_id, "%s", status->metadb_id);
}

static void stop_cm(void)
{
    rpc_client_close(admin);
    rpc_client_close(host);
    (void)kill(getpid(), SIGTERM);
    thread_join(&cm_thread);
    cm_thread.started = false;
}

static int open_all(void **state)
{
    struct err e = ERR_INIT;
    char text[600];

    (void)state;
    arena_init(&arena, 0);
    if (!postgres_start(&server, &e)) {
        print_error("%s\n", e.message);
        return 1;
    }
    (void)snprintf(dir, sizeof dir, "%s/cm", server.dir);
    must(durable_mkdirs(dir, 0755, &e));
    write_file("master.key", KEY "\n");
    write_file("admin.token", ADMIN_TOKEN "\n");
    write_file("host.token", HOST_TOKEN "\n");
    (void)snprintf(text, sizeof text,
                   "dir: %s\nmetadb: \"%s\"\nmaster_key_file: %s/master.key\n"
                   "admin_token_file: %s/admin.token\nhost_token_file: %s/host.token\n",
                   dir, server.conninfo, dir, dir, dir);
    write_file("cm.yaml", text);
    (void)snprintf(config_file, sizeof config_file, "%s/cm.yaml", dir);
    start_cm();
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    stop_cm();
    postgres_stop(&server);
    arena_fini(&arena);
    return 0;
}

/* --- a host ------------------------------------------------------------------------------------
 */

struct fake { /* a Supervisor's side of Sync */
    Oms__HostSyncRequest q;
    Oms__HostReport report;
    Oms__HostIdentity identity;
};

static void fake_init(struct fake *f, const char *host_id)
{
    f->q = (Oms__HostSyncRequest)OMS__HOST_SYNC_REQUEST__INIT;
    f->report = (Oms__HostReport)OMS__HOST_REPORT__INIT;
    f->identity = (Oms__HostIdentity)OMS__HOST_IDENTITY__INIT;
    f->q.has_protocol = true;
    f->q.protocol = 1;
    f->q.report = &f->report;
    f->report.identity = &f->identity;
    f->identity.host_id = (char *)host_id;
    f->identity.name = (char *)host_id;
    f->identity.machine_id = (char *)"m";
    f->identity.boot_id = (char *)"b";
}

static bool sync_fake(struct fake *f, Oms__HostSyncReply **r, struct err *e)
{
    return ask(host, &oms__host_service__descriptor, "Sync", &f->q.base, NULL, r, e);
}

static bool add_source(const char *name, const struct id *id, Oms__CommandReply **reply,
                       struct err *e)
{
    Oms__DataSourceAddRequest r = OMS__DATA_SOURCE_ADD_REQUEST__INIT;
    Oms__DataSourceFile f = OMS__DATA_SOURCE_FILE__INIT;

    f.name = (char *)name;
    f.kind = (char *)"mariadb";
    f.host = (char *)"127.0.0.1";
    f.user = (char *)"oms";
    r.file = &f;
    r.has_password = true;
    r.password.data = (uint8_t *)"s3cret-of-the-test";
    r.password.len = 18;
    return ask_admin("DataSourceAdd", &r.base, id, reply, e);
}

/* --- properties --------------------------------------------------------------------------------
 */

static void each_role_has_its_own_token(void **state)
{
    Oms__Empty empty = OMS__EMPTY__INIT;
    struct fake f;
    void *reply;
    struct err e = ERR_INIT;

    (void)state;
    assert_false(
        ask(host, &oms__admin_service__descriptor, "Status", &empty.base, NULL, &reply, &e));
    assert_int_equal(e.code, ERR_DENIED);
    fake_init(&f, "h-roles");
    assert_false(ask(admin, &oms__host_service__descriptor, "Sync", &f.q.base, NULL, &reply, &e));
    assert_int_equal(e.code, ERR_DENIED);
}

static void a_command_that_is_sent_again_has_one_effect_and_one_reply(void **state)
{
    struct id id = {.b = {1, 2, 3}};
    Oms__CommandReply *first, *again;
    struct err e = ERR_INIT;

    (void)state;
    assert_true(add_source("once", &id, &first, &e));
    assert_true(add_source("once", &id, &again, &e));
    assert_string_equal(first->text, again->text);
    assert_false(add_source("once", NULL, &again, &e));
    assert_int_equal(e.code, ERR_EXISTS);
    stop_cm();
    start_cm();
    assert_true(add_source("once", &id, &again, &e));
    assert_string_equal(first->text, again->text);
}

static void a_file_that_breaks_its_rules_is_refused(void **state)
{
    Oms__DataSourceAddRequest r = OMS__DATA_SOURCE_ADD_REQUEST__INIT;
    Oms__DataSourceFile f = OMS__DATA_SOURCE_FILE__INIT;
    Oms__CommandReply *reply;
    struct err e = ERR_INIT;

    (void)state;
    f.name = (char *)"bad";
    f.kind = (char *)"oracle";
    f.host = (char *)"x";
    f.user = (char *)"u";
    r.file = &f;
    assert_false(ask_admin("DataSourceAdd", &r.base, NULL, &reply, &e));
    assert_int_equal(e.code, ERR_INVALID);
    assert_non_null(strstr(e.message, "kind"));
}

static void a_sync_without_news_is_answered_after_a_second(void **state)
{
    struct fake f;
    Oms__HostSyncReply *r;
    struct err e = ERR_INIT;
    struct mono before;

    (void)state;
    fake_init(&f, "h-quiet");
    before = clock_mono();
    assert_true(sync_fake(&f, &r, &e));
    assert_in_range(mono_ms_between(before, clock_mono()), 900, 2500);
    assert_int_equal(r->protocol, 1);
    assert_int_equal(r->n_directives, 0);
    assert_int_equal(strlen(r->token), 32);
    assert_string_equal(r->metadb_id, metadb_id);
}

static void c4_a_host_of_another_metadb_is_refused(void **state)
{
    struct fake f;
    Oms__HostSyncReply *r;
    struct err e = ERR_INIT;

    (void)state;
    fake_init(&f, "h-foreign");
    f.q.metadb_id = (char *)"00000000000000000000000000000000";
    assert_false(sync_fake(&f, &r, &e));
    assert_int_equal(e.code, ERR_WRONG_STATE);
}

static void c3_an_epoch_that_a_host_has_seen_is_passed(void **state)
{
    struct mono until = mono_add_ms(clock_mono(), 10000);
    struct fake f;
    Oms__HostSyncReply *r;
    struct err e = ERR_INIT;

    (void)state;
    fake_init(&f, "h-epoch");
    f.q.has_cm_epoch = true;
    f.q.cm_epoch = 500;
    f.q.metadb_id = metadb_id;
    while (!sync_fake(&f, &r, &e)) {
        assert_int_equal(e.code, ERR_UNAVAILABLE);
        assert_true(mono_cmp(clock_mono(), until) < 0);
        (void)poll(NULL, 0, 50);
    }
    assert_true(r->cm_epoch > 500);
}

static void nonsense_is_refused_and_hurts_nobody(void **state)
{
    Oms__HostSyncRequest q = OMS__HOST_SYNC_REQUEST__INIT;
    Oms__AnswerRequest a = OMS__ANSWER_REQUEST__INIT;
    Oms__ProjectCreateRequest p = OMS__PROJECT_CREATE_REQUEST__INIT;
    Oms__NameRequest n = OMS__NAME_REQUEST__INIT;
    static const char *const named[] = {"ProjectStart",  "ProjectShow",    "HostShow",
                                        "ComponentShow", "DataSourceTest", "DataSourceRemove"};
    void *reply;
    struct err e = ERR_INIT;

    (void)state;
    assert_false(ask(host, &oms__host_service__descriptor, "Sync", &q.base, NULL, &reply, &e));
    q.has_protocol = true;
    q.protocol = 1;
    assert_false(ask(host, &oms__host_service__descriptor, "Sync", &q.base, NULL, &reply, &e));
    assert_false(ask(host, &oms__host_service__descriptor, "Answer", &a.base, NULL, &reply, &e));
    assert_false(ask_admin("ProjectCreate", &p.base, NULL, &reply, &e));
    for (size_t i = 0; i < ARRAY_LEN(named); i++)
        assert_false(ask_admin(named[i], &n.base, NULL, &reply, &e));
    each_role_has_its_own_token(NULL);
}

/* Syncs until a directive comes. */
static Oms__Directive *wait_directive(struct fake *f)
{
    struct mono until = mono_add_ms(clock_mono(), 10000);
    Oms__HostSyncReply *r;
    struct err e = ERR_INIT;

    for (;;) {
        assert_true(mono_cmp(clock_mono(), until) < 0);
        if (sync_fake(f, &r, &e) && r->n_directives > 0)
            return r->directives[0];
        if (e.code == ERR_NONE)
            f->q.token = r->token;
    }
}

static void a_directive_brings_the_secrets_that_its_specification_names(void **state)
{
    Oms__ProjectCreateRequest c = OMS__PROJECT_CREATE_REQUEST__INIT;
    Oms__ProjectFile p = OMS__PROJECT_FILE__INIT;
    Oms__ObjectScope scope = OMS__OBJECT_SCOPE__INIT;
    Oms__NameRequest n = OMS__NAME_REQUEST__INIT;
    Oms__CommandReply *reply;
    struct fake f;
    struct err e = ERR_INIT;
    char *include = (char *)"shop.*";

    (void)state;
    assert_true(add_source("from", NULL, &reply, &e) && add_source("to", NULL, &reply, &e));
    p.name = (char *)"secrets";
    p.source = (char *)"from";
    p.target = (char *)"to";
    p.objects = &scope;
    scope.include = &include;
    scope.n_include = 1;
    c.file = &p;
    n.name = p.name;
    assert_true(ask_admin("ProjectCreate", &c.base, NULL, &reply, &e));
    assert_true(ask_admin("ProjectStart", &n.base, NULL, &reply, &e));
    fake_init(&f, "h-secrets");
    const Oms__Directive *d = wait_directive(&f);
    assert_string_equal(d->spec->id, "secrets.task-precheck");
    assert_string_equal(d->goal, "RUN");
    assert_int_equal(d->n_secrets, 2);
    assert_string_equal(d->secrets[0]->name, d->spec->fixed->source->secret);
    assert_int_equal(d->secrets[0]->value.len, 18);
    assert_memory_equal(d->secrets[0]->value.data, "s3cret-of-the-test", 18);
}

static void events_with_strange_bytes_are_stored(void **state)
{
    Oms__ComponentStatus st = OMS__COMPONENT_STATUS__INIT, *list = &st;
    Oms__EventListRequest q = OMS__EVENT_LIST_REQUEST__INIT;
    Oms__EventListReply *events;
    Oms__HostSyncReply *r;
    struct fake f;
    struct err e = ERR_INIT;

    (void)state;
    fake_init(&f, "h-strange");
    f.identity.name = (char *)"\xff\xfe";
    st.id = (char *)"orphan-\xc3\x28";
    st.state = (char *)"running";
    f.report.components = &list;
    f.report.n_components = 1;
    assert_true(sync_fake(&f, &r, &e));
    q.subject = (char *)"orphan-?(";
    assert_true(ask_admin("EventList", &q.base, NULL, &events, &e));
    assert_int_equal(events->n_events, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_has_its_own_token),
        cmocka_unit_test(a_command_that_is_sent_again_has_one_effect_and_one_reply),
        cmocka_unit_test(a_file_that_breaks_its_rules_is_refused),
        cmocka_unit_test(a_sync_without_news_is_answered_after_a_second),
        cmocka_unit_test(c4_a_host_of_another_metadb_is_refused),
        cmocka_unit_test(c3_an_epoch_that_a_host_has_seen_is_passed),
        cmocka_unit_test(nonsense_is_refused_and_hurts_nobody),
        cmocka_unit_test(a_directive_brings_the_secrets_that_its_specification_names),
        cmocka_unit_test(events_with_strange_bytes_are_stored),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
