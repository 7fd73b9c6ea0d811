/*
 * The services of a whole CM over real RPC and a real PostgreSQL: roles, stored replies, parked
 * Syncs, secrets beside specifications; a CM that is killed at its fault points, one that is
 * stopped while another takes over, and a MetaDB that crashes.
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
#include <sys/wait.h>

#include "common/base/vec.h"
#include "common/os/clock.h"
#include "test/lib/cm_world.h"
#include "test/lib/postgres.h"

static struct postgres server;
static struct cm_world w;

static int open_all(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    if (postgres_start(&server, &e) && cm_world_open(&w, "cm", server.dir, server.conninfo, &e) &&
        cm_world_start(&w, NULL, true, &e))
        return 0;
    print_error("%s\n", e.message);
    return 1;
}

static int close_all(void **state)
{
    int status = cm_world_end(&w, SIGTERM);

    (void)state;
    cm_world_close(&w);
    postgres_stop(&server);
    return status; /* also what the sanitizers found at its end */
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
    return cm_world_host(&w, "Sync", &f->q.base, r, e);
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
    assert_false(rpc_client_call_sync(w.host, &oms__admin_service__descriptor, "Status",
                                      &empty.base, NULL, 5000, &w.arena, (void *)&reply, &e));
    assert_int_equal(e.code, ERR_DENIED);
    fake_init(&f, "h-roles");
    assert_false(rpc_client_call_sync(w.admin, &oms__host_service__descriptor, "Sync", &f.q.base,
                                      NULL, 5000, &w.arena, (void *)&reply, &e));
    assert_int_equal(e.code, ERR_DENIED);
}

static void a_command_that_is_sent_again_has_one_effect_and_one_reply(void **state)
{
    struct id id = {.b = {1, 2, 3}};
    Oms__CommandReply *first, *again;
    struct err e = ERR_INIT;

    (void)state;
    assert_true(cm_world_add_source(&w, "once", &id, &first, &e));
    assert_true(cm_world_add_source(&w, "once", &id, &again, &e));
    assert_string_equal(first->text, again->text);
    assert_false(cm_world_add_source(&w, "once", NULL, &again, &e));
    assert_int_equal(e.code, ERR_EXISTS);
    assert_int_equal(cm_world_end(&w, SIGTERM), 0);
    assert_true(cm_world_start(&w, NULL, true, &e));
    assert_true(cm_world_add_source(&w, "once", &id, &again, &e));
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
    assert_false(cm_world_admin(&w, "DataSourceAdd", &r.base, NULL, &reply, &e));
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
    assert_string_equal(r->metadb_id, w.metadb_id);
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
    f.q.metadb_id = w.metadb_id;
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
    assert_false(cm_world_host(&w, "Sync", &q.base, &reply, &e));
    q.has_protocol = true;
    q.protocol = 1;
    assert_false(cm_world_host(&w, "Sync", &q.base, &reply, &e));
    assert_false(cm_world_host(&w, "Answer", &a.base, &reply, &e));
    assert_false(cm_world_admin(&w, "ProjectCreate", &p.base, NULL, &reply, &e));
    for (size_t i = 0; i < ARRAY_LEN(named); i++)
        assert_false(cm_world_admin(&w, named[i], &n.base, NULL, &reply, &e));
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
    assert_true(cm_world_add_source(&w, "from", NULL, &reply, &e) &&
                cm_world_add_source(&w, "to", NULL, &reply, &e));
    p.name = (char *)"secrets";
    p.source = (char *)"from";
    p.target = (char *)"to";
    p.objects = &scope;
    scope.include = &include;
    scope.n_include = 1;
    c.file = &p;
    n.name = p.name;
    assert_true(cm_world_admin(&w, "ProjectCreate", &c.base, NULL, &reply, &e));
    assert_true(cm_world_admin(&w, "ProjectStart", &n.base, NULL, &reply, &e));
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
    assert_true(cm_world_admin(&w, "EventList", &q.base, NULL, &events, &e));
    assert_int_equal(events->n_events, 1);
}

static void lists_of_what_does_not_exist_are_refused(void **state)
{
    Oms__IncidentListRequest n = OMS__INCIDENT_LIST_REQUEST__INIT;
    Oms__EventListRequest q = OMS__EVENT_LIST_REQUEST__INIT;
    Oms__IncidentListReply *incidents;
    Oms__EventListReply *events;
    struct err e = ERR_INIT;

    (void)state;
    assert_true(cm_world_admin(&w, "IncidentList", &n.base, NULL, &incidents, &e));
    n.project = (char *)"no-such-project";
    assert_false(cm_world_admin(&w, "IncidentList", &n.base, NULL, &incidents, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    err_clear(&e);
    q.subject = (char *)"no-such-thing";
    assert_false(cm_world_admin(&w, "EventList", &q.base, NULL, &events, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

/* --- crashes -----------------------------------------------------------------------------------
 */

static size_t count_sources(const char *name)
{
    Oms__Empty empty = OMS__EMPTY__INIT;
    Oms__DataSourceListReply *list;
    struct err e = ERR_INIT;
    size_t n = 0;

    assert_true(cm_world_admin(&w, "DataSourceList", &empty.base, NULL, &list, &e));
    for (size_t i = 0; i < list->n_sources; i++)
        n += strcmp(list->sources[i]->file->name, name) == 0;
    return n;
}

static size_t count_events(const char *subject)
{
    Oms__EventListRequest q = OMS__EVENT_LIST_REQUEST__INIT;
    Oms__EventListReply *events;
    struct err e = ERR_INIT;

    q.subject = (char *)subject;
    assert_true(cm_world_admin(&w, "EventList", &q.base, NULL, &events, &e));
    return events->n_events;
}

/* The command's caller sends it again until it has an answer; it has one effect. */
static void killed_at(const char *fault, const char *name)
{
#ifdef OMS_FAULTS
    struct id id = {.b = {9, (uint8_t)name[0], (uint8_t)name[1]}};
    Oms__CommandReply *reply;
    struct err e = ERR_INIT;

    assert_int_equal(cm_world_end(&w, SIGTERM), 0);
    assert_true(cm_world_start(&w, fault, true, &e));
    assert_false(cm_world_add_source(&w, name, &id, &reply, &e));
    assert_true(WIFSIGNALED(cm_world_end(&w, 0)));
    assert_true(cm_world_start(&w, NULL, true, &e));
    assert_true(cm_world_add_source(&w, name, &id, &reply, &e));
    assert_int_equal(count_sources(name), 1);
    assert_int_equal(count_events(name), 1);
#else
    (void)fault;
    (void)name;
    skip(); /* fault points are in test builds alone */
#endif
}

static void killed_before_the_commit_a_command_has_its_effect_once(void **state)
{
    (void)state;
    killed_at("CM_BEFORE_COMMIT", "before");
}

static void killed_after_the_commit_a_command_has_its_effect_once(void **state)
{
    (void)state;
    killed_at("CM_AFTER_COMMIT", "after");
}

static void a_crash_of_metadb_is_survived_and_nothing_is_forgotten(void **state)
{
    Oms__CommandReply *reply;
    struct err e = ERR_INIT;

    (void)state;
    assert_true(cm_world_add_source(&w, "kept", NULL, &reply, &e));
    postgres_kill(&server);
    assert_false(cm_world_add_source(&w, "lost", NULL, &reply, &e));
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_true(postgres_again(&server, &e));
    assert_true(cm_world_await(&w, 15000, &e));
    assert_int_equal(count_sources("kept"), 1);
    assert_int_equal(count_events("kept"), 1);
    assert_int_equal(count_sources("lost"), 0);
    assert_true(cm_world_add_source(&w, "later", NULL, &reply, &e));
}

/* C1, C2, C6: within 3 s another leads; the one that wakes writes nothing and steps down. */
static void a_stopped_leader_is_replaced_and_writes_nothing_when_it_wakes(void **state)
{
    struct cm_world other;
    struct mono before;
    Oms__CommandReply *reply;
    struct err e = ERR_INIT;

    (void)state;
    assert_true(cm_world_open(&other, "cm-2", server.dir, server.conninfo, &e));
    assert_true(cm_world_start(&other, NULL, false, &e));
    assert_false(cm_world_leads(&other));
    assert_int_equal(kill(w.pid, SIGSTOP), 0);
    before = clock_mono();
    assert_true(cm_world_await(&other, 10000, &e));
    assert_in_range(mono_ms_between(before, clock_mono()), 0, 3000);
    assert_int_equal(kill(w.pid, SIGCONT), 0);
    assert_false(cm_world_add_source(&w, "zombie", NULL, &reply, &e));
    assert_false(cm_world_leads(&w));
    assert_true(cm_world_leads(&other));
    assert_int_equal(cm_world_end(&other, SIGTERM), 0);
    before = clock_mono();
    assert_true(cm_world_await(&w, 10000, &e)); /* the lease was given back */
    assert_in_range(mono_ms_between(before, clock_mono()), 0, 1500);
    assert_int_equal(count_sources("zombie"), 0);
    cm_world_close(&other);
}

int main(int argc, char **argv)
{
    int code;

    if (cm_world_main(argc, argv, &code))
        return code;
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
        cmocka_unit_test(lists_of_what_does_not_exist_are_refused),
        cmocka_unit_test(killed_before_the_commit_a_command_has_its_effect_once),
        cmocka_unit_test(killed_after_the_commit_a_command_has_its_effect_once),
        cmocka_unit_test(a_crash_of_metadb_is_survived_and_nothing_is_forgotten),
        cmocka_unit_test(a_stopped_leader_is_replaced_and_writes_nothing_when_it_wakes),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
