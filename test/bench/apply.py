"""apply-*: a backlog of transactions brought to a target, beside MariaDB's own replication.

Both begin from the same stopped copy of a target that holds the tables as they were before the backlog, and read the
backlog from the source's log. Ours is `oms-store` (pulling from the copy's position) and `oms-incr-sync`; the clock runs
from their start to the commit of the last transaction. The peer is the best of MariaDB's replicas with 0, 4 and 8
optimistic threads: START SLAVE to MASTER_GTID_WAIT. The first run tries all three, each until it has taken a third longer
than the best so far; the others measure the better two. Runs take turns in who comes first, and before each clock starts
the machine is in the same state (lab.settle).
The target logs, flush_log=1, sync_binlog=0; apply-oltp-durable has sync_binlog=1 on both targets.
"""
import shutil
import time

import lab
from byhand import Hand, Progress, equal_tables
from omslab import poll

THREADS = (8, 4, 0)
TOO_SLOW = 4 / 3  # of the best replica's time
DURABLE = ["--sync-binlog=1"]


def sequence(gtid):
    """("mariadb:1", 42) of "1-1-42"; the source writes in one domain only."""
    domain, _, seq = gtid.split("-")
    return f"mariadb:{domain}", int(seq)


class Oltp:
    """Small transactions of sysbench: two updates, a delete and an insert of one row each."""
    databases, tables = ["sb"], [f"sb.sbtest{i + 1}" for i in range(4)]
    rows, transactions = 200_000, 60_000

    def __init__(self, rand_type):
        self.rand_type = rand_type

    def fill(self, work, source):
        lab.sysbench_prepare(source, len(self.tables), work.scaled(self.rows))

    def change(self, work, source):
        lab.sysbench_write(source, len(self.tables), work.scaled(self.rows), work.scaled(self.transactions), self.rand_type)


class Bulk:
    """Transactions of a thousand inserted rows of some 750 bytes: 370 MB of log."""
    databases, tables = ["bulk"], ["bulk.t"]
    transactions, rows = 500, 1000

    def fill(self, work, source):
        source.sql("CREATE DATABASE bulk",
                   "CREATE TABLE bulk.t (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, k INT NOT NULL, d DECIMAL(12,2) NOT NULL,"
                   " at DATETIME(3) NOT NULL, c VARCHAR(400) NOT NULL, pad VARCHAR(400) NOT NULL, KEY k (k)) ENGINE=InnoDB")

    def change(self, work, source):
        source.sql(*(f"INSERT INTO bulk.t SELECT {n * self.rows}+seq, seq*7919 % 100003, seq/100, '2026-01-01' + INTERVAL seq SECOND,"
                     f" CONCAT({n}, '-', seq, REPEAT(MD5(seq*{n + 1}), 11)), REPEAT(MD5(seq+{n}), 11) FROM bulk.seq_1_to_{self.rows}"
                     for n in range(work.scaled(self.transactions))))


def prepare(work, load):
    """A source and a target after the full step, both stopped, and the GTID at which they are equal."""
    source = lab.server(work.scratch("base"), "source", 1).create().start()
    target = lab.server(work.scratch("base"), "target", 2).create().start()
    hand = Hand(work.scratch("base-hand"), source, target, load.databases, work.bin)
    try:
        for s in (source, target):
            s.add_user()
        load.fill(work, source)
        hand.task("schema")
        hand.full().wait(600)
        equal_tables(source, target, load.tables)
        gtid = source.gtid()
        target.sql("RESET MASTER")
    finally:
        hand.stop()
        source.stop()
        target.stop()
    return source, target, gtid


def ours(work, name, load, source, target, begin, end):
    origin, first = sequence(begin)
    hand = Hand(work.scratch(name), source, target, load.databases, work.bin)
    progress = Progress(target, origin, sequence(end)[1])
    try:
        began = time.monotonic()
        store = hand.store(begin=f"{origin}=1-{first}")
        incremental = hand.incremental(store, **work.incremental)

        looks = 0

        def done():  # asking is paid for by the processors that are measured
            nonlocal looks
            looks += 1
            if looks % 16 == 0:
                store.look()
                incremental.look()
            return progress.reached()
        poll.until(done, 600, "the last transaction on the target", every_s=0.015)
        took = time.monotonic() - began
        store.look()
        incremental.look()
        return took, {"ours_cpu_s": {c.name: round(c.cpu_s(), 2) for c in (store, incremental)},
                      "ours_peak_mb": {c.name: round(c.peak_mb, 1) for c in (store, incremental)}}
    finally:
        progress.close()
        hand.stop()


def replica(source, target, begin, end, threads, limit_s):
    """Seconds; None: more than limit_s."""
    target.sql(f"SET GLOBAL gtid_slave_pos='{begin}'", f"SET GLOBAL slave_parallel_threads={threads}",
               "SET GLOBAL slave_parallel_mode='optimistic'",
               f"CHANGE MASTER TO master_host='127.0.0.1', master_port={source.port}, master_user='oms', "
               f"master_password='oms-password', master_use_gtid=slave_pos")
    began = time.monotonic()
    target.sql("START SLAVE")
    late = target.one(f"SELECT MASTER_GTID_WAIT('{end}', {limit_s:.1f})") != 0
    took = time.monotonic() - began
    target.sql("STOP SLAVE")
    return None if late else took


def on_copy(work, source, base, name, load, options, run):
    """(what run(target) gives, CPU seconds of source and target), with both sides equal at the end if it is not None."""
    target = lab.server(work.scratch(name), "target", 2, options).copy_of(base).start()
    try:
        lab.settle()
        cpu = [s.cpu_s() for s in (source, target)]
        out = run(target)
        cpu = [round(s.cpu_s() - c, 2) for s, c in zip((source, target), cpu)]
        if out is not None:
            equal_tables(source, target, load.tables)
        return out, cpu
    finally:
        target.stop()
        shutil.rmtree(work.scratch(name))


def replicas(work, source, base, name, load, options, begin, end, threads):
    """{threads: (seconds, CPU seconds)} of those that were not far slower than the best, which comes first."""
    out, limit_s = {}, 600
    for t in threads:
        took, cpu = on_copy(work, source, base, f"{name}-native{t}", load, options,
                            lambda target, t=t: replica(source, target, begin, end, t, limit_s))
        if took is not None:
            out[t], limit_s = (took, cpu), min(limit_s, TOO_SLOW * took)
    if not out:
        raise RuntimeError("no replica reached the end of the backlog")
    return dict(sorted(out.items(), key=lambda item: item[1][0]))


def backlog(work, base, load, name, n_runs, options=(), unit="trx", threads=THREADS):
    """Measures one backlog; its runs."""
    base_source, base_target, begin = base
    runs = []
    source = lab.server(work.scratch(name), "source", 1).copy_of(base_source).start()
    try:
        source.sql("SET GLOBAL innodb_flush_log_at_trx_commit=0")  # only while the backlog is made
        load.change(work, source)
        source.sql("SET GLOBAL innodb_flush_log_at_trx_commit=1")
        end = source.gtid()
        n_trx = sequence(end)[1] - sequence(begin)[1]
        n_units = n_trx if unit == "trx" else n_trx * load.rows
        for n in range(n_runs):
            tag = f"{name}-{n}"

            def us(tag=tag):
                return on_copy(work, source, base_target, tag, load, options,
                               lambda t: ours(work, tag + "-hand", load, source, t, begin, end))

            def them(tag=tag, threads=threads):
                return replicas(work, source, base_target, tag, load, options, begin, end, threads)
            if n % 2 == 0:
                (a, facts), a_cpu = us()
                peers = them()
            else:
                peers = them()
                (a, facts), a_cpu = us()
            threads = list(peers)[:2]
            b, b_cpu = peers[threads[0]]
            runs.append((n_units / a, n_units / b, {
                "ours_s": round(a, 2), "peer_s": {str(t): round(p[0], 2) for t, p in peers.items()}, **facts,
                "source_target_cpu_s": {"ours": a_cpu, "peer": b_cpu}}))
            work.say(f"{name}, run {n + 1}: {n_trx} trx: ours {a:.2f} s, replication "
                     f"{', '.join(f'{t} threads {p[0]:.2f} s' for t, p in peers.items())}; target's CPU {a_cpu[1]:.1f} / "
                     f"{b_cpu[1]:.1f} s; ours {facts['ours_cpu_s']} s, peak {facts['ours_peak_mb']} MB")
    finally:
        source.stop()
        shutil.rmtree(work.scratch(name))
    return runs


PEER = "best of MariaDB's 0, 4, 8 optimistic threads"


def measure_oltp(work):
    base = prepare(work, Oltp(""))
    runs = backlog(work, base, Oltp("special"), "hot", work.runs)
    yield ("apply-oltp", "trx/s", "higher", 2.2, PEER, runs)
    # Keys spread evenly, for comparison: nothing is demanded of it, and one replica is enough.
    best = int(next(iter(runs[-1][2]["peer_s"])))
    yield ("apply-oltp-uniform", "trx/s", "higher", 0, f"MariaDB's {best} optimistic threads",
           backlog(work, base, Oltp("uniform"), "uniform", (work.runs + 2) // 3, threads=(best,)))


def measure_durable(work):
    base = prepare(work, Oltp(""))
    yield ("apply-oltp-durable", "trx/s", "higher", 3, PEER, backlog(work, base, Oltp("special"), "durable", work.runs, DURABLE))


def measure_bulk(work):
    base = prepare(work, Bulk())
    yield ("apply-bulk", "rows/s", "higher", 0.6, PEER, backlog(work, base, Bulk(), "bulk", work.runs, unit="rows"))
