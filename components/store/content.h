/*
 * What a transaction is, whatever server tells it and however it is cut into records: a digest of
 * its changes, or of its statement. Of a very large transaction the beginning counts. Thread: any;
 * one at a time per value.
 */
#ifndef OMS_COMPONENTS_STORE_CONTENT_H
#define OMS_COMPONENTS_STORE_CONTENT_H

#include "components/record/txn.h"

struct content { /* of one transaction */
    struct txn_id id;
    uint64_t covers_from, digest, bytes;
    uint64_t
        evidence; /* of its place: the file and when that was begun, the time of commit; else 0 */
    uint32_t server_id;
    bool found, ended;
    bool is_xa;       /* comes only with another one */
    bool is_filtered; /* nothing of it was kept */
};

/* Nothing more of it counts. */
bool content_enough(const struct content *c);
void content_add_text(struct content *c, struct view v);
void content_add_evidence(struct content *c, const struct txn_head *h);
bool content_add_changes(struct content *c, struct view changes, table_resolver *resolve, void *arg,
                         struct err *e) MUST_CHECK;
/* Of the same id: is `now` the same transaction as the stored one? */
bool content_same(const struct content *stored, const struct content *now);

#endif
