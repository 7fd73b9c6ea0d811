/* oms explain lag: what limits a project, with the figures behind it in words. */
#include <stdlib.h>
#include <string.h>

#include "cm/cli/cli.h"
#include "cm/cli/project_view.h"

enum form { FORM_PART, FORM_MS, FORM_COUNT, FORM_RATE, FORM_BYTES };

/* In the order in which they are shown; what is zero and says nothing then is left out. */
static const struct {
    const char *name, *words;
    enum form form;
    bool at_zero;
} rows[] = {
    {"pull.part.source", "Store: waits for the source", FORM_PART, true},
    {"pull.part.decode", "Store: decodes", FORM_PART, true},
    {"pull.part.disk", "Store: waits for its disk", FORM_PART, true},
    {"pull.behind_ms", "Store: last heard of the source's log", FORM_MS, true},
    {"incr.part.idle", "Incr-Sync: has nothing to do", FORM_PART, true},
    {"incr.part.stream", "Incr-Sync: waits for the Store", FORM_PART, true},
    {"incr.part.target", "Incr-Sync: all slots wait for the target", FORM_PART, true},
    {"incr.commit_share", "  of that for COMMIT", FORM_PART, false},
    {"incr.part.keys", "Incr-Sync: waits for rows in common", FORM_PART, true},
    {"incr.hot_share", "  of that for the one row most waited for", FORM_PART, false},
    {"incr.part.held", "Incr-Sync: held by an incident or a DDL", FORM_PART, false},
    {"incr.part.limited", "Incr-Sync: waits as the project's limit asks", FORM_PART, false},
    {"incr.part.back_off", "Incr-Sync: pauses after the target rolled back", FORM_PART, false},
    {"incr.slots_busy", "slots at work", FORM_COUNT, true},
    {"incr.slots_active", "slots that may work", FORM_COUNT, true},
    {"incr.in_flight_ms", "oldest group on the target since", FORM_MS, false},
    {"incr.oldest_rows", "rows of the oldest transaction", FORM_COUNT, false},
    {"incr.oldest_bytes", "size of the oldest transaction", FORM_BYTES, false},
    {"pending_trx", "transactions at hand, not committed", FORM_COUNT, true},
    {"rows_per_s", "rows applied", FORM_RATE, true},
    {"trx_per_s", "transactions applied", FORM_RATE, true},
};

static const char *value_text(struct arena *a, enum form form, double v)
{
    switch (form) {
    case FORM_PART:
        return arena_printf(a, "%.0f %%", v * 100);
    case FORM_MS:
        return cli_duration(a, (long long)v);
    case FORM_RATE:
        return arena_printf(a, "%s/s", cli_count(a, (unsigned long long)v));
    case FORM_BYTES:
        return cli_bytes(a, (unsigned long long)v);
    case FORM_COUNT:
    default:
        return cli_count(a, (unsigned long long)v);
    }
}

static void put_facts(struct cli *c, const Oms__LagExplanation *x)
{
    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        for (size_t i = 0; i < x->n_facts; i++) {
            double v;

            if (strcmp(cli_or(x->facts[i]->name, ""), rows[k].name) != 0)
                continue;
            v = strtod(cli_or(x->facts[i]->value, "0"), NULL);
            if (v > 0 || rows[k].at_zero)
                buf_printf(&c->out, "    %-46s %s\n", rows[k].words,
                           value_text(&c->arena, rows[k].form, v > 0 ? v : 0));
        }
}

static void put_lag(struct cli *c, const Oms__LagExplanation *x)
{
    Oms__ProjectView v = OMS__PROJECT_VIEW__INIT;

    v.has_lag_ms = x->has_lag_ms;
    v.lag_ms = x->lag_ms;
    v.lag_kind = x->lag_kind;
    v.has_lag_unknown_since_us = x->has_lag_unknown_since_us;
    v.lag_unknown_since_us = x->lag_unknown_since_us;
    v.has_backlog_bytes = x->has_backlog_bytes;
    v.backlog_bytes = x->backlog_bytes;
    v.has_backlog_txns = x->has_backlog_txns;
    v.backlog_txns = x->backlog_txns;
    v.has_drain_ms = x->has_drain_ms;
    v.drain_ms = x->drain_ms;
    buf_printf(&c->out, "project %s: lag %s\n", cli_or(x->project, "?"),
               project_view_lag(&v, &c->arena));
    project_view_backlog(&v, &c->arena, &c->out);
}

enum cli_exit cli_explain_lag(struct cli *c, const char *project)
{
    Oms__LagExplanation *x;

    if (!cli_call_name(c, "LagExplain", project, &x))
        return cli_failed(c);
    if (c->output == OUTPUT_JSON) {
        cli_print_message(c, &x->base);
        return CLI_FINE;
    }
    put_lag(c, x);
    buf_printf(&c->out, "  stage   %s\n  because %s\n", cli_or(x->stage, "?"),
               cli_or(x->verdict, ""));
    if (x->object)
        buf_printf(&c->out, "  limits  %s\n", x->object);
    if (x->setting)
        buf_printf(&c->out, "  helps   %s\n", x->setting);
    put_facts(c, x);
    return CLI_FINE;
}
