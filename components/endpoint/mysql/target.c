/* The table of fenced writing for the MySQL family (target_priv.h says where things are). No code
 * of its own beyond small readers. */
#include "components/endpoint/mysql/target_priv.h"

static const struct txn_set *claim_low(const struct claim *c)
{
    return &c->low;
}

static const struct txn_set *claim_done(const struct claim *c)
{
    return &c->done;
}

static enum target_pressure pressure_of(int server_errno)
{
    return server_errno > 0 ? session_pressure((unsigned)server_errno) : TARGET_CALM;
}

const struct target_ops mysql_target_ops = {
    .takeover = target_takeover,
    .claim_close = target_claim_close,
    .claim_low = claim_low,
    .claim_done = claim_done,
    .slot_open = target_slot_open,
    .slot_close = target_slot_close,
    .table_open = target_table_open,
    .table_close = target_table_close,
    .row_is_whole = target_row_is_whole,
    .keys_agree = target_keys_agree,
    .slot_waits = target_slot_waits,
    .apply = target_apply,
    .apply_begin = target_apply_begin,
    .apply_piece = target_apply_piece,
    .apply_end = target_apply_end,
    .apply_abort = target_apply_abort,
    .split_get = target_split_get,
    .load_begin = target_load_begin,
    .load = target_load,
    .load_commit = target_load_commit,
    .load_rollback = target_load_rollback,
    .table_pos_list = target_table_pos_list,
    .table_pos_put = target_table_pos_put,
    .table_end_move = target_table_end_move,
    .chunk_list = target_chunk_list,
    .chunk_put = target_chunk_put,
    .chunk_clear = target_chunk_clear,
    .ddl_put = target_ddl_put,
    .ddl_get = target_ddl_get,
    .skipped_list = target_skipped_list,
    .pressure_of = pressure_of,
    .run_ddl = target_run_ddl,
    .run_ddl_checked = target_run_ddl_checked,
    .memo_put = target_memo_put,
    .memo_forget = target_memo_forget,
    .memo_get = target_memo_get,
    .ddl_look = target_ddl_look,
    .table_is_empty = target_table_is_empty,
    .ddl_run = target_ddl_run,
    .progress_read = target_progress_read,
};
