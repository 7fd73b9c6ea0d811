/* oms incident, oms events: what waits for a person, and what happened. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cm/cli/cli.h"
#include "common/pbtext/pbtext.h"
#include "proto/admin.pb-c.h"

#define EVENT_HOLD_MS 10000u
#define SQL_FILE_MAX (1u << 20)

static const char *choices_of(struct cli *c, const Oms__Incident *n)
{
    const char *list = "";

    for (size_t i = 0; i < n->n_choices; i++)
        list = arena_printf(&c->arena, "%s%s%s", list, i ? ", " : "", n->choices[i]);
    return list;
}

enum cli_exit cli_incident_list(struct cli *c)
{
    static const char *const head[] = {"ID",    "PROJECT", "STATE",  "CODE",
                                       "SINCE", "SUMMARY", "CHOICES"};
    Oms__IncidentListRequest r = OMS__INCIDENT_LIST_REQUEST__INIT;
    Oms__IncidentListReply *reply;
    struct pbtext_table *t;

    r.project = c->n_args ? (char *)c->args[0] : NULL;
    r.has_all = true;
    r.all = cli_value(c, "all") != NULL;
    if (!cli_call(c, "IncidentList", &r.base, &reply))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &reply->base);
        return CLI_FINE;
    }
    t = pbtext_table_new(head, ARRAY_LEN(head));
    for (size_t i = 0; i < reply->n_incidents; i++) {
        const Oms__Incident *n = reply->incidents[i];

        pbtext_table_row(t, (const char *const[]){
                                arena_printf(&c->arena, "%llu", (unsigned long long)n->id),
                                n->project, n->state, n->code, cli_when(&c->arena, n->opened_us),
                                n->summary, *cli_or(n->choice, "") ? n->choice : choices_of(c, n)});
    }
    pbtext_table_write(t, cli_terminal_width(), &c->out);
    pbtext_table_free(t);
    return CLI_FINE;
}

static bool incident_id(struct cli *c, uint64_t *id)
{
    const char *text = c->args[0];
    char *end;

    errno = 0;
    *id = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-')
        return err_set(&c->e, ERR_INVALID, "'%s' is not the number of an incident", text);
    return true;
}

enum cli_exit cli_incident_show(struct cli *c)
{
    Oms__IncidentRequest r = OMS__INCIDENT_REQUEST__INIT;
    Oms__Incident *n;

    r.has_id = true;
    if (!incident_id(c, &r.id))
        return cli_usage(c, "%s", c->e.message);
    if (!cli_call(c, "IncidentShow", &r.base, &n))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &n->base);
        return CLI_FINE;
    }
    buf_printf(&c->out,
               "incident   %llu (%s)\nproject    %s\ncomponent  %s\ncode       %s\n"
               "opened     %s\nsummary    %s\n",
               (unsigned long long)n->id, cli_or(n->state, "?"), cli_or(n->project, ""),
               cli_or(n->component_id, ""), cli_or(n->code, ""), cli_when(&c->arena, n->opened_us),
               cli_or(n->summary, ""));
    if (n->evidence)
        buf_printf(&c->out, "evidence\n%s\n", n->evidence);
    if (*cli_or(n->choice, ""))
        buf_printf(&c->out, "answer     %s\n", n->choice);
    for (size_t i = 0; i < n->n_choices; i++)
        buf_printf(&c->out, "  oms incident resolve %llu --choice %s\n", (unsigned long long)n->id,
                   n->choices[i]);
    return CLI_FINE;
}

enum cli_exit cli_incident_resolve(struct cli *c)
{
    Oms__IncidentRequest r = OMS__INCIDENT_REQUEST__INIT;

    r.choice = (char *)cli_value(c, "choice");
    if (!r.choice)
        return cli_usage(c, "--choice is missing; `oms incident show %s` lists them", c->args[0]);
    r.has_id = true;
    if (!incident_id(c, &r.id))
        return cli_usage(c, "%s", c->e.message);
    r.text = (char *)cli_value(c, "sql");
    const char *file = cli_value(c, "sql-file");
    struct buf text CLEANUP(buf_fini);
    buf_init(&text, SQL_FILE_MAX);
    if (file && !cli_read_file(c, file, &text))
        return cli_failed(c);
    if (file)
        r.text = arena_strdup(&c->arena, buf_cstr(&text));
    return cli_command_call(c, "IncidentResolve", &r.base);
}

static void put_event(struct cli *c, const Oms__Event *v)
{
    if (c->output == OUTPUT_JSON) {
        pbtext_format_json(&v->base, 0, &c->out);
        buf_u8(&c->out, '\n');
        return;
    }
    buf_printf(&c->out, "%s  %-24s %-20s %s", cli_when(&c->arena, v->at_us), cli_or(v->name, ""),
               cli_or(v->subject, ""), cli_or(v->text, ""));
    if (v->has_rule && v->rule)
        buf_printf(&c->out, " (rule %u)", v->rule);
    buf_u8(&c->out, '\n');
}

enum cli_exit cli_events(struct cli *c)
{
    Oms__EventListRequest r = OMS__EVENT_LIST_REQUEST__INIT;
    Oms__EventListReply *reply;
    bool follow = cli_value(c, "follow") != NULL;
    long most = 50;

    if (!cli_number(c, "count", 1, 100000, &most))
        return cli_usage(c, "%s", c->e.message);
    r.subject = (char *)cli_value(c, "subject");
    if (!cli_connect(c))
        return cli_failed(c);
    r.has_most = true;
    r.most = (uint32_t)most;
    do {
        struct arena outer = c->arena;
        bool fine;

        arena_init(&c->arena, 0); /* each round's memory goes with the round */
        fine = cli_call(c, "EventList", &r.base, &reply);
        if (fine && !follow && c->output == OUTPUT_JSON)
            cli_print_message(c, &reply->base);
        for (size_t i = 0; fine && i < reply->n_events; i++) {
            if (follow || c->output == OUTPUT_TABLE)
                put_event(c, reply->events[i]);
            if (reply->events[i]->id > r.after)
                r.after = reply->events[i]->id;
        }
        cli_flush(c);
        arena_fini(&c->arena);
        c->arena = outer;
        if (!fine)
            return cli_failed(c);
        r.has_hold_ms = r.has_after = true;
        r.hold_ms = EVENT_HOLD_MS;
    } while (follow);
    return CLI_FINE;
}
