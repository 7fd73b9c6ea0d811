/*
 * The Store's main loop: pulls the source's log into the store, keeps the step "log pull" and its
 * figures reported, purges. Run by component_main.
 *
 * Threads: main pulls (log_ops->read) and hands buffers to the writer thread, which appends and
 * syncs. Two queues of a few buffers join them: full ones to the writer, empty ones back; so the
 * puller waits for the disk and never the other way round, and nothing waits in a circle.
 */
#ifndef OMS_COMPONENTS_STORE_PULL_H
#define OMS_COMPONENTS_STORE_PULL_H

#include "components/runtime/component.h"

bool store_run(struct component *c, struct err *e) MUST_CHECK;

#endif
