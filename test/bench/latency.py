"""latency-p50, latency-p99: from the answer to a commit on the source until a reader of the target sees the row.

A probe inserts one row at a time at a fixed rate, whatever became of the one before; a reader on the target asks for the
next row it misses about every half millisecond while one is on its way, so that figures are up to that much too high. The
demand is on 100 probes a second alone. Figures under load (half the rate of single-row inserts by sysbench that source,
Store and Incr-Sync sustain together, beside the same probes) are printed without a demand.
"""
import shutil
import subprocess
import threading
import time

import lab
from byhand import Hand
from omslab import poll

PER_SECOND, SECONDS, WARM_UP_SECONDS = 100, 15, 3
P50_LIMIT_MS, P99_LIMIT_MS = 5, 25
LOAD_SECONDS = 8


class Probe:
    """Inserts rows into lat.probe of the source and watches them arrive."""

    def __init__(self, source, target):
        self.writer, self.reader = source.connect(), target.connect()
        self.committed, self.seen, self.error = {}, {}, None  # id -> monotonic seconds
        self.next_id = 1

    def close(self):
        self.writer.close()
        self.reader.close()

    def _write(self, last, every_s):
        try:
            with self.writer.cursor() as c:
                due = time.monotonic()
                for i in range(self.next_id, last + 1):
                    poll.pause(due - time.monotonic())
                    c.execute("INSERT INTO lat.probe VALUES (%s, 0)", (i,))
                    self.committed[i] = time.monotonic()
                    due += every_s
        except Exception as e:  # shown by run()
            self.error = e

    def run(self, seconds, per_second):
        """Milliseconds of each probe."""
        first, last = self.next_id, self.next_id + int(seconds * per_second) - 1
        thread = threading.Thread(target=self._write, args=(last, 1 / per_second))
        thread.start()
        deadline = time.monotonic() + seconds + 60
        with self.reader.cursor() as c:
            for i in range(first, last + 1):
                while i not in self.committed and not self.error:
                    poll.pause(0.0005)
                while i not in self.seen and not self.error:
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"probe {i} did not arrive")
                    self._look(c, i, last)
        thread.join()
        if self.error:
            raise self.error
        self.next_id = last + 1
        return sorted(max(0.0, (self.seen[i] - self.committed[i]) * 1000) for i in range(first, last + 1))

    def _look(self, cursor, first, last):
        cursor.execute("SELECT id FROM lat.probe WHERE id BETWEEN %s AND %s", (first, last))
        rows, now = cursor.fetchall(), time.monotonic()
        for (i,) in rows:
            self.seen.setdefault(i, now)
        if not rows:
            poll.pause(0.0003)


def percentile(sorted_values, p):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * p / 100))]


def load_sustained(source, target):
    """Rows a second that sysbench's 4 threads write and that have arrived, waiting for the last included."""
    before, began = source.count("sb.sbtest1"), time.monotonic()
    load_process(source, LOAD_SECONDS // 2, 0).wait()
    want = source.count("sb.sbtest1")
    poll.until(lambda: target.count("sb.sbtest1") == want, 120, "the load on the target", every_s=0.05)
    return (want - before) / (time.monotonic() - began)


def load_process(source, seconds, rate):
    return subprocess.Popen(["sysbench", "--db-driver=mysql", f"--mysql-socket={source.socket}", "--mysql-user=root",
                             "--mysql-db=sb", "--tables=1", "--table-size=1000", "--threads=4", f"--time={seconds}", "--events=0",
                             f"--rate={rate}", "oltp_insert", "run"], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)


def under_load(work, probe, source, target):
    rate = load_sustained(source, target) / 2
    load = load_process(source, LOAD_SECONDS, int(rate))
    try:
        ms = probe.run(LOAD_SECONDS - 2, PER_SECOND)
    finally:
        load.wait()
    facts = {"inserts_per_s": int(rate), "p50_ms": round(percentile(ms, 50), 2), "p99_ms": round(percentile(ms, 99), 2),
             "max_ms": round(ms[-1], 1)}
    work.say(f"under load, half of what is sustained: {facts}")
    return facts


def one_run(work, n, source):
    target = lab.server(work.scratch(f"target-{n}"), "target", 2).create().start()
    target.add_user()
    hand = Hand(work.scratch(f"hand-{n}"), source, target, ["lat", "sb"], work.bin)
    probe = None
    try:
        hand.task("schema")
        store = hand.store()
        hand.full().wait(120)
        incremental = hand.incremental(store, **work.incremental)
        probe = Probe(source, target)
        source.sql("DELETE FROM lat.probe")
        probe.run(WARM_UP_SECONDS, PER_SECOND)  # a freshly made server has its own hiccups
        ms = probe.run(SECONDS * work.scale, PER_SECOND)
        facts = {"p50_ms": round(percentile(ms, 50), 2), "p99_ms": round(percentile(ms, 99), 2), "max_ms": round(ms[-1], 1)}
        work.say(f"run {n + 1}: {len(ms)} probes: {facts}")
        loaded = under_load(work, probe, source, target) if n == 0 else None
        for c in (store, incremental):
            c.look()
        return ms, {**facts, **({"under_load": loaded} if loaded else {})}
    finally:
        if probe:
            probe.close()
        hand.stop()
        target.stop()
        shutil.rmtree(work.scratch(f"target-{n}"))


def measure(work):
    source = lab.server(work.scratch("a"), "source", 1).create().start()
    try:
        source.add_user()
        lab.sysbench_prepare(source, 1, 1000)
        source.sql("CREATE DATABASE lat", "CREATE TABLE lat.probe (id BIGINT PRIMARY KEY, v INT NOT NULL) ENGINE=InnoDB")
        runs = [one_run(work, n, source) for n in range(work.runs)]
    finally:
        source.stop()
    for p, limit in ((50, P50_LIMIT_MS), (99, P99_LIMIT_MS)):
        yield (f"latency-p{p}", "ms", "lower", 1, "limit", [(percentile(ms, p), limit, facts) for ms, facts in runs])
