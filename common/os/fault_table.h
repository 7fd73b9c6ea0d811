/* The table of fault points: X(name, what has just happened or is about to happen there). */
#ifndef OMS_COMMON_OS_FAULT_TABLE_H
#define OMS_COMMON_OS_FAULT_TABLE_H
#define FAULT_TABLE(X)                                                             \
    X(STORE_BEFORE_WRITE, "the store is about to write a block")                   \
    X(STORE_AFTER_WRITE, "a block is written, not yet synced")                     \
    X(STORE_AFTER_SYNC, "a block is synced, not yet published")                    \
    X(STORE_SYNC_FAILS, "a block's sync returns an error (action err)")            \
    X(TARGET_BEFORE_COMMIT, "rows are written on the target, COMMIT not yet sent") \
    X(TARGET_AFTER_COMMIT, "COMMIT was sent, its answer not yet read")
#endif
