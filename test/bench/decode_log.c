/*
 * A source's log into records, in one thread, thrown away: what the benchmark `decode` measures.
 *   decode_log PORT USER PASSWORD BEGIN
 * Reads a MariaDB server at 127.0.0.1 from behind the set BEGIN to the end, with the log that a
 * Store has, twice: the first time is measured, the second counts rows and transactions, which
 * nobody would do otherwise. Prints "rows=N txns=N bytes=N cpu_s=X wall_s=X".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/base/must.h"
#include "common/os/clock.h"
#include "components/endpoint/mysql/endpoint.h"

#define WANT (1u << 20)
#define OUT_MAX (256u << 20)

struct run {
    struct endpoint_address address;
    struct txn_set begin, end;
    VEC(const struct table_def *) tables;
    uint64_t rows, txns, bytes;
    bool counts;
};

static bool failed(const struct err *e)
{
    (void)fprintf(stderr, "%s\n", e->message);
    exit(1);
}

static const struct table_def *resolve(void *arg, uint32_t id)
{
    struct run *r = arg;

    for (size_t i = 0; i < r->tables.n; i++)
        if (r->tables.at[i]->id == id)
            return r->tables.at[i];
    return NULL;
}

static void take_record(struct run *r, const struct record *rec, struct txn_set *done)
{
    struct cursor body = cursor_of(rec->body.p, rec->body.len);
    struct err e = ERR_INIT;
    const struct table_def *t;
    struct change_iter it;
    struct change c;
    struct txn_head h;

    if (rec->type == RECORD_TABLE_VERSION) {
        if (r->counts && !table_def_decode(&body, &t, &e))
            failed(&e);
        if (r->counts)
            vec_push(&r->tables, t);
        return;
    }
    must(txn_head_read(&body, &h));
    if (h.flags & TXN_F_LAST) {
        txn_set_add(done, h.id.origin, h.covers_from, h.id.seq);
        r->txns += r->counts;
    }
    if (!r->counts || rec->type == RECORD_DDL)
        return;
    change_iter_init(&it, (struct view){body.p, cursor_left(&body)}, resolve, r);
    while (change_next(&it, &c))
        r->rows++;
    must(!it.c.failed);
}

static void read_all(struct run *r)
{
    struct log_params p = {.address = &r->address,
                           .after = &r->begin,
                           .after_native = "",
                           .server_id = 77001,
                           .heartbeat_ms = 1000,
                           .next_table_id = 1};
    struct err e = ERR_INIT;
    struct log *l = NULL;
    struct txn_set done;
    struct buf out;

    txn_set_copy(&done, &r->begin);
    buf_init(&out, OUT_MAX);
    if (!mysql_log_ops.open(&p, &l, &e))
        failed(&e);
    while (!txn_set_contains(&done, &r->end)) {
        struct log_progress g;
        struct record rec;
        buf_clear(&out);
        if (!mysql_log_ops.read(l, &out, WANT, 1000, &g, &e))
            failed(&e);
        struct cursor c = cursor_of(out.p, out.len);
        r->bytes += r->counts ? 0 : g.source_bytes;
        while (record_next(&c, &rec))
            take_record(r, &rec, &done);
    }
    mysql_log_ops.close(l);
    buf_fini(&out);
    txn_set_fini(&done);
}

static double cpu_s(void)
{
    struct rusage u;

    must(getrusage(RUSAGE_SELF, &u) == 0);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    struct run r = {.address = {.kind = "mariadb", .host = "127.0.0.1", .tls_mode = "off"}};
    struct err e = ERR_INIT;
    struct session *s = NULL;

    if (argc != 5) {
        (void)fprintf(stderr, "usage: decode_log PORT USER PASSWORD BEGIN\n");
        return 2;
    }
    r.address.port = (uint16_t)strtoul(argv[1], NULL, 10);
    r.address.user = argv[2];
    r.address.password = argv[3];
    txn_set_init(&r.end);
    if (!txn_set_parse(argv[4], &r.begin, &e) || !mysql_catalog_ops.connect(&r.address, &s, &e) ||
        !mysql_log_ops.executed(s, NULL, &r.end, &e))
        failed(&e);
    mysql_catalog_ops.close(s);
    struct mono began = clock_mono();
    double cpu = cpu_s();
    read_all(&r);
    cpu = cpu_s() - cpu;
    double wall = (double)mono_ms_between(began, clock_mono()) / 1000;
    r.counts = true;
    read_all(&r);
    (void)printf("rows=%" PRIu64 " txns=%" PRIu64 " bytes=%" PRIu64 " cpu_s=%.3f wall_s=%.3f\n",
                 r.rows, r.txns, r.bytes, cpu, wall);
    for (size_t i = 0; i < r.tables.n; i++)
        table_def_unref(r.tables.at[i]);
    vec_fini(&r.tables);
    txn_set_fini(&r.begin);
    txn_set_fini(&r.end);
    return 0;
}
