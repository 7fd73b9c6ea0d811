"""rss: the most memory a component takes on the demo's load. rss-bench: under all works of the run.
idle: what an installation without projects costs.
"""
import os
import shutil
import subprocess
import time

import apply
import lab
from byhand import PEAKS_MB, Hand, equal_tables
from omslab import client, poll, shop

ROWS, PER_SECOND, LOAD_SECONDS = 1_000_000, 200, 10
RSS_LIMIT_MB, RSS_BENCH_LIMIT_MB, IDLE_LIMIT_PERCENT = 64, 128, 1


def _watch(components, seconds):
    """Looks at the components for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for c in components:
            c.look()
        poll.pause(0.05)


def _one_migration(work, n, source, target):
    """The demo's life under load; {component: peak MB}."""
    hand = Hand(work.scratch(f"hand-{n}"), source, target, ["shop"], work.bin)
    load = None
    try:
        hand.task("schema")
        load = shop.Load(source, per_second=PER_SECOND).start()
        store = hand.store()
        full = hand.start("full-import", "full", {"full": {"workers": 2}})
        poll.until(lambda: [c.look() for c in (store, full)][1] is not None, 600, "the end of the copy", every_s=0.02)
        incremental = hand.incremental(store)
        _watch([store, incremental], LOAD_SECONDS)
        verification = hand.verification()
        _watch([store, incremental, verification], LOAD_SECONDS)
        load.stop()
        load = None
        poll.until(lambda: all(source.count(f"shop.{t}") == target.count(f"shop.{t}") for t in shop.TABLES) and
                   all(source.checksum(f"shop.{t}") == target.checksum(f"shop.{t}") for t in shop.TABLES),
                   120, "both sides to be equal", every_s=0.5)
        _watch([store, incremental, verification], 1)
        equal_tables(source, target, [f"shop.{t}" for t in shop.TABLES])
        return {c.name: round(c.peak_mb, 1) for c in (store, full, incremental, verification)}
    finally:
        if load:
            load.stop()
        hand.stop()


def measure_rss(work):
    source = lab.server(work.scratch("a"), "source", 1).create().start()
    runs = []
    try:
        source.add_user()
        shop.fill(source, rows=work.scaled(ROWS))
        for n in range(work.runs):
            target = lab.server(work.scratch(f"target-{n}"), "target", 2).create().start()
            try:
                target.add_user()
                peaks = _one_migration(work, n, source, target)
            finally:
                target.stop()
                shutil.rmtree(work.scratch(f"target-{n}"))
            work.say(f"run {n + 1}: peaks {peaks} MB")
            runs.append((max(peaks.values()), RSS_LIMIT_MB, {"peaks_mb": peaks}))
    finally:
        source.stop()
    yield ("rss", "MB", "lower", 1, "limit", runs)


def _backlogs(work):
    """Ours alone, on the backlogs that fill every queue: for a run that measured nothing else."""
    for load in (apply.Oltp("special"), apply.Bulk()):
        name = type(load).__name__.lower()
        source, base, begin = apply.prepare(work, load)
        source.start()
        try:
            load.change(work, source)
            end = source.gtid()
            apply.on_copy(work, source, base, name, load, (),
                          lambda t: apply.ours(work, name + "-hand", load, source, t, begin, end))
        finally:
            source.stop()
            shutil.rmtree(work.scratch("base"))
            shutil.rmtree(work.scratch("base-hand"))


def measure_rss_bench(work):
    if not PEAKS_MB:
        _backlogs(work)
    peaks = {name: round(mb, 1) for name, mb in sorted(PEAKS_MB.items())}
    work.say(f"peaks over all works: {peaks} MB")
    yield ("rss-bench", "MB", "lower", 1, "limit", [(max(peaks.values()), RSS_BENCH_LIMIT_MB, {"peaks_mb": peaks})])


# --- idle -----------------------------------------------------------------------------------------

def _processes():
    """{pid: (parent, CPU s, name, command line)} of everything that runs."""
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read().decode(errors="replace")
        except OSError:
            continue  # ended meanwhile
        fields = rest.split()
        out[int(pid)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / 100, name, line)
    return out


def _of_installation(directory):
    """{pid: (CPU s, name)} of the processes that name the directory, and of their children."""
    all_of_them = _processes()
    mine = {p for p, (_, _, _, line) in all_of_them.items() if directory in line and p != os.getpid()}
    while True:
        more = {p for p, (parent, _, _, _) in all_of_them.items() if parent in mine} - mine
        if not more:
            return {p: (all_of_them[p][1], all_of_them[p][2]) for p in mine}
        mine |= more


def measure_idle(work):
    directory = work.scratch("installation")
    oms = client.Oms(directory, work.bin)
    try:
        oms.up()
        oms.json("component", "list")
    except (client.Failed, OSError, subprocess.TimeoutExpired, ValueError) as e:
        oms.down(check=False)
        raise work.skip(f"'oms up' does not give an installation here: {e}") from e
    runs = []
    try:
        poll.pause(2)  # starting is not idling
        for n in range(work.runs):
            before, began = _of_installation(directory), time.monotonic()
            poll.pause(work.idle_seconds)
            after, took = _of_installation(directory), time.monotonic() - began
            if not before or not set(before) & set(after):
                raise RuntimeError("the installation's processes ended while it was measured")
            percent = {}
            for pid, (cpu, name) in after.items():
                used = (cpu - before.get(pid, (0, name))[0]) / took * 100
                percent[name] = round(percent.get(name, 0) + used, 3)
            total = sum(percent.values())
            work.say(f"run {n + 1}: {total:.2f} % of one core in {took:.0f} s: {percent}")
            runs.append((total, IDLE_LIMIT_PERCENT, {"percent": percent, "processes": len(after)}))
    finally:
        oms.down()
    yield ("idle", "% of a core", "lower", 1, "limit", runs)
