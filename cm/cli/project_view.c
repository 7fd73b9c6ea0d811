/* Lines about a project. See project_view.h. */
#include "cm/cli/project_view.h"

#include <string.h>

#include "cm/cli/cli.h"
#include "common/pbtext/pbtext.h"

#define BAR_WIDTH 24u

const struct project_bars project_bars_plain = {"#", "-"};
const struct project_bars project_bars_unicode = {"\xe2\x96\x88", "\xe2\x96\x91"};

static bool is(const char *s, const char *word)
{
    return s && strcmp(s, word) == 0;
}

const char *project_view_lag(const Oms__ProjectView *v, struct arena *arena)
{
    if (!v->has_lag_ms || v->lag_ms < 0)
        return v->has_lag_unknown_since_us && v->lag_unknown_since_us > 0
                   ? arena_printf(arena, "unknown since %s",
                                  cli_when(arena, v->lag_unknown_since_us))
                   : "unknown";
    return arena_printf(arena, "%s%s%s%s", cli_duration(arena, v->lag_ms),
                        v->lag_kind ? " (by " : "", cli_or(v->lag_kind, ""),
                        v->lag_kind ? ")" : "");
}

void project_view_complete(Oms__ProjectView *v)
{
    v->has_caught_up = true;
    v->has_lag_ms = v->has_lag_ms && v->lag_ms >= 0;
    if (v->error && !(v->error->code && *v->error->code))
        v->error = NULL;
    for (size_t i = 0; i < v->n_steps; i++)
        v->steps[i]->has_done = v->steps[i]->has_total = v->steps[i]->has_rate = true;
    for (size_t i = 0; i < v->n_tables; i++) {
        if (!v->tables[i]->copy)
            v->tables[i]->copy = (char *)"";
        if (!v->tables[i]->verification)
            v->tables[i]->verification = (char *)"";
    }
}

/* Part in 0..1 of a step; false: there is no sum to measure it by. */
static bool part_done(const Oms__StepView *s, double *part)
{
    if (is(s->state, "done")) {
        *part = 1;
        return true;
    }
    if (!s->has_total || s->total == 0)
        return false;
    *part = s->done >= s->total ? 1 : (double)s->done / (double)s->total;
    return true;
}

static void put_bar(double part, const struct project_bars *bars, struct buf *out)
{
    unsigned full = (unsigned)(part * BAR_WIDTH + 0.0001);

    buf_u8(out, ' ');
    for (unsigned i = 0; i < BAR_WIDTH; i++)
        buf_str(out, i < full ? bars->full : bars->empty);
    buf_printf(out, " %3d%%", (int)(part * 100 + 0.0001));
}

static void put_figures(const Oms__StepView *s, struct arena *arena, struct buf *out)
{
    const char *unit = cli_or(s->unit, "");

    if (s->has_total && s->total > 0)
        buf_printf(out, "  %s of %s %s", cli_count(arena, s->done), cli_count(arena, s->total),
                   unit);
    else if (s->has_done && s->done > 0)
        buf_printf(out, "  %s %s", cli_count(arena, s->done), unit);
    if (!is(s->state, "running"))
        return;
    if (s->has_rate && s->rate >= 0.5)
        buf_printf(out, "  %s %s/s", cli_count(arena, (unsigned long long)(s->rate + 0.5)), unit);
    if (s->has_bytes_rate && s->bytes_rate > 0)
        buf_printf(out, "  %s", cli_rate_bytes(arena, s->bytes_rate));
    if (s->has_eta_s && s->eta_s >= 0 && s->has_total)
        buf_printf(out, "  %s left", cli_duration(arena, s->eta_s * 1000));
}

static void put_step(const Oms__StepView *s, const struct project_bars *bars, struct arena *arena,
                     struct buf *out)
{
    double part = 0;

    buf_printf(out, "  %-13s %-8s", cli_or(s->name, "?"), cli_or(s->state, "?"));
    if ((is(s->state, "running") || is(s->state, "held")) && part_done(s, &part))
        put_bar(part, bars, out);
    put_figures(s, arena, out);
    if (s->error && s->error->code && *s->error->code)
        buf_printf(out, "  %s: %s", s->error->code, cli_or(s->error->message, ""));
    buf_u8(out, '\n');
}

/* "12: 7 copied, 5 copying" over one member of the tables. */
struct tally {
    const char *word;
    unsigned n;
};

static void put_tally(const Oms__ProjectView *v, bool verification, struct buf *out)
{
    struct tally words[8] = {0};
    size_t n = 0;

    for (size_t i = 0; i < v->n_tables; i++) {
        const char *word =
            cli_or(verification ? v->tables[i]->verification : v->tables[i]->copy, "waiting");
        size_t k = 0;

        while (k < n && strcmp(words[k].word, word) != 0)
            k++;
        if (k == ARRAY_LEN(words))
            continue;
        if (k == n)
            words[n++].word = word;
        words[k].n++;
    }
    for (size_t k = 0; k < n; k++)
        buf_printf(out, "%s%u %s", k ? ", " : "", words[k].n, words[k].word);
}

static bool any_verified(const Oms__ProjectView *v)
{
    for (size_t i = 0; i < v->n_tables; i++)
        if (*cli_or(v->tables[i]->verification, ""))
            return true;
    return false;
}

static bool is_open(const Oms__Incident *n)
{
    return !n->state || is(n->state, "open");
}

size_t project_view_open_incidents(const Oms__ProjectView *v)
{
    size_t n = 0;

    for (size_t i = 0; i < v->n_incidents; i++)
        n += is_open(v->incidents[i]);
    return n;
}

static void put_incident(const Oms__Incident *n, struct buf *out)
{
    buf_printf(out, "  incident %llu  %s: %s%s%s\n", (unsigned long long)n->id,
               cli_or(n->code, "?"), cli_or(n->summary, ""),
               is_open(n) ? "" : "; answer: ", is_open(n) ? "" : cli_or(n->choice, "?"));
    if (n->n_choices == 0 || !is_open(n))
        return;
    buf_printf(out, "    oms incident resolve %llu --choice ", (unsigned long long)n->id);
    for (size_t i = 0; i < n->n_choices; i++)
        buf_printf(out, "%s%s", i ? " | " : "", n->choices[i]);
    buf_u8(out, '\n');
}

void project_view_backlog(const Oms__ProjectView *v, struct arena *arena, struct buf *out)
{
    bool any = (v->has_backlog_bytes && v->backlog_bytes > 0) ||
               (v->has_backlog_txns && v->backlog_txns > 0);

    if (*cli_or(v->lag_note, "") && v->has_lag_ms)
        buf_printf(out, "  %s\n", v->lag_note);
    if (!any)
        return;
    buf_printf(out, "  backlog %s", cli_bytes(arena, (unsigned long long)v->backlog_bytes));
    if (v->has_backlog_txns)
        buf_printf(out, ", %s transaction%s", cli_count(arena, (unsigned long long)v->backlog_txns),
                   v->backlog_txns == 1 ? "" : "s");
    if (v->has_drain_ms && v->drain_ms > 0)
        buf_printf(out, ", drained in about %s", cli_duration(arena, v->drain_ms));
    buf_u8(out, '\n');
}

void project_view_summary(const Oms__ProjectView *v, const struct project_bars *bars,
                          struct arena *arena, struct buf *out)
{
    buf_printf(out, "project %s: %s   lag %s%s\n", cli_or(v->name, "?"), cli_or(v->state, "?"),
               project_view_lag(v, arena), v->caught_up ? "   caught up" : "");
    for (size_t i = 0; i < v->n_steps; i++)
        put_step(v->steps[i], bars, arena, out);
    if (v->n_tables > 0) {
        buf_printf(out, "  %zu tables: copy ", v->n_tables);
        put_tally(v, false, out);
        if (any_verified(v)) {
            buf_str(out, "; verification ");
            put_tally(v, true, out);
        }
        buf_u8(out, '\n');
    }
    if (v->position && *v->position)
        buf_printf(out, "  position %s\n", v->position);
    project_view_backlog(v, arena, out);
    for (size_t i = 0; i < v->n_incidents; i++)
        put_incident(v->incidents[i], out);
    if (v->error && v->error->code && *v->error->code)
        buf_printf(out, "  error %s: %s\n    oms explain %s\n", v->error->code,
                   cli_or(v->error->message, ""), v->error->code);
}

void project_view_line(const Oms__ProjectView *v, struct arena *arena, struct buf *out)
{
    buf_printf(out, "%s", cli_or(v->state, "?"));
    for (size_t i = 0; i < v->n_steps; i++) {
        const Oms__StepView *s = v->steps[i];
        double part;

        if (is(s->state, "pending") || is(s->state, "done") || is(s->state, "skipped"))
            continue;
        buf_printf(out, " | %s %s", cli_or(s->name, "?"), cli_or(s->state, "?"));
        if (part_done(s, &part))
            buf_printf(out, " %d%%", (int)(part * 100 + 0.0001));
        put_figures(s, arena, out);
    }
    buf_printf(out, " | lag %s", project_view_lag(v, arena));
    if (v->caught_up)
        buf_str(out, " | caught up");
    if (any_verified(v)) {
        buf_str(out, " | verification ");
        put_tally(v, true, out);
    }
    if (project_view_open_incidents(v) > 0)
        buf_printf(out, " | %zu open incident%s", project_view_open_incidents(v),
                   project_view_open_incidents(v) == 1 ? "" : "s");
    if (v->error && v->error->code && *v->error->code)
        buf_printf(out, " | %s: %s", v->error->code, cli_or(v->error->message, ""));
    buf_u8(out, '\n');
}

void project_view_tables(const Oms__ProjectView *v, unsigned width, struct arena *arena,
                         struct buf *out)
{
    static const char *const head[] = {"TABLE", "SCHEMA", "COPY", "ROWS", "VERIFICATION", "DETAIL"};
    struct pbtext_table *t;

    if (v->n_tables == 0)
        return;
    t = pbtext_table_new(head, ARRAY_LEN(head));
    for (size_t i = 0; i < v->n_tables; i++) {
        const Oms__TableView *x = v->tables[i];
        const char *rows = "";

        if (x->has_rows_total && x->rows_total > 0)
            rows = arena_printf(arena, "%s of %s", cli_count(arena, x->rows_done),
                                cli_count(arena, x->rows_total));
        else if (x->has_rows_done)
            rows = cli_count(arena, x->rows_done);
        pbtext_table_row(t,
                         (const char *const[]){x->name, x->schema, x->copy, rows, x->verification,
                                               cli_verify_counts(arena, x->detail)});
    }
    pbtext_table_write(t, width, out);
    pbtext_table_free(t);
}

void project_view_changes(const Oms__ProjectView *v, unsigned width, struct arena *arena,
                          struct buf *out)
{
    static const char *const head[] = {"TABLE", "IN THE LOG", "APPLIED", "MERGED", "SKIPPED"};
    struct pbtext_table *t = pbtext_table_new(head, ARRAY_LEN(head));
    uint64_t any = 0, skipped = 0;

    for (size_t i = 0; i < v->n_tables; i++) {
        const Oms__RowCounts *n = v->tables[i]->changes;

        if (!n)
            continue;
        any++;
        skipped += n->skipped;
        pbtext_table_row(t, (const char *const[]){v->tables[i]->name, cli_count(arena, n->source),
                                                  cli_count(arena, n->applied),
                                                  cli_count(arena, n->merged),
                                                  cli_count(arena, n->skipped)});
    }
    if (any > 0) {
        buf_printf(out, "rows changed since %s, when Incr-Sync's process began\n",
                   cli_when(arena, v->changes_since_us));
        pbtext_table_write(t, width, out);
    }
    if (skipped > 0)
        buf_printf(out, "what was skipped: oms project skipped %s\n", cli_or(v->name, "NAME"));
    pbtext_table_free(t);
}

void project_view_checks(const Oms__ProjectView *v, bool all, unsigned width, struct buf *out)
{
    static const char *const head[] = {"CHECK",  "VERDICT", "OBJECT",
                                       "REASON", "REMEDY",  "MAY SKIP"};
    struct pbtext_table *t = pbtext_table_new(head, ARRAY_LEN(head));
    size_t shown = 0;

    for (size_t i = 0; i < v->n_checks; i++) {
        const Oms__CheckView *x = v->checks[i];

        if (!all && (is(x->verdict, "ok") || is(x->verdict, "skipped")))
            continue;
        shown++;
        pbtext_table_row(t, (const char *const[]){x->id, x->verdict, x->object, x->reason,
                                                  x->remedy, x->may_skip ? "yes" : ""});
    }
    if (shown > 0)
        pbtext_table_write(t, width, out);
    pbtext_table_free(t);
}

void project_view_objects(const Oms__ProjectView *v, bool all, unsigned width, struct buf *out)
{
    static const char *const head[] = {"OBJECT", "NAME", "STATE", "REASON"};
    struct pbtext_table *t = pbtext_table_new(head, ARRAY_LEN(head));
    size_t shown = 0;

    for (size_t i = 0; i < v->n_objects; i++) {
        const Oms__ObjectView *x = v->objects[i];

        if (!all && is(x->state, "created"))
            continue;
        shown++;
        pbtext_table_row(t, (const char *const[]){x->type, x->name, x->state, x->reason});
    }
    if (shown > 0)
        pbtext_table_write(t, width, out);
    pbtext_table_free(t);
}

/* --- waiting -------------------------------------------------------------------------------- */

bool watch_goal_from_name(const char *name, enum watch_goal *goal)
{
    static const char *const names[] = {[WATCH_CAUGHT_UP] = "caught-up",
                                        [WATCH_VERIFIED] = "verified",
                                        [WATCH_FINISHED] = "finished"};

    for (size_t i = WATCH_CAUGHT_UP; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *goal = (enum watch_goal)i;
            return true;
        }
    return false;
}

static const Oms__StepView *find_step(const Oms__ProjectView *v, const char *name)
{
    for (size_t i = 0; i < v->n_steps; i++)
        if (is(v->steps[i]->name, name))
            return v->steps[i];
    return NULL;
}

static enum watch_outcome judge_verification(const Oms__ProjectView *v, const char **why)
{
    const Oms__StepView *s = find_step(v, "verification");
    size_t equal = 0, different = 0;

    for (size_t i = 0; i < v->n_tables; i++) {
        equal += is(v->tables[i]->verification, "equal");
        different += is(v->tables[i]->verification, "different");
    }
    if (!s || is(s->state, "skipped")) {
        *why = "this project does not verify";
        return WATCH_FAILED;
    }
    if (!is(s->state, "done"))
        return WATCH_GO_ON;
    if (different > 0) {
        *why = "tables differ; see oms verify show";
        return WATCH_FAILED;
    }
    if (equal == v->n_tables)
        return WATCH_REACHED;
    *why = "tables still move or were not compared; oms verify start compares again";
    return WATCH_FAILED;
}

enum watch_outcome watch_judge(const Oms__ProjectView *v, enum watch_goal goal, const char **why)
{
    if (is(v->state, "failed")) {
        *why = "the project failed";
        return WATCH_FAILED;
    }
    if (goal == WATCH_CAUGHT_UP && v->caught_up)
        return WATCH_REACHED;
    if (goal == WATCH_VERIFIED) {
        enum watch_outcome o = judge_verification(v, why);

        if (o != WATCH_GO_ON)
            return o;
    }
    if (!is(v->state, "finished") && !is(v->state, "released"))
        return WATCH_GO_ON;
    if (goal == WATCH_END || goal == WATCH_FINISHED)
        return WATCH_REACHED;
    *why = "the project ended before that";
    return WATCH_FAILED;
}
