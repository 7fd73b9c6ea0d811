/* The table of fault points: X(name, what has just happened or is about to happen there). */
#ifndef OMS_COMMON_OS_FAULT_TABLE_H
#define OMS_COMMON_OS_FAULT_TABLE_H
#define FAULT_TABLE(X)                                                                     \
    X(STORE_BEFORE_WRITE, "the store is about to write a block")                           \
    X(STORE_AFTER_WRITE, "a block is written, not yet synced")                             \
    X(STORE_AFTER_SYNC, "a block is synced, not yet published")                            \
    X(STORE_SEGMENT_MADE, "a segment is on the disk, no block in it")                      \
    X(STORE_CUT, "an unfinished transaction is cut, not yet synced")                       \
    X(STORE_SYNC_FAILS, "a block's sync returns an error (action err)")                    \
    X(TARGET_BEFORE_COMMIT, "rows are written on the target, COMMIT not yet sent")         \
    X(TARGET_AFTER_COMMIT, "COMMIT was sent, its answer not yet read")                     \
    X(DDL_AFTER_INTENT, "a DDL's intention is durable on the target, it has not run")      \
    X(DDL_AFTER_RUN, "a DDL ran on the target, that is not recorded")                      \
    X(DDL_AFTER_DONE, "a DDL is recorded as done, the position has not passed it")         \
    X(FULL_AFTER_COMMON, "the begin of the whole copy is durable")                         \
    X(FULL_AFTER_ROOT, "a table's root chunk is durable, its begin is not")                \
    X(FULL_AFTER_BEGIN, "a table's root chunk and begin are durable")                      \
    X(FULL_BEFORE_SPLIT, "a chunk is about to be split")                                   \
    X(FULL_AFTER_SPLIT, "a chunk's split is durable, neither half is read")                \
    X(FULL_AFTER_CHUNK, "a chunk is committed")                                            \
    X(FULL_BEFORE_END, "all chunks of a table are committed, its end is not")              \
    X(FULL_AFTER_END, "a table's end is durable")                                          \
    X(FULL_AGAIN_MAKING, "a table to be made anew is recorded so, not dropped yet")        \
    X(FULL_AGAIN_BEGUN, "a table made anew has its new begin")                             \
    X(FULL_GONE_DROPPED, "a table gone from the source is dropped, its position not told") \
    X(FULL_AGAIN_DROPPED, "a table to be copied again is dropped, not made yet")           \
    X(FULL_AGAIN_MADE, "a table to be copied again is made, its begin not taken")          \
    X(FULL_AFTER_PASS_PART, "a part of a table without key is committed")                  \
    X(FULL_AFTER_FAMILY_END, "one table of a family has its end, others have not")         \
    X(FULL_AFTER_PASS, "a table without key is copied, and its end durable")               \
    X(FULL_KEYS_KEPT, "a target table's own unique keys are recorded, all there")          \
    X(FULL_KEY_OFF, "one of a target table's own unique keys is taken off")                \
    X(KEYS_MADE, "a table's unique keys are made, that is not recorded")                   \
    X(ROW_END_MOVED, "ends of copies moved, no row is read again yet")                     \
    X(ROW_READ_AGAIN, "rows are read again from the source, not yet written")              \
    X(ROW_WRITTEN_AGAIN, "rows that were read again are committed")                        \
    X(CM_BEFORE_COMMIT, "a decision is written to MetaDB, COMMIT not yet sent")            \
    X(CM_AFTER_COMMIT, "a decision is committed, its answers not yet sent")
#endif
