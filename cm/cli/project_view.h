/*
 * A project as a person sees it: the same lines for show and watch. Pure: a view in, text out, so
 * that tests see exactly what a terminal shows. Thread: any.
 */
#ifndef OMS_CM_CLI_PROJECT_VIEW_H
#define OMS_CM_CLI_PROJECT_VIEW_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "proto/admin.pb-c.h"

/* Head, steps with bars, sums over the tables, incidents, error. bars: characters to draw with. */
struct project_bars {
    const char *full, *empty;
};
extern const struct project_bars project_bars_plain, project_bars_unicode;
void project_view_summary(const Oms__ProjectView *v, const struct project_bars *bars,
                          struct arena *arena, struct buf *out);
/* One line that says where it stands, for logs. */
void project_view_line(const Oms__ProjectView *v, struct arena *arena, struct buf *out);
void project_view_tables(const Oms__ProjectView *v, unsigned width, struct arena *arena,
                         struct buf *out);
/* Precheck items and schema objects; all false: only those a person should look at. */
/* Row accounting of the changes; nothing when none came. */
void project_view_changes(const Oms__ProjectView *v, unsigned width, struct arena *arena,
                          struct buf *out);
void project_view_checks(const Oms__ProjectView *v, bool all, unsigned width, struct buf *out);
void project_view_objects(const Oms__ProjectView *v, bool all, unsigned width, struct buf *out);
/* What programs rely on is always there: numbers 0 and flags false where the CM said nothing; lag
 * and error absent (null) where unknown and none. */
void project_view_complete(Oms__ProjectView *v);
size_t project_view_open_incidents(const Oms__ProjectView *v);
const char *project_view_lag(const Oms__ProjectView *v, struct arena *arena);
/* What waits between source and target, and how long it will take; nothing when nothing does. */
void project_view_backlog(const Oms__ProjectView *v, struct arena *arena, struct buf *out);

enum watch_goal { WATCH_END, WATCH_CAUGHT_UP, WATCH_VERIFIED, WATCH_FINISHED };
enum watch_outcome { WATCH_GO_ON, WATCH_REACHED, WATCH_FAILED };
bool watch_goal_from_name(const char *name, enum watch_goal *goal); /* false: no such goal */
/* What a view means for somebody who waits. *why: a sentence for WATCH_FAILED. */
enum watch_outcome watch_judge(const Oms__ProjectView *v, enum watch_goal goal, const char **why);

#endif
