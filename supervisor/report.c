/* What the host reports: who it is, what it has, how its components are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "common/base/version.h"
#include "common/os/clock.h"
#include "common/os/durable.h"
#include "common/pbtext/pbtext.h"
#include "supervisor/supervisor_priv.h"

#define CPU_EVERY_MS 1000

static char *read_word(struct arena *a, const char *path)
{
    struct err e = ERR_INIT;
    struct buf text;
    char *word = NULL;

    buf_init(&text, 65536);
    if (durable_read_file(path, &text, &e)) {
        (void)buf_cstr(&text);
        word = arena_strndup(a, (const char *)text.p, strcspn((const char *)text.p, " \n"));
    }
    buf_fini(&text);
    return word;
}

static Oms__HostCapacity *capacity(struct supervisor *sv, struct arena *a)
{
    Oms__HostCapacity *c = arena_alloc(a, sizeof *c);
    struct sysinfo si;
    struct statvfs fs;

    oms__host_capacity__init(c);
    c->has_cpus = 1;
    c->cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (sysinfo(&si) == 0) {
        c->has_memory_bytes = 1;
        c->memory_bytes = (uint64_t)si.totalram * si.mem_unit;
    }
    if (statvfs(sv->dir, &fs) == 0) {
        c->has_disk_bytes = c->has_disk_free_bytes = 1;
        c->disk_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
        c->disk_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    }
    return c;
}

static Oms__HostIdentity *identity(struct supervisor *sv, struct arena *a)
{
    Oms__HostIdentity *id = arena_alloc(a, sizeof *id);

    oms__host_identity__init(id);
    id->host_id = sv->host_id;
    id->name = sv->name;
    id->idc = sv->config->idc;
    id->region = sv->config->region;
    id->machine_id = read_word(a, "/etc/machine-id");
    id->boot_id = read_word(a, "/proc/sys/kernel/random/boot_id");
    id->address = sv->config->address;
    id->version = (char *)OMS_VERSION;
    id->capacity = capacity(sv, a);
    return id;
}

static void take_cpu(struct unit *u, uint64_t ticks, struct mono now)
{
    int64_t ms = mono_ms_between(u->cpu_at, now);

    if (ms < CPU_EVERY_MS)
        return;
    if (u->cpu_at.ns != 0 && ticks >= u->cpu_ticks) /* an adopted one's first look gives no rate */
        u->cpu = (double)(ticks - u->cpu_ticks) / (double)sysconf(_SC_CLK_TCK) * 1000 / (double)ms;
    u->cpu_ticks = ticks;
    u->cpu_at = now;
}

/* Resident bytes and CPU (cores, of the last second and more) from /proc. */
static void measure(struct unit *u, Oms__ComponentStatus *st)
{
    char path[64], line[2048], *p;
    unsigned long long utime = 0, stime = 0;
    long rss_pages = 0;
    struct mono now = clock_mono();
    FILE *f;
    size_t n;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)u->pid);
    f = fopen(path, "re");
    if (!f)
        return;
    n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    p = strrchr(line, ')');
    if (!p || sscanf(p + 1,
                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d "
                     "%*d %*d %*d %*u %*u %ld",
                     &utime, &stime, &rss_pages) != 3)
        return;
    st->has_rss_bytes = 1;
    st->rss_bytes = (uint64_t)rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
    take_cpu(u, utime + stime, now);
    st->has_cpu = u->cpu >= 0;
    st->cpu = st->has_cpu ? u->cpu : 0;
}

static Oms__ComponentStatus *status_of(struct unit *u, struct arena *a)
{
    Oms__ComponentStatus *st = arena_alloc(a, sizeof *st);
    bool orphan = !unit_directive(u);

    oms__component_status__init(st);
    st->id = u->id;
    st->has_epoch = st->has_revision = st->has_restarts = st->has_since_us = 1;
    st->epoch = u->ran_epoch;
    st->revision = u->ran_revision;
    st->state = (char *)(orphan ? "orphan" : unit_state_name(u->state));
    if (u->pid) {
        st->has_pid = 1;
        st->pid = (uint32_t)u->pid;
        measure(u, st);
    }
    st->restarts = u->restarts;
    st->since_us = u->since.us;
    st->has_exit_code = 1;
    st->exit_code = u->exit_code;
    st->last_word = (Oms__Error *)u->last_word.m;
    st->report = (Oms__ComponentReport *)u->report.m;
    st->has_report_age_ms = 1;
    st->report_age_ms = u->report.m ? mono_ms_between(u->report_at, clock_mono()) : -1;
    return st;
}

Oms__HostReport *host_report_build(struct supervisor *sv, struct arena *a)
{
    Oms__HostReport *r = arena_alloc(a, sizeof *r);
    double load = 0;

    oms__host_report__init(r);
    r->identity = identity(sv, a);
    r->components = arena_calloc(a, sv->units.n, sizeof *r->components);
    for (size_t i = 0; i < sv->units.n; i++) {
        struct unit *u = sv->units.at[i];

        if (unit_directive(u) || u->pid)
            r->components[r->n_components++] = status_of(u, a);
    }
    if (getloadavg(&load, 1) == 1) {
        r->has_load = 1;
        r->load = load;
    }
    return r;
}
