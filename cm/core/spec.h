/* Building a component's specification from the project, its data sources and the step. Pure. */
#ifndef OMS_CM_CORE_SPEC_H
#define OMS_CM_CORE_SPEC_H

#include "cm/core/cluster.h"

struct spec_builder { /* what a row of the step table fills in */
    const struct cluster *c;
    const struct project *p;
    const struct component *x;
    struct arena *a;
    Oms__ComponentFixed *fixed;
};

/* Parts that steps choose from. */
void spec_ends(struct spec_builder *b); /* source, target, scope */
void spec_task(struct spec_builder *b); /* ends, and what checks need */
void spec_precheck(struct spec_builder *b);
void spec_store(struct spec_builder *b);
void spec_full(struct spec_builder *b);
void spec_incremental(struct spec_builder *b);
void spec_verification(struct spec_builder *b);
void spec_seal(struct spec_builder *b);

#endif
