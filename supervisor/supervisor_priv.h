/*
 * The Supervisor's shell: one thread, one libuv loop. It decides nothing about placement; what it
 * does about a component is supervisor/core/goal.h. What it was told is on disk (state_file.c)
 * before it acts.
 */
#ifndef OMS_SUPERVISOR_SUPERVISOR_PRIV_H
#define OMS_SUPERVISOR_SUPERVISOR_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "common/base/arena.h"
#include "common/base/vec.h"
#include "common/crypto/seal.h"
#include "common/rpc/rpc.h"
#include "proto/component.pb-c.h"
#include "proto/daemon.pb-c.h"
#include "proto/host.pb-c.h"
#include "supervisor/core/goal.h"

#define MESSAGE_MAX (64u << 20)
#define NONCE_MAX 65

/* A message kept for long, in memory of its own. */
struct kept_message {
    struct arena arena;
    ProtobufCMessage *m; /* NULL: none */
};
void keep_message(struct kept_message *k, const ProtobufCMessage *m);
void drop_message(struct kept_message *k);

struct ask_item { /* on its way to a component */
    char *id, *what;
    struct {
        char **at;
        size_t n, cap;
    } args;
};

struct unit { /* one component of this host */
    struct supervisor *sv;
    char *id, *dir;
    struct kept_message
        directive; /* Oms__Directive with plain secrets in memory; NULL m: an orphan */
    enum goal goal;
    enum unit_state state;
    pid_t pid; /* 0: no process */
    uint64_t start_ticks;
    char nonce[NONCE_MAX];
    int pidfd;
    uv_poll_t *poll;
    bool adopted;                     /* not our child: its exit status cannot be read */
    bool restart_wanted;              /* told to end so that a newer specification starts */
    uint64_t ran_epoch, ran_revision; /* what the present or last process was started with */
    struct mono due, kill_at, started, synced;
    struct wall since;
    uint32_t restarts, crashes;
    int32_t exit_code;             /* -1: none yet */
    struct kept_message last_word; /* Oms__Error */
    struct kept_message report;    /* Oms__ComponentReport */
    struct mono report_at;
    struct rpc_call *parked; /* its Sync */
    struct mono parked_until;
    uint64_t live_sent; /* revision of the live part handed over; secrets go with it */
    bool live_known;    /* live_sent means something for this process */
    bool undirected; /* its newer directive is not on disk yet, so nothing has followed from it */
    struct {
        struct ask_item *at;
        size_t n, cap;
    } asks;
    uint64_t cpu_ticks; /* at cpu_at */
    struct mono cpu_at;
    double cpu; /* cores, of late; negative: not known yet */
};

struct log_ask { /* a "logs" ask that is being answered */
    char *id, *path;
    int fd; /* stays on a rotated file until that has been read */
    bool follow, busy;
    uint64_t offset;
    struct mono until;
};

struct component_service { /* the generated one, and whose it is */
    Oms__ComponentService_Service base;
    struct supervisor *sv;
};

struct supervisor {
    Oms__SupervisorConfig *config;
    struct arena arena; /* of the configuration */
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t on_term, on_int, on_usr1;
    struct seal_key key;
    char *dir, *host_id, *name, *sync_url, *sync_dir;
    char *bin_dir;

    char *metadb_id; /* what was seen, durably (C4) */
    uint64_t cm_epoch, revision;

    VEC(struct unit *) units;
    struct rpc_server *server;
    struct component_service service;
    struct mono ticked;

    /* link to the CM */
    struct rpc_client *client;
    char *cm_url, *cm_token, *sync_token;
    size_t cm_next;
    uint32_t outstanding;
    bool news; /* something changed that CM should hear at once */
    struct mono sent_at, cm_heard, retry_at;
    bool cm_away_said;
    bool unsaved; /* the state in memory is newer than the one on disk */
    VEC(struct log_ask) logs;

    bool leaving;      /* SIGTERM: go, components stay */
    bool stopping_all; /* SIGUSR1: end every component, then go */
};

/* --- unit.c -------------------------------------------------------------------------------------
 */
struct unit *unit_find(struct supervisor *sv, const char *id);
struct unit *unit_by_nonce(struct supervisor *sv, const char *nonce);
struct unit *unit_new(struct supervisor *sv, const char *id);
void unit_free(struct unit *u);
void unit_tick(struct unit *u, struct mono now); /* one step of the matrix */
void unit_forget(struct supervisor *sv, const char *id, bool removed);
void unit_clear_dir(const char *dir); /* all but its logs */
const Oms__Directive *unit_directive(const struct unit *u);
/* A newer directive is in place: restart, hand over or stop follows from it. */
void unit_directed(struct unit *u);
/* --- process.c ----------------------------------------------------------------------------------
 */
bool process_start(struct unit *u, struct err *e) MUST_CHECK;
void process_signal(struct unit *u, int sig);
/* Finds processes of components that an earlier Supervisor started. */
void process_adopt_all(struct supervisor *sv);
/* --- state_file.c -------------------------------------------------------------------------------
 */
bool state_load(struct supervisor *sv, struct err *e) MUST_CHECK;
bool state_save(struct supervisor *sv, struct err *e) MUST_CHECK;
/* --- serve_component.c --------------------------------------------------------------------------
 */
bool component_service_start(struct supervisor *sv, struct err *e) MUST_CHECK;
void component_answer_parked(struct unit *u, struct mono now); /* if there is a reason */
void component_drop_parked(struct unit *u);
/* --- link.c -------------------------------------------------------------------------------------
 */
void link_tick(struct supervisor *sv, struct mono now);
void link_close(struct supervisor *sv);
/* Sends a piece of an answer up; done asks are forgotten by CM. */
void link_answer(struct supervisor *sv, const Oms__AnswerRequest *a, rpc_done *done, void *arg);
/* --- report.c -----------------------------------------------------------------------------------
 */
Oms__HostReport *host_report_build(struct supervisor *sv, struct arena *a);
/* --- logs.c -------------------------------------------------------------------------------------
 */
void logs_begin(struct supervisor *sv, const Oms__Ask *ask);
void logs_tick(struct supervisor *sv, struct mono now);
void logs_fini(struct supervisor *sv);

#endif
