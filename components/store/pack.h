/*
 * Making blocks ready beside the appender: what a block's records say, and its payload compressed.
 * Nothing here depends on the blocks before it, so several threads pack at once; number, chain and
 * checksum come when it is appended. A packed block may be tried again after a full disk.
 */
#ifndef OMS_COMPONENTS_STORE_PACK_H
#define OMS_COMPONENTS_STORE_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "components/record/block.h"
#include "components/record/table_def.h"
#include "components/record/txn_id.h"

/* What a block's records say: complete transactions, commit times, table versions. */
struct block_facts {
    uint32_t n_records, n_txns;
    int64_t first_commit_us, last_commit_us;
    struct txn_id last_id; /* complete; origin NULL: none */
    bool txn_start;
};
struct table_list {
    const struct table_def **at; /* one reference each */
    size_t n, cap;
};
void table_list_forget(struct table_list *l); /* gives the references back, keeps memory */
/* Adds to `complete` and `tables`. */
bool store_scan_records(struct view records, struct txn_set *complete, struct table_list *tables,
                        struct block_facts *f, struct err *e) MUST_CHECK;

struct store_packed {
    struct block_head head;
    struct buf bytes; /* room for the header, then the payload */
    struct block_facts facts;
    struct txn_set complete;
    struct table_list tables;
    bool inside_txn;
};
void store_packed_init(struct store_packed *b);
void store_packed_fini(struct store_packed *b);
/* Empties it; memory beyond `keep` bytes is given back. */
void store_packed_clear(struct store_packed *b, size_t keep);
/* Thread: any, one per packer. */
bool store_pack(struct block_packer *p, struct view records, bool inside_txn, int level,
                struct store_packed *b, struct err *e) MUST_CHECK;

#endif
