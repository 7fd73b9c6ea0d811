/*
 * Full-Verification compares, changes nothing, and says per table: equal, different or moving (E3).
 * Chunk by chunk: a digest of the source, the source's position p1, wait until the target has
 * passed p1, a digest of the target; chunks that disagree are compared row by row, in three rounds,
 * and of what is left then the Store's log is asked. It stays up for further rounds
 * (live.verify_round). Run by component_main on its main thread.
 */
#ifndef OMS_COMPONENTS_FULL_VERIFICATION_VERIFICATION_H
#define OMS_COMPONENTS_FULL_VERIFICATION_VERIFICATION_H

#include "components/runtime/component.h"

bool verification_run(struct component *c, struct err *e) MUST_CHECK;

#endif
