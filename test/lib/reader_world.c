#include "test/lib/reader_world.h"

#include "components/endpoint/mysql/endpoint.h"

struct reader *reader;
const struct reader_ops *const ops = &mysql_reader_ops;
const struct key_range whole = {{NULL, 0}, {NULL, 0}};

void reader_world_start(uint32_t server_id)
{
    one_server_start(server_id);
    struct endpoint_address a = mariadb_address(&server);
    check(ops->open(&a, &reader, e));
    run("CREATE DATABASE r CHARACTER SET utf8mb4");
    run("USE r");
    run("SET sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'");
}

void reader_world_stop(void)
{
    ops->close(reader);
    (void)one_server_stop(NULL);
}

const struct table_def *load(const char *name)
{
    return load_def("r", name);
}

bool keep(void *arg, struct rows *batch, struct err *e)
{
    struct kept *k = arg;

    k->n += batch->n;
    vec_push(&k->batches, batch);
    if (k->refuse_after && k->batches.n >= k->refuse_after)
        return err_set(e, ERR_CANCELLED, "enough");
    return true;
}

void kept_fini(struct kept *k)
{
    for (size_t i = 0; i < k->batches.n; i++)
        rows_free(k->batches.at[i]);
    vec_fini(&k->batches);
}
