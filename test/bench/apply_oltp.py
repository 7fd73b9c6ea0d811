"""apply-oltp: a backlog of small transactions brought to a target, beside MariaDB's own replication.

Both begin from the same stopped copy of a target that holds the tables as they were before the backlog, and read the
backlog from the source's log. Ours is `oms-store` (pulling from the copy's position) and `oms-incr-sync`; the clock runs
from their start to the commit of the last transaction. The peer is a replica with default settings (no parallel
threads): START SLAVE to MASTER_GTID_WAIT. The target logs, flush_log=1, sync_binlog=0.
"""
import shutil
import time

import lab
from byhand import Hand, Progress, equal_tables
from omslab import poll

TABLES, ROWS, TRANSACTIONS = 4, 200_000, 60_000
NAMES = [f"sb.sbtest{i + 1}" for i in range(TABLES)]


def sequence(gtid):
    """("mariadb:1", 42) of "1-1-42"; the source writes in one domain only."""
    domain, _, seq = gtid.split("-")
    return f"mariadb:{domain}", int(seq)


def prepare(work):
    """A source and a target after the full step, both stopped, and the GTID at which they are equal."""
    source = lab.server(work.scratch("base"), "source", 1).create().start()
    target = lab.server(work.scratch("base"), "target", 2).create().start()
    hand = Hand(work.scratch("base-hand"), source, target, ["sb"], work.bin)
    try:
        for s in (source, target):
            s.add_user()
        lab.sysbench_prepare(source, TABLES, work.scaled(ROWS))
        hand.task("schema")
        hand.full().wait(600)
        equal_tables(source, target, NAMES)
        gtid = source.gtid()
        target.sql("RESET MASTER")
    finally:
        hand.stop()
        source.stop()
        target.stop()
    return source, target, gtid


def ours(work, name, source, target, begin, end):
    origin, first = sequence(begin)
    hand = Hand(work.scratch(name), source, target, ["sb"], work.bin)
    progress = Progress(target, origin, sequence(end)[1])
    try:
        began = time.monotonic()
        store = hand.store(begin=f"{origin}=1-{first}")
        incremental = hand.incremental(store)

        def done():
            store.look()
            incremental.look()
            return progress.reached()
        poll.until(done, 600, "the last transaction on the target", every_s=0.01)
        took = time.monotonic() - began
        return took, {"ours_cpu_s": {c.name: round(c.cpu_s(), 2) for c in (store, incremental)},
                      "ours_peak_mb": {c.name: round(c.peak_mb, 1) for c in (store, incremental)}}
    finally:
        progress.close()
        hand.stop()


def peer(source, target, begin, end):
    target.sql(f"SET GLOBAL gtid_slave_pos='{begin}'",
               f"CHANGE MASTER TO master_host='127.0.0.1', master_port={source.port}, master_user='oms', "
               f"master_password='oms-password', master_use_gtid=slave_pos")
    began = time.monotonic()
    target.sql("START SLAVE")
    if target.one(f"SELECT MASTER_GTID_WAIT('{end}', 600)") != 0:
        raise RuntimeError("the replica did not reach the end of the backlog")
    took = time.monotonic() - began
    target.sql("STOP SLAVE")
    return took


def on_copy(work, source, base, name, apply):
    target = lab.server(work.scratch(name), "target", 2).copy_of(base).start()
    try:
        cpu = [s.cpu_s() for s in (source, target)]
        out = apply(target)
        cpu = [round(s.cpu_s() - c, 2) for s, c in zip((source, target), cpu)]
        equal_tables(source, target, NAMES)
        return out, cpu
    finally:
        target.stop()
        shutil.rmtree(work.scratch(name))


def backlog(work, base, rand_type, n_runs):
    """Measures one backlog; its runs."""
    base_source, base_target, begin = base
    n_trx, runs = work.scaled(TRANSACTIONS), []
    source = lab.server(work.scratch(rand_type), "source", 1).copy_of(base_source).start()
    try:
        lab.sysbench_write(source, TABLES, work.scaled(ROWS), n_trx, rand_type)
        end = source.gtid()
        trx = sequence(end)[1] - sequence(begin)[1]
        for n in range(n_runs):
            name = f"{rand_type}-{n}"
            (a, facts), a_cpu = on_copy(work, source, base_target, name,
                                        lambda t, name=name: ours(work, name + "-hand", source, t, begin, end))
            b, b_cpu = on_copy(work, source, base_target, name, lambda t: peer(source, t, begin, end))
            runs.append((trx / a, trx / b, {"ours_s": round(a, 2), "peer_s": round(b, 2), **facts,
                                            "source_target_cpu_s": {"ours": a_cpu, "peer": b_cpu}}))
            work.say(f"{rand_type} keys, run {n + 1}: {trx} trx: ours {a:.2f} s, replication {b:.2f} s; target's CPU "
                     f"{a_cpu[1]:.1f} / {b_cpu[1]:.1f} s; ours {facts['ours_cpu_s']} s, peak {facts['ours_peak_mb']} MB")
    finally:
        source.stop()
        shutil.rmtree(work.scratch(rand_type))
    return runs


def measure(work):
    base = prepare(work)
    yield ("apply-oltp", "trx/s", "higher", 1, "MariaDB replication", backlog(work, base, "special", work.runs))
    # Keys spread evenly, for comparison: nothing is demanded of it.
    yield ("apply-oltp-uniform", "trx/s", "higher", 0, "MariaDB replication", backlog(work, base, "uniform", (work.runs + 2) // 3))
