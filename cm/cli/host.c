/* oms host, oms status: the hosts and the CM that answers. */
#include "cm/cli/cli.h"
#include "common/os/clock.h"
#include "common/pbtext/pbtext.h"
#include "proto/admin.pb-c.h"

static const Oms__HostIdentity nobody = OMS__HOST_IDENTITY__INIT;

static const char *capacity_of(struct cli *c, const Oms__HostIdentity *id)
{
    const Oms__HostCapacity *x = id->capacity;

    if (!x)
        return "";
    return arena_printf(&c->arena, "%u cpus, %.1f GB memory, %.1f of %.1f GB disk free", x->cpus,
                        (double)x->memory_bytes / 1e9, (double)x->disk_free_bytes / 1e9,
                        (double)x->disk_bytes / 1e9);
}

static const char *heard(struct cli *c, const Oms__HostView *v)
{
    if (!v->has_heard_us || v->heard_us <= 0)
        return "never";
    return arena_printf(&c->arena, "%s ago",
                        cli_duration(&c->arena, (clock_wall().us - v->heard_us) / 1000));
}

enum cli_exit cli_host_list(struct cli *c)
{
    static const char *const head[] = {"NAME",       "STATE", "IDC",   "REGION",
                                       "COMPONENTS", "LOAD",  "HEARD", "CAPACITY"};
    Oms__HostListReply *reply;
    struct pbtext_table *t;

    if (!cli_call_empty(c, "HostList", &reply))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &reply->base);
        return CLI_FINE;
    }
    t = pbtext_table_new(head, ARRAY_LEN(head));
    for (size_t i = 0; i < reply->n_hosts; i++) {
        const Oms__HostView *v = reply->hosts[i];
        const Oms__HostIdentity *id = v->identity ? v->identity : &nobody;

        pbtext_table_row(t, (const char *const[]){cli_or(id->name, id->host_id), v->state, id->idc,
                                                  id->region,
                                                  arena_printf(&c->arena, "%u", v->components),
                                                  arena_printf(&c->arena, "%.2f", v->load),
                                                  heard(c, v), capacity_of(c, id)});
    }
    pbtext_table_write(t, cli_terminal_width(), &c->out);
    pbtext_table_free(t);
    return CLI_FINE;
}

enum cli_exit cli_host_show(struct cli *c)
{
    Oms__HostView *v;
    const Oms__HostIdentity *id;

    if (!cli_call_name(c, "HostShow", c->args[0], &v))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &v->base);
        return CLI_FINE;
    }
    id = v->identity ? v->identity : &nobody;
    buf_printf(&c->out,
               "name        %s\nstate       %s\nid          %s\nidc         %s\nregion      %s\n"
               "address     %s\nversion     %s\nheard       %s\nload        %.2f\n"
               "components  %u\ncapacity    %s\n",
               cli_or(id->name, ""), cli_or(v->state, ""), cli_or(id->host_id, ""),
               cli_or(id->idc, ""), cli_or(id->region, ""), cli_or(id->address, ""),
               cli_or(id->version, ""), heard(c, v), v->load, v->components, capacity_of(c, id));
    return CLI_FINE;
}

enum cli_exit cli_status(struct cli *c)
{
    Oms__StatusReply *s;

    if (!cli_call_empty(c, "Status", &s))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON)
        cli_print_message(c, &s->base);
    else
        buf_printf(&c->out,
                   "CM        %s (pid %u, version %s)\nepoch     %llu\nMetaDB    %s\nhosts up  %u\n"
                   "projects  %u\n",
                   c->url, s->pid, cli_or(s->version, "?"), (unsigned long long)s->epoch,
                   cli_or(s->metadb_id, "?"), s->hosts_up, s->projects);
    return CLI_FINE;
}
