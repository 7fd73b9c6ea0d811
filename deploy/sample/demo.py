#!/usr/bin/python3
"""The main job, shown: a live database moves, processes are killed, and both servers prove the result.

Usage: demo.py [--keep] [--rows N] [--dir DIR]     (make demo [KEEP=1] [ROWS=N])
Exits 0 only if every table is equal by the servers' own COUNT and CHECKSUM TABLE and by our verdict.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from omslab import poll, shop  # noqa: E402
from omslab.client import Failed, Oms  # noqa: E402
from omslab.servers import MariaDB  # noqa: E402

PROJECT = """name: shop-move
source: shop
target: shop-new
objects:
  include: ["shop.*"]
  rename:
    - {from: shop, to: store}
full:
  workers: 2
"""
TTY = sys.stdout.isatty()
BEGAN = time.monotonic()


def say(text=""):
    if TTY:
        sys.stdout.write("\r\033[K")
    print(f"[{time.monotonic() - BEGAN:6.1f} s] {text}", flush=True)


def bar(done, total, width=24):
    part = 0 if not total else min(1.0, done / total)
    full = int(part * width)
    return "█" * full + "·" * (width - full) + f" {part * 100:5.1f}%"


def number(n):
    return f"{n:,.0f}".replace(",", " ")


class Show:
    """The steps of the project, one line each time something changed; a live line on a terminal."""

    def __init__(self):
        self.last = {}
        self.at = 0

    def step(self, view):
        for s in view["steps"]:
            if s["state"] != self.last.get(s["name"]) and s["state"] != "pending":
                say(f"step {s['name']:<13} {s['state']}")
            self.last[s["name"]] = s["state"]
        now = time.monotonic()
        if now - self.at < (0.2 if TTY else 5):
            return
        self.at = now
        running = [s for s in view["steps"] if s["state"] == "running"]
        text = []
        for s in running:
            rate, mb = s.get("rate") or 0, (s.get("bytes_rate") or 0) / 1e6
            eta = s.get("eta_s", -1)
            part = f"{s['name']} "
            if s.get("total"):
                part += bar(s.get("done") or 0, s["total"]) + " "
            if rate:
                part += f"{number(rate)} {s.get('unit') or 'rows'}/s "
            if mb >= 0.1:
                part += f"{mb:.1f} MB/s "
            if eta is not None and eta >= 0 and s["name"] in ("full", "verification"):
                part += f"{eta} s left"
            text.append(part.strip())
        lag = view.get("lag_ms")
        if any(s["name"] == "incremental" for s in running):
            text.append("lag unknown" if lag is None else f"lag {lag} ms")
        line = "  " + " | ".join(text)
        if TTY:
            columns = shutil.get_terminal_size((120, 24)).columns
            sys.stdout.write("\r\033[K" + line[:columns - 1])
            sys.stdout.flush()
        elif text:
            say(line.strip())


class Demo:
    def __init__(self, a):
        self.rows, self.keep = a.rows, a.keep
        self.dir = os.path.abspath(a.dir) if a.dir else tempfile.mkdtemp(prefix="oms-demo-")
        os.makedirs(self.dir, exist_ok=True)
        os.chmod(self.dir, 0o755)
        self.oms = Oms(self.dir)
        self.source = MariaDB(self.dir, "source", 1)
        self.target = MariaDB(self.dir, "target", 2)
        self.load = None
        self.show = Show()

    def wait(self, condition, timeout_s, what):
        def look():
            try:
                view = self.oms.show("shop-move")
            except (Failed, subprocess.TimeoutExpired):
                return None
            self.show.step(view)
            if view["state"] == "failed":
                raise SystemExit(f"the project failed: {view.get('error')}")
            return view if condition(view) else None
        return poll.until(look, timeout_s, what, every_s=0.2)

    def state(self, view, step):
        return (self.oms.step(view, step) or {}).get("state")

    def applied(self):
        """Rows on the target by its own counting of statements: inserted, updated, deleted."""
        rows = self.target.sql("SHOW GLOBAL STATUS WHERE variable_name IN "
                               "('Handler_write','Handler_update','Handler_delete')")
        return sum(int(v) for _, v in rows)

    def kill(self, name, pid):
        before = self.applied()
        os.kill(pid, signal.SIGKILL)
        say(f"kill -9 {name} (pid {pid}); rows written on the target so far: {number(before)}")
        return before

    def supervisor_pid(self):
        with open(os.path.join(self.dir, "var", "supervisor", "pid")) as f:
            return int(f.read().split()[0])

    def kill_component(self, component):
        pid = poll.until(lambda: self.oms.pid(component), 30, f"{component} to run")
        before = self.kill(component, pid)
        poll.until(lambda: self.oms.pid(component) not in (0, pid), 60, f"{component} to come back", every_s=0.1)
        poll.until(lambda: self.applied() > before, 60, "rows to flow again")
        say(f"  {component} is back (pid {self.oms.pid(component)}); rows written since: {number(self.applied() - before)}")

    def kill_supervisor(self):
        before = self.kill("oms-supervisor", self.supervisor_pid())
        self.oms.up()
        poll.until(lambda: self.applied() > before, 60, "rows to flow again")
        say(f"  oms-supervisor is back (pid {self.supervisor_pid()}); rows written since: {number(self.applied() - before)}")

    def prepare(self):
        say("starting the installation: MetaDB, cluster manager, supervisor (oms up)")
        self.oms.up()
        say("starting two private MariaDB servers")
        for s in (self.source, self.target):
            s.create().start()
            s.add_user()
        say(f"loading the shop: {number(self.rows)} rows")
        total = shop.fill(self.source, rows=self.rows)
        say(f"  {number(total)} rows in {len(shop.TABLES)} tables")
        self.load = shop.Load(self.source, per_second=150).start()
        say("writes run against the source from now on: inserts, updates, deletes, key changes, transfers")

    def migrate(self):
        self.oms.add_datasource("shop", self.source)
        self.oms.add_datasource("shop-new", self.target)
        self.oms.create_project("shop-move", PROJECT)
        self.oms.run("project", "start", "shop-move")
        say("project 'shop-move' is started")
        half = (lambda v: (self.oms.step(v, "full") or {}).get("done", 0) > self.rows * 0.15)
        self.wait(lambda v: half(v) or self.state(v, "full") == "done", 120, "rows to be copied")
        self.kill_component("shop-move.store")
        self.kill_supervisor()
        self.wait(lambda v: self.state(v, "full") == "done", 240, "the copy")
        self.wait(lambda v: self.state(v, "incremental") == "running", 60, "incremental")
        self.kill_component("shop-move.incremental")
        self.kill_component("shop-move.store")
        self.kill_supervisor()
        self.wait(lambda v: v["caught_up"], 120, "the target to catch up")
        say("caught up")

    def verdicts(self, what, strict):
        view = self.wait(lambda v: self.state(v, "verification") == "done", 180, "verification")
        say(f"verification {what}:")
        verdicts = {t["name"]: t for t in view["tables"]}
        for name in sorted(verdicts):
            t = verdicts[name]
            say(f"  {name:<18} {t['verification']:<10} {t.get('detail') or ''}")
        bad = [n for n, t in verdicts.items() if t["verification"] not in (("equal",) if strict else ("equal", "moving"))]
        if bad or len(verdicts) != len(shop.TABLES):
            raise SystemExit(f"verification found differences in {', '.join(bad) or 'the list of tables'}")
        return verdicts

    def finish(self):
        self.load.stop()
        end = self.source.gtid()
        say(f"writes stopped after {number(self.load.transactions)} transactions, {number(self.load.rows)} row changes; "
            f"source at {end}")
        self.wait(lambda v: contains(v.get("position") or "", end), 120, "the target to contain the source's position")
        say("the target contains the source's position")
        self.oms.run("verify", "start", "shop-move")
        self.wait(lambda v: self.state(v, "verification") == "running", 60, "verification to begin again")
        return self.verdicts("after the writes stopped", strict=True)

    def proof(self, verdicts):
        say("proof: the servers' own COUNT and CHECKSUM TABLE, source and target, beside our verdict")
        say(f"  {'table':<12} {'rows':>10} {'rows':>10} {'checksum':>12} {'checksum':>12}  servers  verdict")
        equal = True
        for t in shop.TABLES:
            a = (self.source.count(f"shop.{t}"), self.source.checksum(f"shop.{t}"))
            b = (self.target.count(f"store.{t}"), self.target.checksum(f"store.{t}"))
            verdict = verdicts[f"shop.{t}"]["verification"]
            equal &= a == b and verdict == "equal"
            say(f"  {t:<12} {a[0]:>10} {b[0]:>10} {a[1]:>12} {b[1]:>12}  {'equal' if a == b else 'DIFFER':<7}  {verdict}")
        sums = shop.money(self.source, "shop"), shop.money(self.target, "store")
        say(f"  sum of all money: source {sums[0]}, target {sums[1]}, must be {shop.SUM}")
        return equal and sums == (shop.SUM, shop.SUM)

    def run(self):
        self.prepare()
        self.migrate()
        self.verdicts("under load", strict=False)
        verdicts = self.finish()
        equal = self.proof(verdicts)
        say("everything is equal" if equal else "NOT EQUAL")
        return 0 if equal else 1

    def clean(self):
        if self.keep:
            self.look_around()
            return
        if self.load:
            self.load.stop_now.set()
        self.oms.down(check=False)
        for s in (self.source, self.target):
            s.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def look_around(self):
        oms = f"XDG_STATE_HOME={self.dir}/state-home {self.oms.bin}/oms"
        print(f"""
Everything stays up. Look around:
  {oms} project show shop-move
  {oms} component list
  {oms} component logs shop-move.incremental -f
  {oms} verify show shop-move
  {oms} events
  mariadb -uroot -S {self.source.socket} shop      (the source)
  mariadb -uroot -S {self.target.socket} store     (the target)
Take it down:
  {oms} down --dir {self.dir}/var; kill {self.source.process.pid if self.source.process else ''} \
{self.target.process.pid if self.target.process else ''}; rm -rf {self.dir}""")


def contains(position, gtid):
    """Is the MariaDB GTID state inside the target's set ("mariadb:1=1-100;...")?"""
    have = {}
    for part in position.split(";"):
        origin, _, intervals = part.strip().partition("=")
        for i in filter(None, intervals.split(",")):
            first, _, last = i.partition("-")
            have.setdefault(origin.strip(), []).append((int(first), int(last or first)))
    for g in filter(None, gtid.split(",")):
        domain, _, seq = g.strip().split("-")
        spans = sorted(have.get(f"mariadb:{domain}", []))
        if not spans or spans[0][0] > 1 or spans[0][1] < int(seq):
            return False
    return True


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--keep", action="store_true", help="leave everything up at the end")
    ap.add_argument("--rows", type=int, default=1_000_000)
    ap.add_argument("--dir", help="where everything lives (default: a temporary directory)")
    demo = Demo(ap.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    code = 1
    try:
        code = demo.run()
    except KeyboardInterrupt:
        say("interrupted: taking everything down")
        demo.keep = False
        code = 130
    except (SystemExit, TimeoutError, RuntimeError, Failed) as e:
        say(f"failed: {e}")
        code = 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        demo.clean()
        threading.excepthook = lambda *_: None
    return code


if __name__ == "__main__":
    sys.exit(main())
