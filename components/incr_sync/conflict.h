/*
 * What is done about a change that the target does not take (correctness A17): what a person chose
 * for this very change, else the project's policy, else nothing, and the transaction is held. Asked
 * by the endpoint on the worker's thread while the worker's group is alone in flight, so that a
 * conflict found there is not the work of anything unfinished.
 *
 * The book of a person's choices is main's; the worker reads it only while main has given it the
 * held transaction.
 */
#ifndef OMS_COMPONENTS_INCR_SYNC_CONFLICT_H
#define OMS_COMPONENTS_INCR_SYNC_CONFLICT_H

#include "common/base/buf.h"
#include "common/base/vec.h"
#include "components/endpoint/endpoint.h"
#include "components/incr_sync/core/account.h"
#include "components/incr_sync/core/source_block.h"

enum conflict_policy { CONFLICT_STOP, CONFLICT_SOURCE_WINS, CONFLICT_SKIP };
/* Of project.yaml; a text that is none of them is "stop". */
enum conflict_policy conflict_policy_of(const char *text);

struct conflict_choice {
    uint64_t at; /* which change of the held transaction */
    enum conflict_fix fix;
};
struct conflict_book {
    struct txn_id id; /* whose choices these are */
    uint32_t round;   /* how often a person answered about it */
    VEC(struct conflict_choice) choices;
};
/* FIX_NONE: only that it was answered. Choices about another transaction are forgotten. */
void conflict_choose(struct conflict_book *b, struct txn_id id, uint64_t at, enum conflict_fix fix);
uint32_t conflict_round(const struct conflict_book *b, struct txn_id id);

struct conflict_skip { /* a change that was left out */
    size_t at;
    const struct sync_table *table;
};
#define CONFLICT_EVIDENCE 8000
struct conflict_case { /* one group's conflicts; the worker's */
    enum conflict_policy policy;
    const struct conflict_book *book;
    const struct source_txn *txn;
    const struct txn_table *tables;
    uint32_t n_tables;
    const struct write *writes;
    uint64_t first; /* number of writes[0] within the transaction */
    /* what became of them */
    uint64_t overruled;
    VEC(struct conflict_skip) skips; /* ascending by `at` */
    bool open;                       /* the last one had no answer: */
    bool can_win;
    uint64_t at;
    char evidence[CONFLICT_EVIDENCE];
    char id[ORIGIN_MAX + 24]; /* of the record being made */
    struct buf text[4];
};
void conflict_case_init(struct conflict_case *c, enum conflict_policy policy,
                        const struct conflict_book *book);
void conflict_case_fini(struct conflict_case *c);
void conflict_case_begin(struct conflict_case *c, const struct source_txn *t,
                         const struct txn_table *tables, uint32_t n_tables,
                         const struct write *writes, uint64_t first);
/* What was left out of the group, for its account: once, when the target has taken the group. */
void conflict_count(const struct conflict_case *c, struct account *a);
/* A conflict_decide; arg is the case. */
enum conflict_fix conflict_ask(void *arg, const struct conflict *x, struct skipped *record);

#endif
