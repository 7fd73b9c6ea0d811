/*
 * The cluster core in a laboratory: a model of MetaDB that keeps what was committed, virtual time,
 * and hosts whose Supervisor and components are small models (state and goal by supervisor/core).
 * Nothing here opens anything. Used by the unit tests and the simulation of the control plane.
 */
#ifndef OMS_TEST_LIB_CLUSTER_LAB_H
#define OMS_TEST_LIB_CLUSTER_LAB_H

#include "cm/core/cluster.h"
#include "supervisor/core/goal.h"

struct lab_row {
    char *table, *key, *state;
    void *body;
    size_t len;
};
struct lab {
    struct cluster *c; /* NULL: the CM is down */
    struct mono now;
    VEC(struct lab_row) rows; /* MetaDB */
    uint64_t revision, last_event;
    uint64_t random;
    bool lose_commit;           /* the next commit does not happen, and the CM dies with it */
    char broken[200];           /* the first promise that was broken; "" = none */
    VEC(char *) events;         /* "name subject", all that were committed */
    char text[ERR_MESSAGE_MAX]; /* of the last command's answer */
};
void lab_open(struct lab *l, uint64_t seed);
void lab_close(struct lab *l);
uint64_t lab_random(struct lab *l, uint64_t below);
/* One cycle with at most one event; commits. False: the event was answered with an error. A test's
 * answer that comes later is in l->text, too ("done" or "failed"). */
bool lab_step(struct lab *l, const struct cluster_event *ev, struct err *e);
bool lab_command(struct lab *l, enum command command, const ProtobufCMessage *m, struct err *e);
bool lab_named(struct lab *l, enum command command, const char *name, struct err *e);
void lab_pass(struct lab *l, int64_t ms);
/* The CM dies (between cycles), and comes back with what MetaDB has. */
void lab_crash(struct lab *l);
void lab_boot(struct lab *l);
void lab_break(struct lab *l, const char *fmt, ...) PRINTF(2, 3);
/* Times the event was committed; subject NULL: any. */
unsigned lab_count(const struct lab *l, const char *event, const char *subject);
const struct lab_row *lab_find(const struct lab *l, const char *table, const char *key);
/* Data sources "a" and "b", project `name` from a to b with include "shop.*". */
bool lab_sources(struct lab *l, struct err *e);
bool lab_project(struct lab *l, const char *name, struct err *e);
struct step *lab_project_step(struct lab *l, const char *project, enum step_kind k);
const char *lab_state(struct lab *l, const char *project);

struct lab_unit { /* a component as its Supervisor and its process know it */
    char *id, *kind, *verb;
    bool on_disk; /* its files are there */
    uint64_t epoch, revision, directive;
    enum goal goal;
    enum unit_state state;
    uint32_t restarts;
    int exit_code; /* -1 none */
    char *error;   /* code of the last word */
    /* live part */
    uint64_t live, round;
    bool full_done;
    char *peer;
    char *choice; /* the answer to incident "ddl:1" */
    /* the process */
    uint64_t nonce, process_epoch;
    unsigned work;
    bool has_incident;
};
struct lab_host {
    const char *id, *name, *idc, *boot;
    char token[ID_TEXT_MAX];
    uint64_t kept;
    VEC(struct lab_unit *) units;
    uint64_t nonces;
    /* What components of a kind (of a task: verb) do instead of working: */
    const char *sick; /* NULL: all are well */
    int sick_exit;
    const char *sick_error;
    const char *bad_check; /* precheck finds this */
    bool ddl;              /* incremental holds for a DDL until it is answered */
};
void lab_host_open(struct lab_host *h, const char *id, const char *idc);
void lab_host_close(struct lab_host *h);
/* One Sync: report, cycle, reply. lose: the reply does not arrive. False: refused. */
bool lab_host_sync(struct lab *l, struct lab_host *h, bool lose, struct err *e);
/* Every process works for one turn. */
void lab_host_work(struct lab_host *h);
struct lab_unit *lab_unit(struct lab_host *h, const char *id); /* NULL: none */
void lab_unit_kill(struct lab_unit *u);                        /* kill -9 */
/* Rounds of work, Sync and a second, on one host. */
void lab_run(struct lab *l, struct lab_host *h, unsigned rounds);

#endif
