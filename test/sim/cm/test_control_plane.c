/*
 * The control plane under virtual time: one CM that crashes (between cycles, and with a cycle that
 * was not committed) and comes back from its modelled MetaDB, three hosts whose Supervisors and
 * components die, fall silent, lose answers. After every action the promises are checked; at the
 * end of each world the faults cease and every goal must be reached.
 *
 *   OMS_SIM_SEED=n   one world with this seed      OMS_SIM_WORLDS=n   so many worlds (default 60)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cm/core/cycle.h"
#include "test/lib/cluster_lab.h"

#define HOSTS 3
#define PROJECTS 2
#define ACTIONS 4000 /* a world */
#define WORLDS 60
#define QUIET_ROUNDS 90
#define RELEASE_ROUNDS 20

static const char *const host_ids[HOSTS] = {"h-1", "h-2", "h-3"};
static const char *const idcs[HOSTS] = {"west", "west", "east"};
static const char *const projects[PROJECTS] = {"p", "q"};

struct sim {
    struct lab l;
    struct lab_host h[HOSTS];
    unsigned cut[HOSTS]; /* actions for which the host cannot reach the CM */
    unsigned down;       /* actions until the CM comes back */
    char boots[HOSTS][16];
    unsigned n_boots;
    enum want acknowledged[PROJECTS];
    enum step_state seen[PROJECTS][STEP_COUNT];
    uint64_t answered; /* incident whose answer was acknowledged; 0 = none */
    const char *answer;
    unsigned long actions;
};

/* --- promises ----------------------------------------------------------------------------------
 */

static bool runs(const struct lab_unit *u)
{
    return u->state == UNIT_RUNNING || u->state == UNIT_STOPPING;
}

static uint64_t committed_epoch(struct sim *s, const char *id)
{
    const struct lab_row *r = lab_find(&s->l, "component", id);
    uint64_t epoch = UINT64_MAX; /* of no project: its test, or an orphan */
    struct arena a;

    if (!r)
        return epoch;
    arena_init(&a, 0);
    epoch =
        ((Oms__ComponentRow *)message_unpack(&oms__component_row__descriptor, r->body, r->len, &a))
            ->epoch;
    arena_fini(&a);
    return epoch;
}

/* No process has an epoch that was not committed before; one epoch runs on one host alone. */
static void check_epochs(struct sim *s)
{
    for (int i = 0; i < HOSTS; i++)
        for (size_t n = 0; n < s->h[i].units.n; n++) {
            struct lab_unit *u = s->h[i].units.at[n];
            if (!runs(u))
                continue;
            if (u->process_epoch > committed_epoch(s, u->id))
                lab_break(&s->l, "'%s' runs epoch %llu, which no CM has issued", u->id,
                          (unsigned long long)u->process_epoch);
            for (int j = i + 1; j < HOSTS; j++) {
                struct lab_unit *o = lab_unit(&s->h[j], u->id);
                if (o && runs(o) && o->process_epoch == u->process_epoch)
                    lab_break(&s->l, "'%s' runs epoch %llu on two hosts", u->id,
                              (unsigned long long)u->process_epoch);
            }
        }
}

static bool is_copied_again(const struct project *p)
{
    Oms__CopyAgain **list;
    struct arena a;

    arena_init(&a, 0);
    size_t n = again_list(p, false, &a, &list);
    arena_fini(&a);
    return n > 0;
}

/* What was acknowledged is not forgotten; a step that is done stays so, unless a person asks for
 * a table to be copied again. */
static void check_memory(struct sim *s)
{
    for (int i = 0; s->l.c && i < PROJECTS; i++) {
        const struct project *p = cluster_project(s->l.c, projects[i]);
        if (p->want != s->acknowledged[i])
            lab_break(&s->l, "project '%s' wants %d, acknowledged was %d", projects[i], p->want,
                      s->acknowledged[i]);
        for (int k = 0; k < STEP_COUNT; k++) {
            if (s->seen[i][k] == STEP_DONE && p->steps[k].state != STEP_DONE &&
                !step_rows[k].stays && /* one that stays may fail later */
                !(k == STEP_FULL && is_copied_again(p)))
                lab_break(&s->l, "step '%s' of '%s' was done and is no more", step_rows[k].name,
                          projects[i]);
            s->seen[i][k] = p->steps[k].state;
        }
    }
    if (s->l.c && s->answered) {
        const struct incident *in = cluster_incident(s->l.c, s->answered);
        if (!in || !text_is(incident_row(in)->choice, s->answer))
            lab_break(&s->l, "the answer to an incident is forgotten");
    }
}

static void check(struct sim *s)
{
    check_epochs(s);
    check_memory(s);
}

/* --- actions -----------------------------------------------------------------------------------
 */

static void host_turn(struct sim *s)
{
    int i = (int)lab_random(&s->l, HOSTS);
    struct err e = ERR_INIT;

    lab_host_work(&s->h[i]);
    if (s->l.c && s->cut[i] == 0)
        (void)!lab_host_sync(&s->l, &s->h[i], lab_random(&s->l, 10) == 0, &e);
}

static void time_passes(struct sim *s)
{
    lab_pass(&s->l, 50 + (int64_t)lab_random(&s->l, 700));
}

static void cm_dies(struct sim *s)
{
    if (!s->l.c)
        return;
    if (lab_random(&s->l, 2))
        s->l.lose_commit = true; /* with the next cycle */
    else
        lab_crash(&s->l);
}

static void component_dies(struct sim *s)
{
    struct lab_host *h = &s->h[lab_random(&s->l, HOSTS)];

    if (h->units.n > 0)
        lab_unit_kill(h->units.at[lab_random(&s->l, h->units.n)]);
}

static void supervisor_dies(struct sim *s)
{
    s->h[lab_random(&s->l, HOSTS)].token[0] = '\0'; /* its processes and directives stay */
}

static void host_reboots(struct sim *s)
{
    int i = (int)lab_random(&s->l, HOSTS);

    (void)snprintf(s->boots[i], sizeof s->boots[i], "boot-%u", ++s->n_boots);
    s->h[i].boot = s->boots[i];
    s->h[i].token[0] = '\0';
    for (size_t n = 0; n < s->h[i].units.n; n++)
        lab_unit_kill(s->h[i].units.at[n]);
}

static void host_is_cut(struct sim *s)
{
    s->cut[lab_random(&s->l, HOSTS)] = 5 + (unsigned)lab_random(&s->l, 150);
}

static void command(struct sim *s)
{
    static const enum command commands[] = {COMMAND_PROJECT_START, COMMAND_PROJECT_PAUSE,
                                            COMMAND_PROJECT_RESUME};
    enum command c = commands[lab_random(&s->l, ARRAY_LEN(commands))];
    int i = (int)lab_random(&s->l, PROJECTS);
    struct err e = ERR_INIT;

    if (s->l.c && lab_named(&s->l, c, projects[i], &e) && s->l.c)
        s->acknowledged[i] = c == COMMAND_PROJECT_PAUSE ? WANT_PAUSE : WANT_RUN;
}

static void verify(struct sim *s)
{
    Oms__VerifyRequest r = OMS__VERIFY_REQUEST__INIT;
    struct err e = ERR_INIT;

    r.name = (char *)projects[lab_random(&s->l, PROJECTS)];
    if (s->l.c)
        (void)!lab_command(&s->l, COMMAND_VERIFY_START, &r.base, &e);
}

static void restart(struct sim *s)
{
    struct err e = ERR_INIT;

    if (s->l.c && s->l.c->components.n > 0)
        (void)!lab_named(&s->l, COMMAND_COMPONENT_RESTART,
                         s->l.c->components.at[lab_random(&s->l, s->l.c->components.n)]->key, &e);
}

static void test_source(struct sim *s)
{
    struct err e = ERR_INIT;

    if (s->l.c)
        (void)!lab_named(&s->l, COMMAND_SOURCE_TEST, "a", &e);
}

static void sickness(struct sim *s)
{
    static const struct {
        const char *kind;
        int exit;
        const char *error;
    } sick[] = {{NULL, 0, ""},
                {NULL, 0, ""},
                {"full-import", 11, "TARGET_SHAPE"},
                {"incr-sync", 12, "FENCED"},
                {"store", 10, "SERVER_UNREACHABLE"},
                {"precheck", 139, ""}};
    struct lab_host *h = &s->h[lab_random(&s->l, HOSTS)];
    size_t i = lab_random(&s->l, ARRAY_LEN(sick));

    h->sick = sick[i].kind;
    h->sick_exit = sick[i].exit;
    h->sick_error = sick[i].error;
}

static void incident(struct sim *s)
{
    Oms__IncidentRequest r = OMS__INCIDENT_REQUEST__INIT;
    struct err e = ERR_INIT;

    if (!s->l.c || s->l.c->incidents.n == 0) {
        s->h[lab_random(&s->l, HOSTS)].ddl = true;
        return;
    }
    r.has_id = true;
    r.id = s->l.c->incidents.at[lab_random(&s->l, s->l.c->incidents.n)]->id;
    r.choice = (char *)(lab_random(&s->l, 2) ? "skip" : CHOICE_COPY_AGAIN);
    if (lab_command(&s->l, COMMAND_INCIDENT_RESOLVE, &r.base, &e) && s->l.c) {
        s->answered = r.id;
        s->answer = r.choice;
    }
}

static const struct {
    unsigned weight;
    void (*act)(struct sim *s);
} acts[] = {{60, host_turn},      {20, time_passes}, {1, cm_dies},     {2, component_dies},
            {1, supervisor_dies}, {1, host_reboots}, {1, host_is_cut}, {2, command},
            {1, verify},          {1, restart},      {1, test_source}, {2, sickness},
            {1, incident}};

static void one_action(struct sim *s)
{
    unsigned total = 0, at = 0;

    for (size_t i = 0; i < ARRAY_LEN(acts); i++)
        total += acts[i].weight;
    uint64_t pick = lab_random(&s->l, total);
    while (pick >= acts[at].weight)
        pick -= acts[at++].weight;
    acts[at].act(s);
    for (int i = 0; i < HOSTS; i++)
        s->cut[i] -= s->cut[i] > 0;
    if (!s->l.c &&
        (s->down == 0 ? (s->down = 1 + (unsigned)lab_random(&s->l, 60)) : --s->down) == 0)
        lab_boot(&s->l);
    s->actions++;
    check(s);
}

/* --- the end: no more faults -------------------------------------------------------------------
 */

static void reach_goals(struct sim *s)
{
    struct err e = ERR_INIT;

    if (!s->l.c)
        lab_boot(&s->l);
    s->l.lose_commit = false;
    for (int i = 0; i < HOSTS; i++) {
        s->cut[i] = 0;
        s->h[i].sick = NULL;
        s->h[i].ddl = false;
    }
    for (int n = 0; n < QUIET_ROUNDS; n++) {
        if (n == 10)
            for (int i = 0; i < PROJECTS; i++)
                if (lab_named(&s->l, COMMAND_PROJECT_START, projects[i], &e))
                    s->acknowledged[i] = WANT_RUN;
        for (size_t i = 0; i < s->l.c->incidents.n; i++)
            if (incident_is_open(s->l.c->incidents.at[i]))
                incident_answer(&(struct cycle){.c = s->l.c, .now = {s->l.now, {0}}},
                                s->l.c->incidents.at[i], "skip", "");
        for (int i = 0; i < HOSTS; i++) {
            lab_host_work(&s->h[i]);
            (void)!lab_host_sync(&s->l, &s->h[i], false,
                                 &e); /* a doubled host is refused a while */
        }
        lab_pass(&s->l, 1000);
        check(s);
    }
}

static int project_failed_step(const struct project *p)
{
    int k = 0;

    while (k < STEP_COUNT - 1 && p->steps[k].state != STEP_FAILED)
        k++;
    return k;
}

static void check_goal(struct sim *s, const char *name)
{
    const struct project *p = cluster_project(s->l.c, name);

    if (!text_is(project_state_name(p), "running"))
        lab_break(&s->l, "project '%s' is %s in the end: %s %s %s", name, project_state_name(p),
                  step_rows[project_failed_step(p)].name,
                  p->steps[project_failed_step(p)].error_code,
                  p->steps[project_failed_step(p)].error_message);
    if (p->steps[STEP_FULL].state != STEP_DONE)
        lab_break(&s->l, "the copy of '%s' is not done in the end", name);
    if (!project_is_caught_up(s->l.c, p, s->l.now))
        lab_break(&s->l, "'%s' is not caught up in the end", name);
    if (p->steps[STEP_VERIFICATION].state != STEP_DONE)
        lab_break(&s->l, "verification of '%s' is not done in the end", name);
}

/* Each component that is wanted runs once, with its epoch; nothing else runs. */
static void check_processes(struct sim *s)
{
    for (size_t n = 0; n < s->l.c->components.n; n++) {
        const struct component *x = (const struct component *)s->l.c->components.at[n];
        unsigned found = 0;
        for (int i = 0; i < HOSTS; i++) {
            struct lab_unit *u = lab_unit(&s->h[i], x->named.key);
            found += u && runs(u) && u->process_epoch == x->epoch;
        }
        if (x->goal_run && found != 1)
            lab_break(&s->l, "'%s' runs %u times in the end", x->named.key, found);
    }
    for (int i = 0; i < HOSTS; i++)
        for (size_t n = 0; n < s->h[i].units.n; n++) {
            const struct lab_unit *u = s->h[i].units.at[n];
            const struct component *x = cluster_component(s->l.c, u->id);
            if (runs(u) && (!x || !x->goal_run || !text_is(x->host, s->h[i].id)))
                lab_break(&s->l, "'%s' still runs on '%s' in the end", u->id, s->h[i].id);
        }
}

/* The end of every project: sealed, and nothing runs. */
static void release_all(struct sim *s)
{
    Oms__ReleaseRequest r = OMS__RELEASE_REQUEST__INIT;
    struct err e = ERR_INIT;

    for (int i = 0; i < PROJECTS; i++) {
        r.name = (char *)projects[i];
        r.has_finish = r.finish = i == 0;
        if (lab_command(&s->l, COMMAND_PROJECT_RELEASE, &r.base, &e))
            s->acknowledged[i] = r.finish ? WANT_FINISH : WANT_RELEASE;
        else
            lab_break(&s->l, "'%s' cannot be released: %s", projects[i], e.message);
    }
    for (int n = 0; n < RELEASE_ROUNDS && s->l.broken[0] == '\0'; n++) {
        for (int i = 0; i < HOSTS; i++) {
            lab_host_work(&s->h[i]);
            (void)!lab_host_sync(&s->l, &s->h[i], false, &e);
        }
        lab_pass(&s->l, 1000);
        check(s);
    }
    for (int i = 0; i < PROJECTS; i++)
        if (!text_is(lab_state(&s->l, projects[i]), "released"))
            lab_break(&s->l, "'%s' is %s after its release", projects[i],
                      lab_state(&s->l, projects[i]));
}

static bool run_world(uint64_t seed, unsigned long *actions)
{
    struct sim *s = must_calloc(1, sizeof *s);
    struct err e = ERR_INIT;

    lab_open(&s->l, seed);
    for (int i = 0; i < HOSTS; i++)
        lab_host_open(&s->h[i], host_ids[i], idcs[i]);
    must(lab_sources(&s->l, &e));
    for (int i = 0; i < PROJECTS; i++)
        must(lab_project(&s->l, projects[i], &e));
    for (int i = 0; i < ACTIONS && s->l.broken[0] == '\0'; i++)
        one_action(s);
    if (s->l.broken[0] == '\0') {
        reach_goals(s);
        for (int i = 0; i < PROJECTS; i++)
            check_goal(s, projects[i]);
        check_processes(s);
        if (s->l.broken[0] == '\0')
            release_all(s);
        check_processes(s);
    }
    bool fine = s->l.broken[0] == '\0';
    if (!fine) {
        print_error("seed %llu, action %lu: %s\n", (unsigned long long)seed, s->actions,
                    s->l.broken);
        for (size_t i = s->l.events.n > 12 ? s->l.events.n - 12 : 0; i < s->l.events.n; i++)
            print_error("  %s\n", s->l.events.at[i]);
    }
    *actions += s->actions;
    for (int i = 0; i < HOSTS; i++)
        lab_host_close(&s->h[i]);
    lab_close(&s->l);
    free(s);
    return fine;
}

static void the_promises_hold_under_faults_and_every_goal_is_reached(void **state)
{
    const char *one = getenv("OMS_SIM_SEED"), *many = getenv("OMS_SIM_WORLDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    uint64_t worlds = one ? 1 : many ? strtoull(many, NULL, 10) : WORLDS;
    unsigned long actions = 0;

    (void)state;
    for (uint64_t seed = first; seed < first + worlds; seed++)
        assert_true(run_world(seed, &actions));
    print_message("%lu actions in %llu worlds\n", actions, (unsigned long long)worlds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_promises_hold_under_faults_and_every_goal_is_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
