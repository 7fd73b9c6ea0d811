/*
 * Where main's time goes, for `oms explain lag`: between two looks one state holds, and its time is
 * added up; at each tick the parts are reported. While keys keep transactions waiting, the row that
 * does is looked up now and then, and the rows met most often are kept.
 */
#include <stdio.h>
#include <string.h>

#include "common/os/clock.h"
#include "components/incr_sync/sync_priv.h"

#define SAMPLE_MS 50
#define LOOK_CHANGES 200 /* of a waiting transaction */

static const char *const part_names[WORK_STATES] = {
    [WORK_IDLE] = "incr.part.idle",      [WORK_STREAM] = "incr.part.stream",
    [WORK_KEYS] = "incr.part.keys",      [WORK_TARGET] = "incr.part.target",
    [WORK_HELD] = "incr.part.held",      [WORK_BACK_OFF] = "incr.part.back_off",
    [WORK_LIMITED] = "incr.part.limited"};

/* --- the hot row --------------------------------------------------------------------------------
 */

struct looking {
    const struct source_txn *t;
    const struct txn_table *current;
};

static const struct table_def *resolve(void *arg, uint32_t id)
{
    struct looking *l = arg;

    for (uint32_t i = 0; i < l->t->n_tables; i++)
        if (l->t->tables[i].id == id) {
            l->current = &l->t->tables[i];
            return l->current->table->def;
        }
    return NULL;
}

static void count_row(struct meter *m, uint64_t key, const struct table_def *def, const char *row)
{
    struct hot_row *least = &m->hot[0];

    for (size_t i = 0; i < ARRAY_LEN(m->hot); i++) {
        struct hot_row *h = &m->hot[i];

        if (h->seen > 0 && h->key == key) {
            h->seen++;
            return;
        }
        if (h->seen < least->seen)
            least = h;
    }
    least->key = key; /* it takes the place, and the count, of the rarest */
    least->seen++;
    snprintf(least->table, sizeof least->table, "%s.%s", def->db, def->name);
    snprintf(least->row, sizeof least->row, "%s", row);
}

static bool row_waits(struct sync *s, const struct txn_table *t, const struct change *ch,
                      struct view row, struct dep_keys *keys)
{
    const struct sync_table *table = t->table;
    bool whole = sync_table_is_one_key(table);
    struct buf text;

    keys->n = 0;
    if (whole) {
        table_deps_add_table(&table->deps, keys);
    } else {
        vec_reserve(&s->meter.values, table->def->n_columns);
        if (!row_read(table->def, ROWS_CANONICAL, ch->flags & CHANGE_F_ABSENT, row,
                      s->meter.values.at) ||
            !table_deps_add(&table->deps, s->meter.values.at, keys))
            return false;
    }
    if (keys->n == 0 || !window_flies(s->window, keys->at, keys->n))
        return false;
    buf_init(&text, 4096);
    if (whole)
        buf_str(&text, "(the whole table)");
    else
        evidence_key(table->def, ch->flags & CHANGE_F_ABSENT, row, &text);
    count_row(&s->meter, keys->at[0], table->def, buf_cstr(&text));
    buf_fini(&text);
    return true;
}

/* The first row of a waiting transaction whose key is in flight. */
static void sample_row(struct sync *s, const struct source_txn *t)
{
    struct looking l = {.t = t};
    struct dep_keys keys = {0};
    bool found = false;
    int left = LOOK_CHANGES;

    for (uint32_t i = 0; i < t->n_parts && !found; i++) {
        struct change_iter it;
        struct change ch;

        change_iter_init(&it, t->parts[i].changes, resolve, &l);
        while (!found && left-- > 0 && change_next(&it, &ch)) {
            if (l.current->use == USE_SKIP)
                continue;
            found = (ch.before.p && row_waits(s, l.current, &ch, ch.before, &keys)) ||
                    (ch.after.p && row_waits(s, l.current, &ch, ch.after, &keys));
        }
    }
    vec_fini(&keys);
}

/* --- states -------------------------------------------------------------------------------------
 */

static uint32_t busy_slots(const struct sync *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n_slots; i++)
        n += s->workers[i].busy;
    return n;
}

static enum work_state state_now(struct sync *s, struct mono now, const struct source_txn *waits)
{
    uint32_t busy = busy_slots(s);
    struct reader_heard heard;
    bool more;

    if (window_gate(s->window) || window_held(s->window))
        return WORK_HELD;
    if (mono_cmp(now, s->pause_until) < 0)
        return WORK_BACK_OFF;
    if (waits && s->limited)
        return WORK_LIMITED;
    if (waits && busy < throttle_slots(s))
        return WORK_KEYS;
    if (waits && busy < s->n_slots)
        return WORK_BACK_OFF;
    more = store_reader_heard(s->reader, &heard) && heard.heard.backlog_bytes > 0;
    if (busy > 0 && (waits || !more))
        return WORK_TARGET;
    return more ? WORK_STREAM : WORK_IDLE;
}

void meter_look(struct sync *s)
{
    struct meter *m = &s->meter;
    struct mono now = clock_mono();
    const struct source_txn *waits = window_waiting(s->window);

    if (m->since.ns != 0)
        m->ns[m->state] += now.ns - m->since.ns;
    m->since = now;
    m->state = state_now(s, now, waits);
    if (m->state == WORK_KEYS && mono_ms_between(m->sampled, now) >= SAMPLE_MS) {
        m->sampled = now;
        m->samples++;
        sample_row(s, waits);
    }
}

void meter_group(struct sync *s, const struct worker *w)
{
    s->meter.apply_ns += clock_mono().ns - w->began.ns;
    s->meter.commit_ns += (int64_t)w->result.commit_us * 1000;
}

/* --- reporting ----------------------------------------------------------------------------------
 */

static void report_hot(struct sync *s)
{
    struct meter *m = &s->meter;
    const struct hot_row *most = &m->hot[0];

    for (size_t i = 1; i < ARRAY_LEN(m->hot); i++)
        if (m->hot[i].seen > most->seen)
            most = &m->hot[i];
    component_note(s->c, "hot_table", most->seen ? most->table : NULL);
    component_note(s->c, "hot_row", most->seen ? most->row : NULL);
    component_metric(s->c, "incr.hot_share",
                     m->samples ? (double)most->seen / (double)m->samples : 0);
    for (size_t i = 0; i < ARRAY_LEN(m->hot); i++) /* what was fades */
        m->hot[i].seen -= m->hot[i].seen / 4;
    m->samples -= m->samples / 4;
}

static void report_in_flight(struct sync *s)
{
    const struct worker *slow = NULL;
    char text[600] = "";

    for (uint32_t i = 0; i < s->n_slots; i++)
        if (s->workers[i].busy && (!slow || mono_cmp(s->workers[i].began, slow->began) < 0))
            slow = &s->workers[i];
    component_metric(s->c, "incr.in_flight_ms",
                     slow ? (double)mono_ms_between(slow->began, clock_mono()) : 0);
    if (slow) {
        const struct window_group *g = window_group_of(s->window, (uint32_t)(slow - s->workers));

        for (size_t i = 0; i < g->txns.n && !text[0]; i++)
            if (g->txns.at[i]->n_tables > 0)
                snprintf(text, sizeof text, "%s.%s", g->txns.at[i]->tables[0].table->def->db,
                         g->txns.at[i]->tables[0].table->def->name);
    }
    component_note(s->c, "slow_table", text[0] ? text : NULL);
}

static void report_oldest(struct sync *s)
{
    const struct source_txn *t = window_oldest(s->window);
    char id[TXN_TEXT_MAX];

    if (t && t->class_ == SOURCE_EMPTY)
        t = NULL;
    component_metric(s->c, "incr.oldest_rows", t ? (double)t->changes : 0);
    component_metric(s->c, "incr.oldest_bytes", t ? (double)t->bytes : 0);
    component_note(s->c, "oldest_txn", t ? txn_text(t->id, id) : NULL);
}

void meter_report(struct sync *s)
{
    struct meter *m = &s->meter;
    int64_t all = 0;

    for (int i = 0; i < WORK_STATES; i++)
        all += m->ns[i];
    for (int i = 0; i < WORK_STATES && all > 0; i++) {
        m->part[i] = 0.5 * m->part[i] + 0.5 * (double)m->ns[i] / (double)all;
        component_metric(s->c, part_names[i], m->part[i]);
    }
    memset(m->ns, 0, sizeof m->ns);
    if (m->apply_ns > 0)
        component_metric(s->c, "incr.commit_share", (double)m->commit_ns / (double)m->apply_ns);
    m->apply_ns = m->commit_ns = 0;
    component_metric(s->c, "incr.slots", (double)s->n_slots);
    component_metric(s->c, "incr.slots_active", (double)throttle_slots(s));
    component_metric(s->c, "incr.slots_busy", (double)busy_slots(s));
    report_hot(s);
    report_in_flight(s);
    report_oldest(s);
}

void meter_fini(struct sync *s)
{
    vec_fini(&s->meter.values);
}
