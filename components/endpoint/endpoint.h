/*
 * Endpoints: six interfaces cut by wire protocol; products are flavours. Components speak to
 * servers only through these tables; a NULL table means "cannot". No write function exists that
 * does not take a claim (a fenced slot of a takeover, correctness F).
 *
 * Threads: a session, reader, log or slot belongs to one thread at a time; a claim is created by
 * the component's main thread and its slots are handed to workers, one each. Errors: struct err
 * with the server's own number in e->sys; class RETRY = reconnect and go on.
 */
#ifndef OMS_COMPONENTS_ENDPOINT_ENDPOINT_H
#define OMS_COMPONENTS_ENDPOINT_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/time.h"
#include "common/base/vec.h"
#include "components/record/fold.h"
#include "components/record/rows.h"
#include "components/record/table_def.h"
#include "components/record/txn.h"
#include "components/record/txn_id.h"

struct endpoint_place { /* borrowed */
    const char *host;
    uint16_t port;
};
/* Where a server is and who we are there. Borrowed strings; the secret never reaches a log. */
struct endpoint_address {
    const char *kind; /* "mariadb", "mysql": a flavour's name */
    const char *host;
    uint16_t port;
    const char *socket; /* unix socket path, or NULL */
    const char *user;
    const char *password;
    const char *tls_ca; /* PEM file, or NULL; tls_mode: "off", "preferred", "required", "verify" */
    const char *tls_mode;
    uint32_t connect_timeout_ms; /* 0 = 10000 */
    uint32_t answer_timeout_ms;  /* a statement's answer; 0 = no limit. Whole seconds count */
    uint32_t silent_after_ms;    /* how long a server may be silent before it is tried whether it
                                    answers at all; 0 = 60000 */
    /* Further servers with the same data. Whoever connects gets the one above; who may change to
     * another says so by endpoint_place or endpoint_first. */
    const struct endpoint_place *others;
    size_t n_others;
};

struct session; /* one connection, set up on purpose (time zone, sql_mode, charset) */

struct server_identity {
    char product[32]; /* "MariaDB", "MySQL" */
    char version[64];
    uint32_t version_number; /* 101119 for 10.11.19 */
    char uuid[64];           /* server_uuid; MariaDB: server_uid or a stable substitute, said in
                                mysql/session.h */
    uint32_t server_id;
    bool read_only;
};

struct table_name {
    const char *db, *name; /* arena of the caller */
};
struct family_member { /* a table that cascading foreign keys join to others; table_def.family */
    const char *db, *name, *family;
};

/* ---- catalog: what exists ---- */
typedef bool name_filter(void *arg, const char *db, const char *table);
struct catalog_ops {
    bool (*connect)(const struct endpoint_address *a, struct session **s, struct err *e);
    void (*close)(struct session *s); /* NULL is fine */
    bool (*identify)(struct session *s, struct server_identity *id, struct err *e);
    /* Base tables for which filter says true, ordered by db, name; names live in arena. */
    bool (*list_tables)(struct session *s, name_filter *filter, void *arg, struct arena *arena,
                        struct table_name **names, size_t *n, struct err *e);
    bool (*load_table)(struct session *s, const char *db, const char *name,
                       const struct table_def **out, struct err *e);
    /* The tables of all families on the server, ordered by db, name; in arena. */
    bool (*list_families)(struct session *s, struct arena *arena, struct family_member **members,
                          size_t *n, struct err *e);
    /* Rough rows and bytes from the server's statistics, for estimates only. */
    bool (*estimate)(struct session *s, const char *db, const char *name, uint64_t *rows,
                     uint64_t *bytes, struct err *e);
};

/* ---- reader: rows that exist ---- */
struct reader;    /* one connection, optionally inside one consistent snapshot */
struct position { /* a point of a source's log: all of `set` and nothing else */
    struct txn_set set;
    char native[160]; /* "file:offset", for people and resume */
};
/* Bounds are rows of the key's columns in the reader's text encoding; lo exclusive, hi inclusive;
 * p = NULL: open end. Compared by the server, never by us. */
struct key_range {
    struct view lo, hi;
};
enum digest_form { DIGEST_CRC32C, DIGEST_REVERSE }; /* how a server computes sum_b */
struct digest {
    uint64_t rows;
    uint64_t sum_a, sum_b; /* two independent aggregates over the rows' bytes */
    enum digest_form form;
};
static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
    return a->rows == b->rows && a->sum_a == b->sum_a &&
           (a->form != b->form || a->sum_b == b->sum_b);
}
struct reader_ops {
    bool (*open)(const struct endpoint_address *a, struct reader **r, struct err *e);
    void (*close)(struct reader *r);
    /* Opens a consistent snapshot and says where it stands: `pos` contains exactly what it sees
     * (exact), or everything of pos is visible and maybe more (not exact). (A6) */
    bool (*begin_snapshot)(struct reader *r, struct position *pos, bool *exact, struct err *e);
    /* The same for one table: exact says so of the table alone, where that is more than can be said
     * of all. Writing to it may have to wait for a moment. ERR_SERVER_BUSY: somebody has it. */
    bool (*begin_table_snapshot)(struct reader *r, const struct table_def *t, struct position *pos,
                                 bool *exact, struct err *e);
    bool (*end_snapshot)(struct reader *r, struct err *e);
    /* The present end of the log: everything committed before the call is in it. */
    bool (*position_now)(struct reader *r, struct position *pos, struct err *e);
    /* The same with all that a snapshot opened before the call may see, even while it is being
     * committed. (E of A6) */
    bool (*position_past)(struct reader *r, struct position *pos, struct err *e);
    /* The key of the last row of the next `rows` rows after lo (and not beyond hi); *done: fewer
     * were left, bound is hi (or the greatest key when hi is open; an empty table gives an empty
     * bound). */
    bool (*next_bound)(struct reader *r, const struct table_def *t, struct key_range range,
                       uint64_t rows, struct buf *bound, bool *done, struct err *e);
    /* Streams the rows of a range in key order (no key: everything) in batches; take() owns each
     * batch and gives back true to go on. Encoding is MYSQL_TEXT or CANONICAL as asked and
     * possible. */
    bool (*read)(struct reader *r, const struct table_def *t, struct key_range range,
                 enum rows_encoding enc, size_t batch_bytes,
                 bool (*take)(void *arg, struct rows *batch, struct err *e), void *arg,
                 struct err *e);
    /* Inside a snapshot: the rows whose row keys the canonical images hold (has_absent: the rest
     * may be missing), as read() would give them. found[i]: there is one, in `out`, in the order of
     * the images. ERR_UNSUPPORTED: a key that cannot be asked for by value, or the table is not
     * defined as `t` any more. */
    bool (*read_keys)(struct reader *r, const struct table_def *t, const struct view *images,
                      size_t n, struct rows *out, bool *found, struct err *e);
    /* Before the snapshot: does read_keys hold its tables against DDL only while it runs? Else
     * until the snapshot ends, and who waits for the DDL waits as long. */
    bool (*lets_go)(struct reader *r, bool *does, struct err *e);
    /* The key of one row (as read() gives it) in bound form. */
    bool (*bound_of)(const struct table_def *t, enum rows_encoding enc, struct view row,
                     struct buf *bound, struct err *e);
    /* Appends a row that read() gave in the text encoding as the log has it, CANONICAL. Columns
     * that read() leaves out are NULL. ERR_CORRUPT: no such value exists in the log. */
    bool (*canonical_of)(const struct table_def *t, struct view row, struct buf *out,
                         struct err *e);
    /* Does read() give this column's values? Generated ones are left out, but for the row key's. */
    bool (*is_read)(const struct table_def *t, uint16_t column);
    /* Is there still the table's CREATE statement, but for the next number? */
    bool (*is_unchanged)(struct reader *r, const struct table_def *t, bool *yes, struct err *e);
    /* Server-side digest of a range. `columns` decides order and form on both sides: pass the
     * source's definition for both, so that equal rows give equal digests. */
    bool (*digest)(struct reader *r, const struct table_def *t, const struct table_def *columns,
                   struct key_range range, struct digest *out, struct err *e);
    bool (*count)(struct reader *r, const struct table_def *t, uint64_t *rows, struct err *e);
};

/* ---- log: changes ---- */
struct log;
struct log_params {
    const struct endpoint_address *address;
    const struct txn_set *after; /* resume after this set (A4) ... */
    const char *after_native;    /* ... or from "file:offset" when there are no identities; or "" */
    uint32_t server_id;          /* unique per incarnation (B4) */
    uint32_t look_id;            /* for a second, short look at the log beside it; 0: derived */
    uint32_t heartbeat_ms;
    name_filter *filter; /* tables to keep; others only move the position */
    void *filter_arg;
    uint32_t next_table_id; /* ids for TABLE_VERSION records start here */
    /* Versions the Store has already, so that a resumed log need not write them again. */
    const struct table_def *const *known;
    size_t n_known;
    bool trust_known;  /* what is known is true of the first rows that come: they are read again */
    size_t part_bytes; /* cut transactions into parts of about this size */
    /* Where rows of XA transactions wait for their commit when they are many; NULL: nowhere. Lives
     * as long as the log. */
    const char *spill_dir;
};
struct log_progress {
    bool inside_txn;       /* `out` ends inside a transaction of several parts */
    bool heard;            /* an event or heartbeat arrived during the call */
    uint32_t txns;         /* finished in this call */
    uint64_t source_bytes; /* read from the source in this call */
    struct wall last_commit;
    struct wall source_time; /* the newest time the source told, heartbeats included; 0 = none */
    bool at_end;             /* nothing more was waiting */
};
#define READER_ID_FROM 3000000000u /* where no range for our own numbers is set */
#define READER_ID_TO 3999999999u
#define READERS_MAX 256
struct reader_numbers { /* server_ids that a source knows of: its own, its replicas' */
    uint32_t at[READERS_MAX];
    size_t n;
};
/* From where a log is followed of which nothing was read yet. */
enum start_kind { START_NOW, START_TIME, START_IDS, START_PLACE };
struct start_at {
    enum start_kind kind;
    struct wall time; /* TIME: before the first transaction in the log that is not older */
    const char *ids;  /* IDS: behind these, as the source writes them */
    const char *file; /* PLACE: there, between two transactions */
    uint64_t offset;
};
struct log_ops {
    bool (*open)(const struct log_params *p, struct log **l, struct err *e);
    void (*close)(struct log *l);
    /* Appends whole records (txn.h) to out until it holds want_bytes, or nothing more is waiting
     * and at least one record was written, or timeout_ms passed. Unknown events stop with
     * ERR_LOG_UNKNOWN_EVENT and the event, position and bytes; nothing is ever skipped. */
    bool (*read)(struct log *l, struct buf *out, size_t want_bytes, int64_t timeout_ms,
                 struct log_progress *p, struct err *e);
    /* What the source has executed now (A13), for the containment check on connect. of: whose
     * containment is asked, in the same kind of identities; NULL or empty: nothing is known yet. */
    bool (*executed)(struct session *s, const struct txn_set *of, struct txn_set *set,
                     struct err *e);
    /* Does the server replicate now, so that it may still get what it lacks? NULL: never. */
    bool (*replicates)(struct session *s, bool *does, struct err *e);
    /* Adds the numbers of replicas that are in use there (B4), those that the account may see; what
     * is beyond READERS_MAX is left out. NULL: there are no numbers. */
    bool (*readers)(struct session *s, struct reader_numbers *out, struct err *e);
    /* The set of all that lies before the start, and the place for people. look_id: a number for
     * reading, as in log_params. ERR_START: there is no such place in the log, or not any more. */
    bool (*find_start)(const struct endpoint_address *a, uint32_t look_id,
                       const struct start_at *at, struct position *out, struct err *e);
};

/* ---- heartbeat: the one row that is written to a source, where a person asked for it
 * ------------- Not through a claim: it is no data of the project, in a database of its own that no
 * scope has. */
struct heartbeat;
struct heartbeat_ops {
    /* Makes database and table HEARTBEAT_TABLE (txn.h) if they are missing. ERR_SERVER_DENIED ...
     */
    bool (*open)(const struct endpoint_address *a, const char *schema, struct heartbeat **h,
                 struct err *e);
    /* The row of `name` says `at`; committed when it returns true. */
    bool (*beat)(struct heartbeat *h, const char *name, struct wall at, struct err *e);
    void (*close)(struct heartbeat *h); /* NULL is fine */
};

/* ---- target: fenced writing ---- */
struct claim;        /* task, epoch, gen, slots, low, done: the right to write, by takeover (F1) */
struct slot;         /* one registered session with one progress row (F2, F3) */
struct target_table; /* a plan for writing rows of one source table_def into one target table */

struct takeover_params {
    const struct endpoint_address *address;
    const char *task; /* fence key */
    uint64_t epoch;
    uint32_t slots;
    uint64_t store_epoch; /* 0 = no store */
    bool follows_ddl;     /* each DDL of the source is run there in its place: what the log does not
                           * tell     of a table, the target's tells */
    bool seal;            /* F7: take over, set sealed, keep no slots */
    /* What it waits for, where sessions of the writer before do not end at once (F6); NULL text:
     * no longer. NULL: it is only in the log. */
    void (*say)(void *arg, const char *text);
    void *say_arg;
};
enum table_mode { TABLE_MODE_OVERLAP, TABLE_MODE_EXACT }; /* A9 | A11 */
struct table_pos {         /* oms_meta.table_pos: a table's begin and end of copy */
    const char *db, *name; /* of the source */
    struct txn_set begin, end;
    enum table_mode mode;
    bool done; /* last chunk committed, end is known */
};
struct chunk { /* oms_meta.chunk: a node of the split tree, durable before it is read (E4) */
    const char *table; /* "db.name" of the source */
    uint64_t node, parent;
    struct view lo, hi;
    uint8_t state; /* enum chunk_state */
};
enum chunk_state { CHUNK_OPEN = 0, CHUNK_SPLIT = 1, CHUNK_DONE = 2 };

struct write { /* one change for the target */
    struct target_table *table;
    enum change_op op;
    bool overlap; /* A9: UPDATE = delete old key, write full new image; INSERT = write full image;
                     zero rows for a DELETE are right. Outside: every count must be exact */
    enum rows_encoding encoding; /* CANONICAL in incremental */
    bool has_absent;
    bool no_checks; /* foreign key checks were off: nothing cascaded on the source */
    /* A9: the image lacked columns, and the source was asked again: `row` (MYSQL_TEXT; p = NULL: it
     * has none) stands for the new image; of `after` only the key counts. */
    bool again;
    struct view before, after, row;
};
/* A write that the target does not take, met while everything before it is committed. */
enum conflict_fix {
    FIX_NONE,        /* the whole transaction is rolled back: APPLY_CONFLICT */
    FIX_SOURCE_WINS, /* the target's row under the same row key gives way to the source's image */
    FIX_SKIP,        /* the write is left out, and recorded in the same transaction */
};
struct conflict {
    size_t at;             /* index of the write */
    int error;             /* the server's number; 0 = the count was wrong */
    const char *text;      /* the server's */
    bool can_win;          /* FIX_SOURCE_WINS is possible: the same row key, and nothing else */
    bool of_row;           /* the row is the cause, not the server's state */
    bool third;            /* it was tried: another row holds a unique value of the image */
    const char *row;       /* the target's row under the row key, for people; "" = there is none */
    const char *image_row; /* the same under the after image's key, where that is another one */
    const char *holder;    /* the same of a third row that holds a unique value of the image */
};
struct skipped { /* oms_meta.skipped: a change that was left out */
    const char *txid;
    uint64_t n; /* which change of the transaction */
    const char *table, *op, *row_key, *before, *after, *target_row, *reason;
};
/* FIX_SKIP: fills *record, whose strings live until the next call. */
typedef enum conflict_fix conflict_decide(void *arg, const struct conflict *x,
                                          struct skipped *record);
struct split_mark { /* oms_meta.split: a source transaction that takes several of the target's (E1)
                     */
    struct txn_id id;
    uint64_t changes; /* of its first so many are committed */
    bool over;
};
struct slot_commit {                  /* what goes into the same target transaction as the rows */
    const struct txn_set *low, *done; /* NULL: leave as they are */
    const struct chunk *chunk;        /* full copy: this node becomes DONE; or NULL */
    const struct table_pos *pos;      /* or NULL */
    const struct split_mark *split;   /* or NULL */
    bool late_sets;                   /* apply_end: low and done were not known at the begin */
    conflict_decide *decide;          /* NULL: every conflict is FIX_NONE */
    void *decide_arg;
    bool (*turn)(void *arg); /* asked when COMMIT could be sent: may wait; false: roll back
                                (APPLY_YIELDED). NULL: always true */
    void *turn_arg;
};
enum apply_outcome {
    APPLY_COMMITTED,
    APPLY_RETRY,    /* rolled back whole: deadlock, lock wait, lost connection proven not committed
                       (F4) */
    APPLY_CONFLICT, /* rolled back whole: see conflict_at */
    APPLY_YIELDED,  /* rolled back whole: its turn did not come */
};
enum target_pressure { /* a sign that the target has too much to do */
                       TARGET_CALM,
                       TARGET_DEADLOCK, /* or something else between transactions, ordinary now and
                                           then */
                       TARGET_PRESSED,
};
struct apply_result {
    enum apply_outcome outcome;
    size_t conflict_at; /* index of the write */
    int conflict_errno; /* 1062 ...; 0 = the count was wrong. RETRY: why */
    char conflict_text[512];
    uint32_t commit_us;    /* how long the COMMIT took */
    uint64_t rows_matched; /* operations that matched a row, for row accounting */
};
typedef bool skipped_take(void *arg, const struct skipped *x, const char *at);
#define MEMO_COPIED "copied " /* + "db.name": the definition that a copy had (table_def_encode) */
#define MEMO_MADE "made "     /* + "db.name": "made" or "making" by us, after this definition; of */
#define MADE_BY_SCHEMA "/schema" /* Full-Import's task, else of the project's with this behind */
#define MEMO_KEYS "keys "        /* + "db.name": the target's own keys that are off (kept_keys.h) */
#define MEMO_INDEXES "indexes "  /* + "db.name": its unique keys are made; the copy's end */
struct memo {                    /* a row of oms_meta.ddl */
    const char *state;
    struct view statement, before, after; /* p = NULL: none */
};
#define MODES_OF_FAMILY 0xe7f800efu
struct ddl_session {   /* as the statement's was on the source (A3) */
    int64_t at_us;     /* its clock; 0 = the target's own */
    bool has_mode;     /* sql_mode is told */
    uint64_t sql_mode; /* the family's bits; those of MODES_OF_FAMILY mean the same everywhere */
    struct view time_zone, collation_connection, collation_server; /* empty: as always */
    bool has_timestamps, explicit_timestamps; /* explicit_defaults_for_timestamp is told, and on */
    struct view vars; /* the session's variables as the family's log has them; empty: none */
};
struct target_ops {
    /* F1. ERR_REFUSED, ERR_FENCED never restart by themselves. */
    bool (*takeover)(const struct takeover_params *p, struct claim **c, struct err *e);
    void (*claim_close)(struct claim *c);
    const struct txn_set *(*claim_low)(const struct claim *c);
    const struct txn_set *(*claim_done)(const struct claim *c);
    bool (*slot_open)(struct claim *c, uint32_t n, struct slot **s, struct err *e); /* n < slots */
    void (*slot_close)(struct slot *s);
    /* Plans; ERR_TARGET_SHAPE names the first difference that would lose data. */
    bool (*table_open)(struct claim *c, const struct table_def *source, const char *db,
                       const char *name, struct target_table **t, struct err *e);
    void (*table_close)(struct target_table *t);
    /* Has the target's table no columns but those that a row of the source sets? Then writing a
     * row's image over it leaves nothing of what was there. NULL: never. Thread: any. */
    bool (*row_is_whole)(const struct target_table *t);
    /* Do rows that are equal in a unique key of the target have a key of the source in common, by
     * its folds? NULL: yes. Thread: any. */
    bool (*keys_agree)(const struct target_table *t);
    /* Does what the slot is executing wait for a lock of another transaction? Where the server does
     * not tell us, yes. Thread: any. NULL: unknown, taken as yes. */
    bool (*slot_waits)(struct claim *c, struct slot *s, bool *waits, struct err *e);
    /* One target transaction: fence, writes in order, progress, COMMIT; F3 and F4 inside. False
     * only for errors that are not an outcome (ERR_FENCED, ERR_UNAVAILABLE after retries ...). */
    bool (*apply)(struct slot *s, const struct slot_commit *commit, const struct write *writes,
                  size_t n, struct apply_result *result, struct err *e);
    /* The same with writes that come in pieces: begin (low and done, or late_sets at the end), any
     * number of pieces, end; or abort. An outcome of a piece other than COMMITTED: everything since
     * the begin is rolled back. ERR_TARGET_TXN_LIMIT: more than the target takes in one. */
    bool (*apply_begin)(struct slot *s, const struct slot_commit *commit, struct err *e);
    bool (*apply_piece)(struct slot *s, const struct slot_commit *commit,
                        const struct write *writes, size_t n, struct apply_result *result,
                        struct err *e);
    bool (*apply_end)(struct slot *s, const struct slot_commit *commit, struct apply_result *result,
                      struct err *e);
    void (*apply_abort)(struct slot *s);
    /* How far a split transaction is; not found: nothing of it is committed, or all of it. */
    bool (*split_get)(struct claim *c, struct txn_id id, uint64_t *changes, bool *found,
                      struct err *e);
    /* Full copy: the same with batches of inserted rows. `begin`, any number of `load`, `commit`.
     */
    bool (*load_begin)(struct slot *s, struct err *e);
    bool (*load)(struct slot *s, struct target_table *t, const struct rows *batch, struct err *e);
    bool (*load_commit)(struct slot *s, const struct slot_commit *commit,
                        struct apply_result *result, struct err *e);
    bool (*load_rollback)(struct slot *s, struct err *e);
    /* oms_meta, through the claim (each its own fenced transaction). Views live in arena. */
    bool (*table_pos_list)(struct claim *c, const char *task, struct arena *a,
                           struct table_pos **pos, size_t *n, struct err *e);
    bool (*table_pos_put)(struct claim *c, const struct table_pos *pos, struct err *e);
    /* Moves the end of another task's table to `end`, if begin and end are still those of `pos` and
     * its copy is done; else nothing happens: read them again to know. */
    bool (*table_end_move)(struct claim *c, const char *task, const struct table_pos *pos,
                           const struct txn_set *end, struct err *e);
    bool (*chunk_list)(struct claim *c, const char *table, struct arena *a, struct chunk **chunks,
                       size_t *n, struct err *e);
    bool (*chunk_put)(struct claim *c, const struct chunk *chunks, size_t n, struct err *e);
    bool (*chunk_clear)(struct claim *c, const char *table, struct err *e);
    /* oms_meta.ddl: the answer to a held DDL, and DDL run exactly once (A2). state: "intent" "done"
     * "skipped" "by-hand" "copied". */
    bool (*ddl_put)(struct claim *c, struct txn_id id, const char *statement, const char *state,
                    struct err *e);
    bool (*ddl_get)(struct claim *c, struct txn_id id, char state[32], bool *found, struct err *e);
    /* The skipped changes of a task, oldest first, up to `most` of them; reads only; no claim. */
    bool (*skipped_list)(const struct endpoint_address *a, const char *task, uint64_t most,
                         skipped_take *take, void *arg, struct err *e);
    /* Is an error's number a sign of pressure? Pure. NULL: nobody knows. */
    enum target_pressure (*pressure_of)(int server_errno);
    /* Runs one DDL statement on a registered session of the claim (A1). */
    bool (*run_ddl)(struct claim *c, const char *default_db, const char *statement, struct err *e);
    /* The same under foreign key checks: what a foreign key needs is refused. */
    bool (*run_ddl_checked)(struct claim *c, const char *statement, struct err *e);
    /* Rows of oms_meta.ddl by a key of ours, each its own fenced transaction; get reads any task's,
     * its views live in the arena. */
    bool (*memo_put)(struct claim *c, const char *key, const struct memo *m, struct err *e);
    bool (*memo_forget)(struct claim *c, const char *key, struct err *e);
    bool (*memo_get)(struct claim *c, const char *task, const char *key, struct arena *a,
                     struct memo *m, bool *found, struct err *e);
    /* Appends the table's definition in a form that is equal for equal definitions, whatever the
     * table's name, rows and next number; with identity also what a rename leaves, where the server
     * tells it. Nothing: there is no such table. */
    bool (*ddl_look)(struct claim *c, const char *db, const char *name, bool identity,
                     struct buf *out, struct err *e);
    bool (*table_is_empty)(struct claim *c, const char *db, const char *name, bool *empty,
                           struct err *e);
    /* Runs one statement on a registered session of its own, set up as told (A1, A3). Never
     * repeated: after an error of class RETRY nobody knows whether it ran. */
    bool (*ddl_run)(struct claim *c, const struct ddl_session *as, const char *default_db,
                    const char *statement, struct err *e);
    /* Is the source's `set` inside what this task has committed? Reads only; no claim. */
    bool (*progress_read)(const struct endpoint_address *a, const char *task, struct txn_set *low,
                          struct txn_set *done, struct err *e);
};

/* ---- dialect: pure ---- */
struct dialect_ops {
    void (*quote_name)(struct buf *out, const char *name);
    void (*quote_text)(struct buf *out, const void *p, size_t n);
    /* What of this column's values stands for their equality in a key (A17). */
    enum fold (*key_fold)(const struct column_def *c);
    /* "shop"."orders" in the server's own quoting */
    void (*quote_table)(struct buf *out, const char *db, const char *name);
};

struct endpoint {
    const char *name;
    const char *const *flavours; /* NULL-terminated */
    const struct catalog_ops *catalog;
    const struct reader_ops *reader;
    const struct log_ops *log;
    const struct heartbeat_ops *heartbeat;
    const struct target_ops *target;
    const struct dialect_ops *dialect;
};
/* By flavour name; NULL = unknown kind. The registry is one static array. Thread: any. */
const struct endpoint *endpoint_find(const char *kind);
/* The n-th of the 1 + n_others servers, without the others. */
struct endpoint_address endpoint_place(const struct endpoint_address *a, size_t n);
/* Makes `a` the first of its servers that answers; where there is one only, it is not asked. */
bool endpoint_first(const struct endpoint *ep, struct endpoint_address *a,
                    struct err *e) MUST_CHECK;

#endif
