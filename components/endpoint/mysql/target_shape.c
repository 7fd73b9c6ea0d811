/*
 * May rows of a source table go into a table of the target without losing anything? Compares
 * definitions column by column; the first difference that would lose data is named. Also opens the
 * plan of a table. Called by components when they start on a table. Thread: any; takes claim.lock.
 */
#include <stdlib.h>
#include <string.h>

#include "common/base/must.h"
#include "components/endpoint/mysql/target_priv.h"

/* Integers: bits and sign decide. */
static bool integer_of(enum kind k, unsigned *bits, bool *is_signed)
{
    switch (k) {
    case KIND_I8:
    case KIND_I16:
    case KIND_I32:
    case KIND_I64:
        *is_signed = true;
        break;
    case KIND_U8:
    case KIND_U16:
    case KIND_U32:
    case KIND_U64:
        *is_signed = false;
        break;
    default:
        return false;
    }
    *bits = kind_width[k] * 8u;
    return true;
}

/* MEDIUMINT has the kind of INT. */
static unsigned medium_bits(const struct column_def *c, unsigned bits)
{
    return strncmp(c->native, "mediumint", 9) == 0 ? 24 : bits;
}

static bool integer_fits(const struct column_def *s, const struct column_def *d)
{
    unsigned sb, db;
    bool ss, ds;

    if (!integer_of(s->kind, &sb, &ss) || !integer_of(d->kind, &db, &ds))
        return false;
    sb = medium_bits(s, sb);
    db = medium_bits(d, db);
    return ss == ds ? db >= sb : ds && db > sb;
}

/* The catalog of MySQL has no name for that of an ENUM or SET of bytes, its log says binary. */
static const char *charset_name(const char *charset)
{
    if (charset[0] == '\0')
        return "binary";
    return strcmp(charset, "utf8") == 0 ? "utf8mb3" : charset;
}

/* Bytes of the one are the same characters in the other. */
static bool charset_fits(const char *source, const char *target)
{
    const char *s = charset_name(source), *d = charset_name(target);

    if (strcmp(s, d) == 0)
        return true;
    if (strcmp(s, "utf8mb3") == 0)
        return strcmp(d, "utf8mb4") == 0;
    return strcmp(s, "ascii") == 0 && (strncmp(d, "utf8mb", 6) == 0 || strcmp(d, "latin1") == 0);
}

/* The bytes a TEXT or BYTES column without a length in characters can hold, by its type's name. */
static uint64_t capacity(const struct column_def *c)
{
    static const struct {
        const char *prefix;
        uint64_t max;
    } types[] = {{"tiny", 255}, {"text", 65535}, {"blob", 65535}, {"medium", (1u << 24) - 1}};

    if (c->length != 0)
        return c->length;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strncmp(c->native, types[i].prefix, strlen(types[i].prefix)) == 0)
            return types[i].max;
    return UINT32_MAX;
}

static bool members_fit(const struct column_def *s, const struct column_def *d)
{
    return s->members_len <= d->members_len &&
           (s->members_len == 0 || memcmp(s->members, d->members, s->members_len) == 0);
}

static bool text_fits(const struct column_def *s, const struct column_def *d)
{
    return charset_fits(s->charset, d->charset) && capacity(d) >= capacity(s);
}

static bool same_kind_fits(const struct column_def *s, const struct column_def *d)
{
    switch (s->kind) {
    case KIND_DECIMAL:
        return d->scale >= s->scale && d->precision - d->scale >= s->precision - s->scale;
    case KIND_TIME:
    case KIND_DATETIME:
    case KIND_TIMESTAMP:
        return d->scale >= s->scale;
    case KIND_BIT:
    case KIND_VECTOR:
        return d->length >= s->length;
    case KIND_ENUM:
    case KIND_SET:
        return charset_fits(s->charset, d->charset) && members_fit(s, d);
    case KIND_TEXT:
        return text_fits(s, d);
    case KIND_BINARY:
        return d->length == s->length;
    case KIND_BYTES:
        return capacity(d) >= capacity(s);
    default:
        return true;
    }
}

static bool column_fits(const struct column_def *s, const struct column_def *d)
{
    if (s->kind == d->kind)
        return same_kind_fits(s, d);
    if (s->kind == KIND_JSON)
        return d->kind == KIND_TEXT && charset_fits("utf8mb4", d->charset) &&
               capacity(d) == UINT32_MAX;
    if (s->kind == KIND_FLOAT)
        return d->kind == KIND_DOUBLE;
    return integer_fits(s, d);
}

static const struct column_def *column_named(const struct table_def *t, const char *name)
{
    for (uint16_t i = 0; i < t->n_columns; i++)
        if (strcasecmp(t->columns[i].name, name) == 0)
            return &t->columns[i];
    return NULL;
}

static bool check_column(const struct table_def *def, const struct column_def *s, bool follows,
                         struct err *e)
{
    const struct column_def *d = column_named(def, s->name);

    if (s->generated != GENERATED_NO)
        return true; /* the target computes its own, or has none */
    if (!d)
        return err_set(e, ERR_TARGET_SHAPE, "column '%s' is missing", s->name);
    if (d->generated != GENERATED_NO)
        return err_set(e, ERR_TARGET_SHAPE, "column '%s' is generated on the target", s->name);
    if (!column_fits(s, d) && !(follows && follow_same_bytes(s, d)))
        return err_set(e, ERR_TARGET_SHAPE,
                       "column '%s' is '%s' %s on the target, '%s' %s on the source", s->name,
                       d->native, d->charset, s->native, s->charset);
    if (s->nullable && !d->nullable)
        return err_set(e, ERR_TARGET_SHAPE, "column '%s' is NOT NULL on the target only", s->name);
    return true;
}

/* Rows are found by the source's row key: the target must have a unique key of the same columns,
 * or an UPDATE could match several rows, each by a scan. */
static bool check_row_key(const struct table_def *source, const struct table_def *def,
                          struct err *e)
{
    if (source->row_key < 0)
        return true;
    const struct key_def *want = &source->keys[source->row_key];
    if (follow_has_unique(def, source, want))
        return true;
    return err_set(e, ERR_TARGET_SHAPE, "the target has no unique key of the columns of '%s'",
                   want->name);
}

bool shape_check(const struct table_def *source, const struct table_def *def, bool follows,
                 struct err *e)
{
    for (uint16_t i = 0; i < source->n_columns; i++)
        if (!check_column(def, &source->columns[i], follows, e))
            return false;
    for (uint16_t i = 0; i < def->n_columns; i++) {
        const struct column_def *d = &def->columns[i];
        const struct column_def *s = column_named(source, d->name);
        if (!s && !d->nullable && d->generated == GENERATED_NO)
            return err_set(e, ERR_TARGET_SHAPE,
                           "column '%s' is NOT NULL and exists on the target only", d->name);
    }
    return check_row_key(source, def, e);
}

/* --- plans --------------------------------------------------------------------------------------
 */

/* Key columns whose bytes differ exactly when the server's comparison says so. */
static bool folds_exactly(const struct column_def *c)
{
    return mysql_dialect_ops.key_fold(c) == FOLD_EXACT;
}

static bool other_unique(const struct table_def *t)
{
    for (uint16_t i = 0; i < t->n_keys; i++)
        if (t->keys[i].unique && (int)i != t->row_key)
            return true;
    return false;
}

/* Writes of different rows commute when the row key alone decides which row is meant. */
static bool must_keep_order(const struct target_table *t)
{
    const struct table_def *s = t->source;

    if (s->row_key < 0 || other_unique(s) || other_unique(t->def))
        return true;
    const struct key_def *k = &s->keys[s->row_key];
    for (uint16_t i = 0; i < k->n_parts; i++) {
        uint16_t at = k->parts[i].column;
        if (at == KEY_EXPRESSION || k->parts[i].prefix != 0 || !folds_exactly(&s->columns[at]) ||
            t->found[at] == NO_COLUMN || !folds_exactly(&t->def->columns[t->found[at]]))
            return true;
    }
    return false;
}

/* An UPDATE may go as INSERT ... ON DUPLICATE KEY UPDATE where only the row key can be the
 * duplicate, every column of the target's row is given, and there is something to update. */
static bool may_upsert(const struct target_table *t)
{
    const struct table_def *s = t->source;
    uint32_t written = 0;

    if (!t->is_mariadb || t->ordered || !target_row_is_whole(t))
        return false;
    const struct key_def *k = &s->keys[s->row_key];
    for (uint16_t i = 0; i < k->n_parts; i++)
        if (t->column[k->parts[i].column] == NO_COLUMN)
            return false;
    for (uint16_t i = 0; i < s->n_columns; i++)
        written += t->column[i] != NO_COLUMN;
    return written > k->n_parts;
}

static char *quote(const char *db, const char *name)
{
    struct buf out;

    buf_init(&out, 4096);
    mysql_dialect_ops.quote_table(&out, db, name);
    char *text = must_strdup(buf_cstr(&out));
    buf_fini(&out);
    return text;
}

/* Kinds with values that a strict session does not take (write_is_odd). */
static bool may_be_odd(enum kind k)
{
    return k == KIND_ENUM || target_kind_is_implicit(k);
}

static struct target_table *plan_new(struct claim *c, const struct table_def *source,
                                     const struct table_def *def, const char *db, const char *name)
{
    struct target_table *t = must_calloc(1, sizeof *t);

    t->serial = c->next_serial++;
    t->source = table_def_ref(source);
    t->def = def;
    t->is_mariadb = c->catalog->is_mariadb;
    t->cascades = def->family[0] != '\0';
    t->quoted = quote(db, name);
    t->column = must_calloc(source->n_columns, sizeof *t->column);
    t->found = must_calloc(source->n_columns, sizeof *t->found);
    for (uint16_t i = 0; i < source->n_columns; i++) {
        const struct column_def *d = column_named(def, source->columns[i].name);
        bool written =
            d && d->generated == GENERATED_NO && source->columns[i].generated == GENERATED_NO;
        t->found[i] = d ? (uint16_t)(d - def->columns) : NO_COLUMN;
        t->column[i] = written ? t->found[i] : NO_COLUMN;
        t->has_odd = t->has_odd || (written && may_be_odd(source->columns[i].kind));
    }
    t->ordered = must_keep_order(t);
    t->upserts = may_upsert(t);
    return t;
}

/* Columns that the source's definition calls plain and that the target computes: rows have values
 * of them, which only a check can compare. */
static void plan_computed(struct target_table *t, const struct table_def *source)
{
    t->computed = must_calloc(source->n_columns, sizeof *t->computed);
    for (uint16_t i = 0; i < source->n_columns; i++) {
        t->computed[i] = source->columns[i].generated == GENERATED_NO && t->found[i] != NO_COLUMN &&
                         t->def->columns[t->found[i]].generated != GENERATED_NO;
        t->computes = t->computes || t->computed[i];
    }
}

bool table_computes_otherwise(const struct target_table *t, struct err *e)
{
    struct buf names CLEANUP(buf_fini);

    buf_init(&names, 1u << 20);
    for (uint16_t i = 0; i < t->source->n_columns; i++)
        if (t->computed[i])
            buf_printf(&names, "%s'%s'", names.len ? ", " : "", t->source->columns[i].name);
    return err_set(e, ERR_TARGET_SHAPE,
                   "table %s: column %s is plain on the source and generated on the target, and a "
                   "row of the source has another value there than the target computes",
                   t->quoted, buf_cstr(&names));
}

/* A session that only reads definitions needs no registration. */
static bool load_def(struct claim *c, const char *db, const char *name,
                     const struct table_def **def, struct err *e)
{
    for (int i = 0; i < 2; i++) {
        err_clear(e);
        if (!c->catalog && !mysql_catalog_ops.connect(&c->address, &c->catalog, e))
            return false;
        if (mysql_catalog_ops.load_table(c->catalog, db, name, def, e))
            return true;
        if (err_class_of(e->code) != ERR_CLASS_RETRY)
            return false;
        session_close(c->catalog);
        c->catalog = NULL;
    }
    return false;
}

/* Always false. A table that is not as it should be may be so because a newer generation has run a
 * later DDL: then that is the error. */
static bool shape_is_ours(struct claim *c, struct err *e)
{
    struct buf nothing CLEANUP(buf_fini);
    struct err fenced = ERR_INIT;

    buf_init(&nothing, 1);
    if (e->code == ERR_TARGET_SHAPE && !claim_fenced(c, &nothing, &fenced))
        *e = fenced;
    return false;
}

bool target_table_open(struct claim *c, const struct table_def *source, const char *db,
                       const char *name, struct target_table **out, struct err *e)
{
    const struct table_def *def = NULL, *told = NULL;

    pthread_mutex_lock(&c->lock);
    bool ok = load_def(c, db, name, &def, e);
    if (ok && c->follows_ddl)
        ok = follow_target(source, def, &told, e);
    else if (ok)
        told = table_def_ref(source);
    if (ok && !shape_check(told, def, c->follows_ddl, e))
        ok = err_wrap(e, "table '%s.%s' on the target", db, name);
    if (ok) {
        *out = plan_new(c, told, def, db, name);
        plan_computed(*out, source);
        (*out)->upserts = (*out)->upserts && !(*out)->computes;
        (*out)->other_row_key = !follow_same_rows(told, source);
    } else {
        table_def_unref(def);
    }
    table_def_unref(told);
    pthread_mutex_unlock(&c->lock);
    return ok || shape_is_ours(c, e);
}

void target_table_close(struct target_table *t)
{
    if (!t)
        return;
    table_def_unref(t->source);
    table_def_unref(t->def);
    free(t->column);
    free(t->found);
    free(t->computed);
    free(t->quoted);
    free(t);
}

bool target_row_is_whole(const struct target_table *t)
{
    uint32_t written = 0, plain = 0;

    for (uint16_t i = 0; i < t->source->n_columns; i++)
        written += t->column[i] != NO_COLUMN;
    for (uint16_t i = 0; i < t->def->n_columns; i++)
        plain += t->def->columns[i].generated == GENERATED_NO;
    return written == plain;
}
