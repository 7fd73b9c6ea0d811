/* What one cluster_step wants done. Everything pointed to lives in the step's arena. Pure. */
#ifndef OMS_CM_CORE_EFFECTS_H
#define OMS_CM_CORE_EFFECTS_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/vec.h"
#include "proto/admin.pb-c.h"

struct write {
    const char *table, *key, *state;
    const void *body; /* NULL: the row is removed */
    size_t len;
};
struct answer {
    void *call;
    const ProtobufCMessage *message; /* NULL: error */
    struct err error;
};
struct effects {
    VEC(struct write) writes;
    VEC(struct answer) answers;
    VEC(Oms__Event *) events;
    uint64_t revision; /* to be stored; 0 = as before */
};

static inline void effects_fini(struct effects *x)
{
    vec_fini(&x->writes);
    vec_fini(&x->answers);
    vec_fini(&x->events);
}

#endif
