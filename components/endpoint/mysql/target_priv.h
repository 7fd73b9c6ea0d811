/*
 * What the files of the fenced writer share (correctness F). A claim is the right to write for one
 * task: it holds the generation that takeover gave it; every session that may write is registered
 * under that generation, so that the next takeover can end it. A slot is one such session with one
 * progress row; a transaction of a slot begins with that row (F3), so that at most one generation
 * can commit and a commit whose answer was lost is told from one that did not happen (F4).
 *
 *   target_meta.c      oms_meta: tables, literals
 *   target_takeover.c  takeover, seal, sessions; target_elder.c  the end of older ones
 *   target_records.c   table_pos, chunk, ddl, progress through a claim
 *   target_ddl.c       the source's DDL: what is remembered, what a table looks like, running it
 *   target_shape.c     may rows of the source go into that table?
 *   target_text.c      statements of a table as text
 *   target_stmt.c      statements of a table, prepared, and their packets
 *   target_bind.c      values as parameters of the binary protocol (pure)
 *   target_pipe.c      many commands sent before the first answer is read
 *   target_order.c     grouping of a transaction's writes (pure)
 *   target_slot.c      fence, commit, what became of a lost commit
 *   target_warnings.c  strictness, and what the server's warnings say of a write
 *   target_apply.c     changes;  target_load.c  rows of the full copy
 *   target_stream.c    a transaction whose writes come in pieces
 *   target_resolve.c   changes that the target does not take: source wins, skip and record
 */
#ifndef OMS_COMPONENTS_ENDPOINT_MYSQL_TARGET_PRIV_H
#define OMS_COMPONENTS_ENDPOINT_MYSQL_TARGET_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base/arena.h"
#include "components/endpoint/mysql/endpoint.h"
#include "components/endpoint/mysql/session.h"
#include "components/endpoint/mysql/target_pipe.h"

/* --- oms_meta -----------------------------------------------------------------------------------
 */
#define META_VERSION 3
#define META_SQL_MAX (64u << 20)
#define META_TASK_MAX 190

/* Creates what is missing; ERR_UNSUPPORTED when a newer program made the tables. */
bool oms_meta_ensure(struct session *s, struct err *e) MUST_CHECK;
/* Literals that mean the same whatever the connection's charset is. */
void oms_meta_text(struct buf *out, const char *text);         /* utf8mb4 */
void oms_meta_bytes(struct buf *out, const void *p, size_t n); /* binary; p = NULL: NULL */
void oms_meta_set(struct buf *out, const struct txn_set *set); /* its encoding, as oms_meta_bytes */
/* A column of a result as a set. NULL is empty. */
bool oms_meta_read_set(const char *p, unsigned long len, struct txn_set *out,
                       struct err *e) MUST_CHECK;
/* Runs the text in sql and clears it. */
bool oms_meta_run(struct session *s, struct buf *sql, struct err *e) MUST_CHECK;
bool oms_meta_query(struct session *s, struct buf *sql, MYSQL_RES **res, struct err *e) MUST_CHECK;
/* The value of table_pos.tbl: "db.name"; dots and per cent signs of db are written %2E, %25. */
void oms_meta_table_key(struct buf *out, const char *db, const char *name);
void oms_meta_table_unkey(const char *key, struct arena *a, const char **db, const char **name);

/* --- claim --------------------------------------------------------------------------------------
 */
struct claim {
    struct arena arena; /* the address's strings, the task */
    struct endpoint_address address;
    const char *task;
    uint64_t epoch, gen;
    uint32_t slots;
    struct txn_set low, done;
    char uuid[64];
    bool sealing;
    bool follows_ddl;
    struct mono taken_at;
    uint64_t uptime_s;    /* of the server at takeover: a restart shows */
    pthread_mutex_t lock; /* what follows */
    struct session *control, *catalog;
    bool *unresolved; /* per slot: what became of its last commit is not known */
    uint32_t next_serial;
};

/* A registered session (F2): its connection is named under the claim's gen before it writes
 * anything. ERR_FENCED: another gen; ERR_TARGET_CHANGED, ERR_TARGET_RESTARTED: A14. Thread: any. */
bool claim_session(struct claim *c, enum session_use use, struct session **s,
                   struct err *e) MUST_CHECK;
/* Inside a transaction of s: locks the fence row and finds our own gen, or ERR_FENCED. */
bool claim_lock_fence(struct claim *c, struct session *s, struct err *e) MUST_CHECK;

/* "oms:" + a hash of the task + gen + connection: user lock names have at most 64 characters. */
void claim_lock_name(struct buf *sql, const struct claim *c, uint64_t gen, const char *id);
/* Ends the sessions of older generations and waits for their end (target_elder.c). */
bool claim_end_older(const struct takeover_params *p, const struct claim *c, struct session *s,
                     struct err *e) MUST_CHECK;

bool target_takeover(const struct takeover_params *p, struct claim **out, struct err *e) MUST_CHECK;
void target_claim_close(struct claim *c);

/* --- records ------------------------------------------------------------------------------------
 */
bool target_table_pos_list(struct claim *c, const char *task, struct arena *a,
                           struct table_pos **pos, size_t *n, struct err *e) MUST_CHECK;
bool target_table_pos_put(struct claim *c, const struct table_pos *pos, struct err *e) MUST_CHECK;
bool target_table_end_move(struct claim *c, const char *task, const struct table_pos *pos,
                           const struct txn_set *end, struct err *e) MUST_CHECK;
bool target_chunk_list(struct claim *c, const char *table, struct arena *a, struct chunk **chunks,
                       size_t *n, struct err *e) MUST_CHECK;
bool target_chunk_put(struct claim *c, const struct chunk *chunks, size_t n,
                      struct err *e) MUST_CHECK;
bool target_chunk_clear(struct claim *c, const char *table, struct err *e) MUST_CHECK;
bool target_ddl_put(struct claim *c, struct txn_id id, const char *statement, const char *state,
                    struct err *e) MUST_CHECK;
bool target_ddl_get(struct claim *c, struct txn_id id, char state[32], bool *found,
                    struct err *e) MUST_CHECK;
bool target_run_ddl(struct claim *c, const char *default_db, const char *statement,
                    struct err *e) MUST_CHECK;
bool target_run_ddl_checked(struct claim *c, const char *statement, struct err *e) MUST_CHECK;
bool target_progress_read(const struct endpoint_address *a, const char *task, struct txn_set *low,
                          struct txn_set *done, struct err *e) MUST_CHECK;
/* A query on the claim's own connection, its result stored whole. Thread: any. */
bool claim_read(struct claim *c, struct buf *sql, MYSQL_RES **res, struct err *e) MUST_CHECK;
/* Runs the statement in sql (at most one) as one transaction that finds the fence row. */
bool claim_fenced(struct claim *c, const struct buf *sql, struct err *e) MUST_CHECK;
bool target_memo_put(struct claim *c, const char *key, const struct memo *m,
                     struct err *e) MUST_CHECK;
bool target_memo_forget(struct claim *c, const char *key, struct err *e) MUST_CHECK;
bool target_memo_get(struct claim *c, const char *task, const char *key, struct arena *a,
                     struct memo *out, bool *found, struct err *e) MUST_CHECK;
bool target_ddl_look(struct claim *c, const char *db, const char *name, bool identity,
                     struct buf *out, struct err *e) MUST_CHECK;
bool target_table_is_empty(struct claim *c, const char *db, const char *name, bool *empty,
                           struct err *e) MUST_CHECK;
bool target_ddl_run(struct claim *c, const struct ddl_session *as, const char *db, const char *text,
                    struct err *e) MUST_CHECK;
/* The statement that writes a table_pos row. */
void records_table_pos(struct buf *sql, const char *task, const struct table_pos *pos);
/* The statement that marks a chunk as done; exactly one row must match. */
void records_chunk_done(struct buf *sql, const char *task, const struct chunk *chunk);

/* --- tables -------------------------------------------------------------------------------------
 */
struct target_table {
    uint32_t serial;                /* of the claim: statements of slots are found by it */
    const struct table_def *source; /* rows have this form; one reference */
    const struct table_def *def;    /* the target's table; one reference */
    uint16_t *column; /* index in def of each source column that is written, or NO_COLUMN */
    uint16_t *found;  /* the same for finding rows: generated columns may be part of a key */
    bool *computed;   /* per source column: plain in the source's definition, generated here */
    bool computes;    /* any of them */
    char *quoted;     /* "`db`.`name`" */
    bool ordered;     /* writes of this table keep their order among themselves */
    bool upserts;     /* updates that leave the key alone may be STMT_UPSERT */
    bool is_mariadb;
    bool has_odd; /* columns of kinds that may hold what a strict session refuses */
    bool
        other_row_key; /* the source's definition names one that the target shows to be none here */
    bool cascades;     /* of a family: the target's foreign keys do what the source's did (A8) */
};
#define NO_COLUMN 0xffff

/* follows: see takeover_params. */
bool shape_check(const struct table_def *source, const struct table_def *def, bool follows,
                 struct err *e) MUST_CHECK;
bool target_table_open(struct claim *c, const struct table_def *source, const char *db,
                       const char *name, struct target_table **t, struct err *e) MUST_CHECK;
void target_table_close(struct target_table *t);
bool target_row_is_whole(const struct target_table *t);
/* Always false; ERR_TARGET_SHAPE: a row of the source has another value than a computed column. */
bool table_computes_otherwise(const struct target_table *t, struct err *e);
/* --- target_follow.c --- */
/* The source's definition where the target's table is what the source's was; one reference. */
bool follow_target(const struct table_def *source, const struct table_def *def,
                   const struct table_def **out, struct err *e) MUST_CHECK;
/* Has def a unique key of the same columns as `want` of source? */
bool follow_has_unique(const struct table_def *def, const struct table_def *source,
                       const struct key_def *want);
/* Are both of as many fixed bytes, which mean the same? BINARY, UUID, INET4 and INET6 are one in
 * the log. */
bool follow_same_bytes(const struct column_def *s, const struct column_def *d);
/* Are rows found by the same key? */
bool follow_same_rows(const struct table_def *a, const struct table_def *b);
/* --- target_keys.c --- */
bool target_keys_agree(const struct target_table *t);

/* --- binding ------------------------------------------------------------------------------------
 */
enum bind_form {
    BIND_FIXED, /* the canonical bytes, `width` of them */
    BIND_BYTES,
    BIND_ENUM_TEXT, /* u16 as decimal text: index 0 cannot be stored otherwise in strict mode */
    BIND_NUMBER,    /* decimal text as u64 */
    BIND_DATE,
    BIND_TIME,
    BIND_TIME_TEXT, /* MySQL refuses the last second, 838:59:58.000001 and on, in binary form */
    BIND_DATETIME,
    BIND_TIMESTAMP,
};
struct bind {
    uint8_t type; /* enum_field_types */
    bool is_unsigned;
    uint8_t width;
    enum bind_form form;
};
/* How a column's values are sent to a server of that family. as_key: for comparison. */
struct bind bind_of(const struct column_def *c, enum rows_encoding enc, bool as_key, bool mariadb);
/* Do members read as numbers, so that an index written as text could mean another member? */
bool bind_members_are_digits(const struct column_def *c);
/* Appends the value as the binary protocol wants it. False: the bytes are not of this kind. */
bool bind_value(struct buf *out, const struct bind *b, const struct value *v) MUST_CHECK;
void bind_lenenc(struct buf *out, uint64_t n);

/* --- statements ---------------------------------------------------------------------------------
 */
enum stmt_form {
    STMT_INSERT,
    STMT_UPDATE,
    STMT_UPSERT,       /* INSERT ... ON DUPLICATE KEY UPDATE: of rows that exist */
    STMT_DELETE,       /* by the before image */
    STMT_DELETE_AFTER, /* by the key in the after image */
    STMT_CHECK,        /* changes nothing: finds the row if computed columns are as the image */
    STMT_SHOW,         /* the row of the before image's key into @oms_row, as text for people */
    STMT_SHOW_AFTER,   /* the same of the after image's key */
    STMT_SHOW_HOLDER,  /* the same of another row that holds a unique value of the after image */
};
struct stmt_param {
    uint16_t column; /* of the source */
    bool after;
    struct bind bind;
};
struct stmt {
    struct stmt *next;
    uint64_t hash;
    uint32_t serial;
    enum stmt_form form;
    enum rows_encoding encoding;
    uint16_t rows;   /* of a multi-row INSERT, else 1 */
    uint8_t *absent; /* bitmap of the image's absent columns, or NULL */
    MYSQL_STMT *handle;
    uint32_t id;
    uint16_t n_params; /* of one row */
    struct stmt_param *params;
};
struct stmt_text { /* a statement being written */
    const struct target_table *t;
    enum rows_encoding enc;
    const struct value *image; /* absent columns of it are left out */
    struct buf sql;
    VEC(struct stmt_param) params;
};
/* Has it unique keys, other than the row key, by whose values rows can be found? */
bool stmt_finds_holders(const struct target_table *t);
/* Appends the statement to sql and what its parameters are. */
void stmt_put_text(struct stmt_text *x, enum stmt_form form, uint16_t rows);
#define STMT_BUCKETS 256
#define STMT_MAX 4096
struct stmt_cache {
    struct stmt *bucket[STMT_BUCKETS];
    size_t n;
};
/* Finds or prepares. `image` decides which columns are absent (values of the after image of an
 * UPDATE or INSERT, of the before image of a DELETE). No answer may be outstanding on the
 * connection unless the statement is cached: see stmt_find. */
struct stmt *stmt_find(struct stmt_cache *sc, const struct target_table *t, enum stmt_form form,
                       enum rows_encoding enc, uint16_t rows, const struct value *image);
bool stmt_prepare(struct stmt_cache *sc, struct session *s, const struct target_table *t,
                  enum stmt_form form, enum rows_encoding enc, uint16_t rows,
                  const struct value *image, struct stmt **out, struct err *e) MUST_CHECK;
void stmt_cache_clear(struct stmt_cache *sc);
/* The packet bodies. */
struct stmt_row {
    const struct value *before, *after;
};

bool stmt_execute(struct pipe *p, const struct stmt *st, const struct stmt_row *rows,
                  struct err *e) MUST_CHECK;
void stmt_bulk_begin(struct pipe *p, const struct stmt *st);
bool stmt_bulk_row(struct pipe *p, const struct stmt *st, const struct stmt_row *row,
                   struct err *e) MUST_CHECK;

/* --- order --------------------------------------------------------------------------------------
 */
struct write_batch {
    const struct target_table *table;
    enum change_op op;
    bool overlap;
    bool has_absent;
    bool key_changes; /* one overlapping UPDATE that moves its row to another key */
    bool upserts;     /* exact UPDATEs that leave the key alone, of a table that allows it */
    enum rows_encoding encoding;
    VEC(uint32_t) at; /* indexes of the writes, in order */
};
struct write_order {
    VEC(struct write_batch) batches;
    bool needs_care;                 /* an ENUM's index 0 is among the values: one by one */
    VEC(struct value) before, after; /* scratch: one row each */
    VEC(struct value) row;           /* of a write whose row was read again: as the source has it */
    struct {
        uint64_t *key;
        uint32_t *batch;
        size_t n, cap;
    } map;
};
void write_order_init(struct write_order *o);
void write_order_fini(struct write_order *o);
/* Groups the writes so that writes of one batch run as one bulk statement and no write passes
 * another one that it does not commute with. ERR_CORRUPT names the write. */
bool write_order_make(struct write_order *o, const struct write *w, size_t n,
                      struct err *e) MUST_CHECK;
/* Does the image store index 0 in an ENUM? Only a session that is not strict can write that. */
bool write_has_enum_zero(const struct target_table *t, enum rows_encoding enc,
                         const struct value *image);
/* Has the image a value that no strict session takes? An ENUM's index 0, or what servers put by
 * themselves into the rows of a table that is given a column NOT NULL: an empty GEOMETRY
 * (MariaDB), an empty VECTOR (MySQL). */
bool write_is_odd(const struct target_table *t, enum rows_encoding enc, const struct value *image);
/* Values of these that are empty cannot be given by any statement. */
bool target_kind_is_implicit(enum kind k);
struct loosened { /* what an odd image asks of the session, and what the server must warn of */
    bool enum_zero;
    uint16_t implicit; /* columns left out of an INSERT: the server must say that it filled each */
};
/* Takes out of the image what no statement can give: the server fills it by itself in an INSERT, an
 * UPDATE (`before`) leaves it as it is. */
void write_loosen(const struct target_table *t, enum rows_encoding enc, struct value *image,
                  const struct value *before, struct loosened *out);
/* The same of a write in the scratch; inserts: its image is inserted whatever it was. */
void write_loosen_scratch(struct write_order *o, const struct write *w, bool inserts,
                          struct loosened *as);
/* The same as write_is_odd of a write that is in the scratch. */
bool write_needs_care(const struct write_order *o, const struct write *w);
/* Splits the images of a write into the scratch. */
bool write_order_read(struct write_order *o, const struct write *w, struct err *e) MUST_CHECK;

/* --- slot ---------------------------------------------------------------------------------------
 */
struct slot_expect {   /* what an answer must say */
    uint64_t min, max; /* rows that match */
    uint32_t write;    /* index in the caller's array, or SLOT_NO_WRITE */
    bool counted;      /* adds to rows_matched */
    bool duplicates;   /* what matched are the duplicates that the server tells of */
    bool fence;
    const struct target_table *computes; /* a STMT_CHECK of that table, or NULL */
};
struct slot_failure { /* the first thing that went wrong in a transaction */
    bool any;
    bool fence_missed;
    const struct target_table *computes; /* a column of it has another value than the source's */
    uint32_t write;
    unsigned error; /* the server's number; 0: a count, or a warning */
    char text[512];
};
struct slot {
    struct claim *claim;
    uint32_t n;
    struct session *s; /* NULL: none now; slot_ready opens one */
    char connection_id[24];
    _Atomic unsigned long long connection; /* the same as a number, for other threads */
    uint64_t ver;                          /* of the progress row, as of our last commit */
    bool bulk;                             /* the server takes bulk commands */
    size_t max_packet;
    MYSQL_STMT *fence;
    struct pipe pipe;
    struct stmt_cache stmts;
    struct write_order order;
    bool checks;     /* the session checks foreign keys now */
    bool careful;    /* one statement at a time; warnings are judged by their numbers */
    uint32_t warned; /* careful: warnings of the last statement */
    struct slot_failure failure;
    VEC(struct slot_expect) expects; /* by tag */
    uint64_t rows_matched;
    bool loading;
    struct err load_error; /* what ended the load, for load_commit */
};
#define SLOT_NO_WRITE UINT32_MAX

/* Thread: main; the slot's own may be at work. */
bool target_slot_waits(struct claim *c, struct slot *s, bool *waits, struct err *e) MUST_CHECK;
bool target_slot_open(struct claim *c, uint32_t n, struct slot **out, struct err *e) MUST_CHECK;
void target_slot_close(struct slot *s);
/* Makes sure there is a registered session. A new one finds the row with our gen and ver, or says
 * ERR_FENCED or ERR_TARGET_RESTARTED. *was_committed (may be NULL): the row is one further than
 * ours, so the commit whose answer was lost did happen; our ver follows. */
bool slot_ready(struct slot *s, bool *was_committed, struct err *e) MUST_CHECK;
/* Begins a transaction by queueing the fence statement (F3). NULL sets: left as they are. */
bool slot_begin(struct slot *s, const struct txn_set *low, const struct txn_set *done,
                struct err *e) MUST_CHECK;
/* A tag for pipe_send: what the answer must say. */
uint32_t slot_expect(struct slot *s, uint64_t min, uint64_t max, uint32_t write, bool counted);
/* Queues the rows of oms_meta that go with the transaction; with_sets: low and done as well. */
bool slot_meta(struct slot *s, const struct slot_commit *commit, bool with_sets,
               struct err *e) MUST_CHECK;
/* A statement of a table; reads every outstanding answer first if it must be prepared. */
bool slot_stmt(struct slot *s, const struct target_table *t, enum stmt_form form,
               enum rows_encoding enc, uint16_t rows, const struct value *image, struct stmt **st,
               struct err *e) MUST_CHECK;
/* Reads every answer. True: nothing went wrong, COMMIT may be sent. */
bool slot_settle(struct slot *s);
/* Sends COMMIT and reads its answer; a lost one is resolved (F4). *committed false: nothing of the
 * transaction happened. */
bool slot_commit(struct slot *s, bool *committed, struct err *e) MUST_CHECK;
/* Ends the transaction whatever its state. */
void slot_rollback(struct slot *s);
/* What the failure of a transaction means. ERROR: *e says it (FENCED, rights, missing objects). */
enum slot_verdict { SLOT_RETRY, SLOT_LOST, SLOT_CONFLICT, SLOT_ERROR };
enum slot_verdict slot_judge(struct slot *s, struct err *e);

/* Makes the session lenient, for one write, and strict again; nothing may be outstanding. Lenient:
 * values that do not fit become warnings, which slot_warnings judges. */
bool slot_strict(struct slot *s, bool on, struct err *e) MUST_CHECK;
/* Is the failure one write's own: the rest of the transaction stands? */
bool slot_is_conflict(const struct slot *s);

/* Judges the last statement's warnings: harmless ones, and with `as` those it says are meant, all
 * of which must be there. Anything else becomes the slot's failure. */
bool slot_warnings(struct slot *s, uint32_t write, const struct target_table *t,
                   const struct loosened *as, struct err *e) MUST_CHECK;

/* Rows of one statement in bulk packets, cut by size; each packet's count is checked alone. */
struct bulk {
    struct slot *s;
    const struct stmt *st;
    bool any_count; /* a DELETE of the overlap may match less */
    bool counted;
    bool duplicates; /* as in slot_expect */
    uint32_t rows;   /* in the packet being built */
    uint32_t first;  /* write index of its first row */
};
bool bulk_add(struct bulk *b, const struct stmt_row *row, uint32_t write, struct err *e) MUST_CHECK;
bool bulk_send(struct bulk *b, struct err *e) MUST_CHECK;

/* --- applying -----------------------------------------------------------------------------------
 */
struct applying {
    struct slot *s;
    const struct write *writes;
    bool win; /* send exact writes as those of the overlap: the image replaces the key's row */
    struct err *e;
};
/* One write by itself, its warnings judged; what goes wrong is in the slot's failure. False: *e. */
bool apply_one(struct applying *a, uint32_t i) MUST_CHECK;
/* The same; a conflict is decided by the caller's rules, and the failure stays only when nothing
 * could be done about it. */
bool apply_resolved(struct applying *a, const struct slot_commit *c, uint32_t i) MUST_CHECK;
/* Can these writes be made at all? */
bool apply_check(const struct write *w, size_t n, struct err *e) MUST_CHECK;
/* Sends the batches of the slot's order; the same writes one by one. False: *e, or the slot's
 * failure says it. */
bool apply_batches(struct applying *a, size_t n) MUST_CHECK;
/* Where a transaction begins: foreign key checks as they are for most tables. */
bool apply_checks_off(struct applying *a) MUST_CHECK;
bool apply_careful(struct applying *a, const struct slot_commit *c, size_t n) MUST_CHECK;
bool target_apply_begin(struct slot *s, const struct slot_commit *commit, struct err *e) MUST_CHECK;
bool target_apply_piece(struct slot *s, const struct slot_commit *commit,
                        const struct write *writes, size_t n, struct apply_result *r,
                        struct err *e) MUST_CHECK;
bool target_apply_end(struct slot *s, const struct slot_commit *commit, struct apply_result *r,
                      struct err *e) MUST_CHECK;
void target_apply_abort(struct slot *s);
bool target_split_get(struct claim *c, struct txn_id id, uint64_t *changes, bool *found,
                      struct err *e) MUST_CHECK;
/* The statement that keeps how far a split transaction is, or that it is over. */
void records_split(struct buf *sql, const char *task, const struct split_mark *m);
bool target_skipped_list(const struct endpoint_address *a, const char *task, uint64_t most,
                         skipped_take *take, void *arg, struct err *e) MUST_CHECK;

bool target_apply(struct slot *s, const struct slot_commit *commit, const struct write *writes,
                  size_t n, struct apply_result *result, struct err *e) MUST_CHECK;
bool target_load_begin(struct slot *s, struct err *e) MUST_CHECK;
bool target_load(struct slot *s, struct target_table *t, const struct rows *batch,
                 struct err *e) MUST_CHECK;
bool target_load_commit(struct slot *s, const struct slot_commit *commit,
                        struct apply_result *result, struct err *e) MUST_CHECK;
bool target_load_rollback(struct slot *s, struct err *e) MUST_CHECK;

#endif
