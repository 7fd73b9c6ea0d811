/* Identities by place (place.h). */
#include "components/endpoint/mysql/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((uint64_t)1 << 23) /* the sign bit of 64 stays free */
#define OFFSET_MAX (((uint64_t)1 << PLACE_OFFSET_BITS) - 1)
#define ENCRYPTION_HEADER 512 /* stands before the file's first offset, and is in its size */

static bool file_number(const char *name, uint64_t *number)
{
    const char *dot = strrchr(name, '.');
    char *end = NULL;

    if (!dot || dot[1] < '0' || dot[1] > '9')
        return false;
    *number = strtoull(dot + 1, &end, 10);
    return *end == '\0' && *number < FILE_MAX;
}

bool place_seq(const char *file, uint64_t offset, uint64_t *seq, struct err *e)
{
    uint64_t number;

    if (!file_number(file, &number) || offset > OFFSET_MAX)
        return err_set(e, ERR_UNSUPPORTED,
                       "place %s:%" PRIu64
                       " of a log cannot be an identity: the file's number must "
                       "be below %" PRIu64 ", the offset below %" PRIu64,
                       file, offset, FILE_MAX, OFFSET_MAX);
    *seq = number << PLACE_OFFSET_BITS | offset;
    return true;
}

bool place_gtid_mode(struct session *s, enum gtid_mode *mode, char text[32], struct err *e)
{
    char value[32] = "ON";
    bool found = true;

    if (!s->is_mariadb &&
        !session_value(s, "SELECT @@global.gtid_mode", value, sizeof value, &found, e))
        return err_wrap(e, "ask for gtid_mode");
    *mode = !found || strcmp(value, "OFF") == 0 ? GTID_OFF
            : strcmp(value, "ON") == 0          ? GTID_ON
                                                : GTID_MIXED;
    if (text)
        memcpy(text, value, sizeof value);
    return true;
}

bool place_origin(struct session *s, const char **origin, struct err *e)
{
    char mode_text[32], uuid[64], text[ORIGIN_MAX];
    enum gtid_mode mode;
    bool found;

    if (!place_gtid_mode(s, &mode, mode_text, e))
        return false;
    if (mode != GTID_OFF)
        return err_set(
            e, ERR_SERVER_POSITION,
            "gtid_mode of %s is %s, and the source is followed by file and offset of its "
            "log: set it back to OFF, or begin anew",
            s->where, mode_text);
    if (!session_value(s, "SELECT @@server_uuid", uuid, sizeof uuid, &found, e))
        return false;
    if (!found)
        return err_set(e, ERR_SERVER_POSITION, "%s tells no server_uuid", s->where);
    int n = snprintf(text, sizeof text, ORIGIN_PLACE "%s", uuid);
    *origin = origin_intern(text, (size_t)n);
    return true;
}

/* --- files --------------------------------------------------------------------------------------
 */

void place_files_fini(struct log_files *f)
{
    vec_fini(&f->list);
}

enum { FILE_NAME, FILE_SIZE, FILE_ENCRYPTED }; /* columns; servers before 8.0.14 lack the last */

/* The offset where it ends. */
static uint64_t end_of(MYSQL_RES *res, MYSQL_ROW row)
{
    uint64_t size = row[FILE_SIZE] ? strtoull(row[FILE_SIZE], NULL, 10) : 0;
    bool encrypted = mysql_num_fields(res) > FILE_ENCRYPTED && row[FILE_ENCRYPTED] &&
                     strcmp(row[FILE_ENCRYPTED], "Yes") == 0;

    return encrypted && size >= ENCRYPTION_HEADER ? size - ENCRYPTION_HEADER : size;
}

bool place_files(struct session *s, struct log_files *out, struct err *e)
{
    MYSQL_RES *res CLEANUP(session_free_result) = NULL;

    *out = (struct log_files){0};
    if (!session_query(s, "SHOW BINARY LOGS", &res, e))
        return err_wrap(e, "ask for the source's log files");
    for (MYSQL_ROW row; (row = mysql_fetch_row(res));) {
        struct log_file f = {.size = end_of(res, row)};
        (void)snprintf(f.name, sizeof f.name, "%s", row[FILE_NAME]);
        if (!file_number(f.name, &f.number)) {
            place_files_fini(out);
            return err_set(e, ERR_UNSUPPORTED, "log file '%s' of %s has no number that can be used",
                           row[FILE_NAME], s->where);
        }
        vec_push(&out->list, f);
    }
    if (out->list.n == 0)
        return err_set(e, ERR_SERVER_POSITION, "the binary log of %s is off", s->where);
    return true;
}

static const struct log_file *file_of(const struct log_files *f, uint64_t number)
{
    for (size_t i = 0; i < f->list.n; i++)
        if (f->list.at[i].number == number)
            return &f->list.at[i];
    return NULL;
}

/* --- what was executed --------------------------------------------------------------------------
 */

bool place_executed(struct session *s, const struct txn_set *of, struct txn_set *out, struct err *e)
{
    struct log_files files = {0};
    const char *origin;

    if (!place_origin(s, &origin, e) || !place_files(s, &files, e))
        return false;
    const struct log_file *newest = &files.list.at[files.list.n - 1];
    txn_set_add(out, origin, 1, newest->number << PLACE_OFFSET_BITS | newest->size);
    uint64_t known = of ? txn_set_last(of, origin) : 0;
    const struct log_file *its = file_of(&files, place_file(known));
    if (its && its->size < place_offset(known))
        txn_set_remove(out, origin, (its->number << PLACE_OFFSET_BITS | its->size) + 1, known);
    place_files_fini(&files);
    return true;
}

/* --- going on -----------------------------------------------------------------------------------
 */

static bool go_on_in(const struct log_files *files, uint64_t seq, bool again, struct log_place *out,
                     struct err *e)
{
    const struct log_file *oldest = &files->list.at[0];
    const struct log_file *newest = &files->list.at[files->list.n - 1];
    const struct log_file *its = file_of(files, place_file(seq));
    uint64_t offset = place_offset(seq);

    if (!its && again && place_file(seq) < oldest->number) {
        its = oldest;
        offset = PLACE_BEGIN;
    }
    if (!its && place_file(seq) > newest->number)
        return err_set(e, ERR_SOURCE_DIVERGED,
                       "the source's log ends at %s:%" PRIu64 ", and it is known up to file number "
                       "%" PRIu64 ", offset %" PRIu64 ": it was reset",
                       newest->name, newest->size, place_file(seq), offset);
    if (!its)
        return err_set(e, ERR_LOG_LOST,
                       "file number %" PRIu64 " of the source's log was purged; the oldest is %s",
                       place_file(seq), oldest->name);
    if (its->size < offset)
        return err_set(e, ERR_SOURCE_DIVERGED,
                       "the source's log file %s ends at %" PRIu64 ", and it is known up to "
                       "%" PRIu64,
                       its->name, its->size, offset);
    (void)snprintf(out->file, sizeof out->file, "%s", its->name);
    out->offset = offset < PLACE_BEGIN ? PLACE_BEGIN : offset;
    return true;
}

bool place_find(struct session *s, uint64_t seq, bool again, struct log_place *out, struct err *e)
{
    struct log_files files;

    if (!place_files(s, &files, e))
        return false;
    bool ok = go_on_in(&files, seq, again, out, e);
    place_files_fini(&files);
    return ok;
}
