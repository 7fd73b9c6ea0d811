/*
 * oms down: stops the components, the Supervisor, the CM and the MetaDB of an installation, in this
 * order; data stays. The Supervisor is told by SIGUSR1 (SIGTERM would keep the components, C5);
 * components whose Supervisor is gone are stopped one by one.
 */
#include <signal.h>
#include <string.h>

#include "cm/cli/cli.h"
#include "cm/cli/installation.h"
#include "cm/cli/metadb.h"
#include "cm/cli/process.h"

#define STOP_MS 60000
#define KILL_MS 5000

/* Politely, then by force. True: it is gone. */
static bool stop(const struct cli *c, const char *name, pid_t pid, int sig)
{
    if (process_stop(pid, sig, STOP_MS)) {
        cli_say(c, "%s: stopped", name);
        return true;
    }
    cli_say(c, "%s (pid %d) does not stop; killing it", name, (int)pid);
    return process_stop(pid, SIGKILL, KILL_MS);
}

/* Components below a Supervisor's directory that no Supervisor stopped. */
static bool stop_components(struct cli *c, const char *supervisor_dir)
{
    const char *below = arena_printf(&c->arena, "%s/", supervisor_dir);
    bool fine = true;

    for (pid_t pid = 0; (pid = process_find("oms-", "--dir", below, pid)) != 0;)
        fine = stop(c, "a component", pid, SIGTERM) && fine;
    return fine;
}

static bool bring_down(struct cli *c, const Oms__Installation *i)
{
    const char *cm = arena_printf(&c->arena, "%s/cm/cm.yaml", i->dir);
    const char *sv = arena_printf(&c->arena, "%s/supervisor/supervisor.yaml", i->dir);
    struct metadb m = {.dir = cli_or(i->metadb_dir, "")};
    bool fine = true, stopped;
    pid_t pid;

    m.user = i->metadb_user && *i->metadb_user ? i->metadb_user : NULL;
    pid = process_find("oms-supervisor", "--config", sv, 0);
    if (pid)
        fine = stop(c, "oms-supervisor and its components", pid, SIGUSR1);
    fine = stop_components(c, arena_printf(&c->arena, "%s/supervisor", i->dir)) && fine;
    if (i->runtime_dir)
        fine = stop_components(c, arena_printf(&c->arena, "%s/supervisor", i->runtime_dir)) && fine;
    pid = process_find("oms-cm", "--config", cm, 0);
    if (pid)
        fine = stop(c, "oms-cm", pid, SIGTERM) && fine;
    if (!metadb_down(c, &m, &stopped))
        return false;
    if (stopped)
        cli_say(c, "MetaDB: stopped");
    return fine || err_set(&c->e, ERR_SYSTEM, "a process of '%s' could not be stopped", i->dir);
}

enum cli_exit cli_down(struct cli *c)
{
    const char *dir = cli_value(c, "dir"), *absolute;
    Oms__Installation *i;

    if (!dir && !installation_remembered(c, &dir))
        return cli_failed(c);
    if (!installation_absolute(c, dir, &absolute) || !installation_read(c, absolute, &i)) {
        if (c->e.code == ERR_NOT_FOUND)
            err_set(&c->e, ERR_NOT_FOUND, "no installation in '%s'", dir);
        return cli_failed(c);
    }
    if (!bring_down(c, i))
        return cli_failed(c);
    buf_printf(&c->out, "OMS in %s is down; its data stays\n", i->dir);
    return CLI_FINE;
}
