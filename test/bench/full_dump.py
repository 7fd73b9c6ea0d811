"""full-dump: everything of a source copied to a fresh target, beside mariadb-dump piped into mariadb.

Ours is `oms-task schema`, `oms-full-import` with 2 workers, and the unique indexes that the incremental step would add:
at the end both targets have the same tables, rows and indexes.
"""
import shutil
import subprocess
import time

import lab
from byhand import Hand, equal_tables
from omslab import shop

DATABASES = ["sb", "shop"]
# mariadb-dump writes FLOAT with six digits, so its copies of these differ in bits: there rows are only counted.
PEER_LOSES = {"shop.customers", "shop.items"}
TABLES, ROWS, SHOP_ROWS = 4, 250_000, 200_000

INDEXES = """SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE,
  GROUP_CONCAT(CONCAT('`', COLUMN_NAME, '`', IFNULL(CONCAT('(', SUB_PART, ')'), '')) ORDER BY SEQ_IN_INDEX)
  FROM information_schema.STATISTICS WHERE TABLE_SCHEMA IN ('sb','shop') GROUP BY 1,2,3,4 ORDER BY 1,2,3"""


def add_unique_indexes(source, target):
    has = set(target.sql(INDEXES))
    for db, name, index, non_unique, columns in source.sql(INDEXES):
        if not non_unique and (db, name, index, non_unique, columns) not in has:
            target.sql(f"ALTER TABLE `{db}`.`{name}` ADD UNIQUE INDEX `{index}` ({columns})")


def ours(work, n, source, target):
    hand = Hand(work.scratch(f"hand-{n}"), source, target, DATABASES, work.bin)
    try:
        began = time.monotonic()
        hand.task("schema")
        full = hand.full(workers=2).wait(600)
        add_unique_indexes(source, target)
        return time.monotonic() - began, full.peak_mb
    finally:
        hand.stop()


def peer(source, target):
    began = time.monotonic()
    dump = subprocess.Popen(["mariadb-dump", "--no-defaults", "-uroot", "-S", source.socket, "--single-transaction", "--quick",
                             "--hex-blob", "--databases", *DATABASES], stdout=subprocess.PIPE)
    load = subprocess.run(["mariadb", "--no-defaults", "-uroot", "-S", target.socket, "--max-allowed-packet=64M"],
                          stdin=dump.stdout, check=False)
    dump.stdout.close()
    if dump.wait() != 0 or load.returncode != 0:
        raise RuntimeError(f"mariadb-dump ended with {dump.returncode}, mariadb with {load.returncode}")
    return time.monotonic() - began


def check(source, target, name, loses):
    tables = {f"sb.sbtest{i + 1}" for i in range(TABLES)} | {f"shop.{t}" for t in shop.TABLES}
    equal_tables(source, target, sorted(tables - loses))
    for t in sorted(loses):
        if source.count(t) != target.count(t):
            raise RuntimeError(f"{name}: table {t} has not the source's number of rows")
    if source.sql(INDEXES) != target.sql(INDEXES):
        raise RuntimeError(f"{name}: the target's indexes are not the source's")


def on_fresh_target(work, source, empty, name, copy, loses):
    """Runs copy(target) on a copy of an empty server; checks the outcome."""
    target = lab.server(work.scratch(name), "target", 2).copy_of(empty).start()
    try:
        cpu = target.cpu_s()
        out = copy(target)
        cpu = target.cpu_s() - cpu
        check(source, target, name, loses)
        return out, cpu
    finally:
        target.stop()
        shutil.rmtree(work.scratch(name))


def measure(work):
    source = lab.server(work.scratch("a"), "source", 1).create().start()
    empty = lab.server(work.scratch("b"), "target", 2).create().start()
    try:
        empty.add_user()
        empty.stop()
        source.add_user()
        lab.sysbench_prepare(source, TABLES, work.scaled(ROWS))
        rows = TABLES * work.scaled(ROWS) + shop.fill(source, rows=work.scaled(SHOP_ROWS))
        runs = []
        for n in range(work.runs):
            (a, peak), a_cpu = on_fresh_target(work, source, empty, f"ours-{n}", lambda t, n=n: ours(work, n, source, t), set())
            b, b_cpu = on_fresh_target(work, source, empty, f"peer-{n}", lambda t: peer(source, t), PEER_LOSES)
            runs.append((rows / a, rows / b, {"ours_s": round(a, 2), "peer_s": round(b, 2), "ours_peak_mb": round(peak, 1),
                                              "target_cpu_s": [round(a_cpu, 2), round(b_cpu, 2)]}))
            work.say(f"run {n + 1}: {rows} rows: ours {a:.2f} s, mariadb-dump {b:.2f} s; target's CPU {a_cpu:.1f} / {b_cpu:.1f} s; "
                     f"oms-full-import's peak {peak:.1f} MB")
    finally:
        source.stop()
        empty.stop()
    yield ("full-dump", "rows/s", "higher", 1, "mariadb-dump | mariadb", runs)
