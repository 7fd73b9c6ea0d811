"""One run of chaos: a random workload is copied and followed while everything dies at random; at the end both sides are equal.

Everything that is decided here is decided by the seed: schema, statements, faults and their order. Their moments are not.
"""
import os
import random
import signal
import threading

from changes import WITHIN_COPY
from hand import Broken, Hand
from sides import check_model, definitions, differences, torn
from wire import Wires
from work import Work

from omslab import poll
from omslab.servers import MariaDB

SMALL = ["--innodb-buffer-pool-size=128M", "--sync-binlog=1"]
LOG = {"mariadb": ["--innodb-log-file-size=64M"], "mysql": []}


class Watch(threading.Thread):
    """Reads the target all the time, each time in one snapshot; what it finds wrong is kept."""

    def __init__(self, target, db, strict=False):
        super().__init__(daemon=True)
        self.strict = strict
        self.target, self.db, self.floor, self.looks, self.error, self.done = target, db, {}, 0, None, threading.Event()

    def run(self):
        while not self.done.wait(0.05):
            try:
                self.floor = torn(self.target, self.db, self.floor, self.strict)
                self.looks += 1
            except AssertionError as e:
                self.error = e
                return
            except Exception:  # the target is being killed: nothing can be said of it
                if self.target.process.poll() is None and not self.target.restarting:
                    continue


def started(directory, name, number, server_class):
    s = server_class(directory, name, number, SMALL + LOG[server_class.kind])
    s.restarting = False
    s.create().start()
    s.add_user()
    return s


class Servers:
    """Source and target for many runs: each run has its own databases and its own oms_meta."""

    def __init__(self, directory, source_class=MariaDB, target_class=MariaDB):
        self.dir = directory
        self.source = started(directory, "source", 1, source_class)
        self.target = started(directory, "target", 2, target_class)

    @classmethod
    def of(cls, directory, source, target):
        """Of servers that somebody else stops."""
        s = cls.__new__(cls)
        s.dir, s.source, s.target = directory, source, target
        return s

    def restart(self, server):
        server.restarting = True
        server.kill()
        server.start(120)
        server.restarting = False

    def stop(self):
        self.source.stop()
        self.target.stop()


class Chaos:
    def __init__(self, servers, seed, work=None, faults=None, say=print, consistency=None):
        self.consistency = consistency
        self.servers, self.seed, self.say = servers, seed, say
        self.source, self.target = servers.source, servers.target
        self.rnd = random.Random(seed)
        self.dir = os.path.join(servers.dir, f"run-{seed}")
        self.db, self.to = f"s{seed}", f"d{seed}"
        self.work = Work(self.source, self.db, seed, **{"switches": ["cascade", "xa"] if self.source.kind == "mariadb" else [], **(work or {})})
        self.names = faults or list(self.FAULTS)
        self.counts = {}

    # --- faults -----------------------------------------------------------------------------------
    def kill_store(self):
        self.hand.store.kill()

    def kill_incremental(self):
        (self.hand.incremental if self.hand.incremental.wanted else self.hand.full).kill()

    def kill_both(self):
        self.kill_store()
        self.kill_incremental()

    def kill_target(self):
        self.servers.restart(self.target)

    def kill_source(self):
        if self.source.kind != "mysql":
            return self.servers.restart(self.source)
        with self.work.changes.still():  # MySQL 9.7 itself loses the file of a table whose name it was changing
            self.servers.restart(self.source)

    def _some_wire(self):
        return self.rnd.choice([self.hand.to_source, self.hand.to_target, self.hand.to_store])

    def cut(self):
        self._some_wire().cut(self.rnd.choice([0.5, 1.0]), self.rnd.random())

    def freeze(self):
        """A way on which nothing moves for a while, and that then goes on or is cut."""
        w = self._some_wire()
        w.freeze()
        poll.pause(self.rnd.uniform(0.1, 2.5))
        if self.rnd.random() < 0.5:
            w.cut()
        w.thaw()

    def lose_commits(self):
        for _ in range(self.rnd.randint(1, 3)):
            self.hand.to_target.lose_commit(self.rnd.choice(["after", "after", "before"]))
            before = self.hand.to_target.cuts
            try:
                self.hand.until(lambda: self.hand.to_target.cuts > before, 8, "a COMMIT to lose")
            except TimeoutError:
                return

    def zombie(self):
        """A component that sleeps and wakes as if nothing had been."""
        part = self.rnd.choice([p for p in self.hand.parts if p.wanted])
        part.kill(signal.SIGSTOP)
        poll.pause(self.rnd.uniform(0.1, 3))
        part.kill(signal.SIGCONT)

    def second(self):
        """Another Incr-Sync with the same specification; the first sleeps in the middle of its work, or goes on."""
        if not self.hand.incremental.wanted:
            return
        first, asleep = self.hand.incremental, self.rnd.random() < 0.5
        other = self.hand.reader("second", **{k: first.fixed[k] for k in ("incremental", "ddl") if k in first.fixed})
        if asleep:
            first.kill(signal.SIGSTOP)
        other.start()
        self.hand.parts.append(other)
        try:
            self.hand.until(lambda: other.said("incr_sync.connected") or other.fenced, 150, "the second Incr-Sync to begin")
            poll.pause(self.rnd.uniform(0, 1))
            first.kill(signal.SIGCONT)
            self.hand.until(lambda: first.fenced or other.fenced or first.starts > 1, 150, "one of two to be fenced")
            other.stop()
        finally:
            self.hand.parts.remove(other)
            other.kill()
        first.fenced = 0

    def at_point(self):
        """A component begins anew and dies at a named place of its work, one of the next times it comes there."""
        part, points = self.rnd.choice([
            (self.hand.store, ["STORE_BEFORE_WRITE", "STORE_AFTER_WRITE", "STORE_AFTER_SYNC"]),
            (self.hand.incremental if self.hand.incremental.wanted else self.hand.full, ["TARGET_BEFORE_COMMIT", "TARGET_AFTER_COMMIT"])])
        point = f"{self.rnd.choice(points)}:{self.rnd.randint(1, 12)}"
        if part.wanted and part.process.poll() is None:
            part.kill()
            part.process.wait()
            part.start(fault=point)

    FAULTS = {"kill_store": kill_store, "kill_incremental": kill_incremental, "kill_both": kill_both, "kill_target": kill_target,
              "kill_source": kill_source, "cut": cut, "freeze": freeze, "lose_commits": lose_commits, "zombie": zombie,
              "second": second, "at_point": at_point}

    def fault(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1
        self.FAULTS[name](self)
        self.hand.keep()
        self.work.check()
        if self.watch and self.watch.error:
            raise self.watch.error

    # --- the run ----------------------------------------------------------------------------------
    def run(self, copy_faults=3, faults=10, pause=1.0):
        self.watch, wires = None, Wires()
        try:
            self._prepare(wires)
            self._copy(copy_faults)
            self._follow(faults, pause)
            self._end()
        except BaseException as e:
            raise AssertionError(f"OMS_SEED={self.seed}: faults {self.counts}, {self.work.committed} transactions: {e}\n"
                                 f"directory {self.dir}") from e
        finally:
            for t in self.work.threads + self.work.changers:
                t.done.set()
            if self.watch:
                self.watch.done.set()
            for p in getattr(self, "hand", None) and self.hand.parts or []:
                p.kill()
            wires.close()
        self._forget()
        self.say(f"seed {self.seed}: equal after {self.work.committed} transactions, {self.watch.looks} looks, faults {self.counts}"
                 + (f", DDL {self.work.changes.done}, refused {self.work.changes.refused}" if self.work.on("ddl") else ""))

    def _prepare(self, wires):
        self.target.sql("DROP DATABASE IF EXISTS oms_meta")
        self.work.create()
        self.hand = Hand(self.dir, self.source, self.target, self.db, self.to, wires)
        self.hand.incremental.fixed["incremental"] = {"slots": self.rnd.choice([1, 2, 4, 8]), "group": self.rnd.choice([1, 3, 50, 500]),
                                                      "consistency": self.rnd.choice(["by-keys", "by-keys", "strict"])}
        if self.work.on("ddl"):
            self.hand.incremental.fixed["ddl"] = {"sync": True}
        if self.consistency:
            self.hand.incremental.fixed["incremental"]["consistency"] = self.consistency
        self.hand.full.fixed["full"] = {"workers": self.rnd.choice([1, 2, 4]), "chunk_target_ms": self.rnd.choice([50, 500])}
        self.hand.task("schema")
        self.hand.store.start()
        self.hand.until(lambda: self.hand.store.said("store.connected"), 60, "the Store to connect")
        self.work.start()

    def _copy(self, faults):
        self.hand.full.start()
        if self.work.on("early"):  # DDL within the copy
            self.hand.until(self._listed, 60, "the copy to begin")
            self.work.change_tables(per_second=2, kinds=WITHIN_COPY)
            self.hand.person = True
        for name in [self.rnd.choice([n for n in self.names if n != "second"]) for _ in range(faults)]:
            self.hand.keep()
            poll.pause(self.rnd.uniform(0, 0.5))
            self.fault(name)
        with self.work.changes.still():  # a table that changes faster than it is copied never is
            self.hand.until(lambda: not self.hand.full.wanted, 120, "the copy to be done")

    def _listed(self):
        """What is dropped before the copy knows its tables is nobody's."""
        return "ddl" in [t for t, in self.target.sql("SELECT table_name FROM information_schema.tables WHERE table_schema='oms_meta'")] and \
            self.target.sql("SELECT 1 FROM oms_meta.ddl WHERE txid='tables listed'")

    def _follow(self, faults, pause):
        self.work.change_tables()
        self.hand.incremental.start()
        for name in [self.rnd.choice(self.names) for _ in range(faults // 4)]:  # before the consistent point, too
            poll.pause(self.rnd.uniform(0, 0.5))
            self.fault(name)
        consistent = []
        self.hand.until(lambda: consistent or self._consistent(consistent), 120, "the consistent point")
        self.watch = Watch(self.target, self.to, self.hand.incremental.fixed["incremental"]["consistency"] == "strict")
        self.watch.start()
        for name in [self.rnd.choice(self.names) for _ in range(faults)]:
            until = self.rnd.uniform(0, pause)
            poll.pause(until)
            self.fault(name)

    def _consistent(self, seen):
        with open(self.hand.incremental.out, errors="replace") as f:
            if "incr_sync.consistent" in f.read():
                seen.append(True)
        return seen

    def _end(self):
        self.work.stop()
        tables = self.work.names()
        self.hand.until(lambda: self._seqs(self.target, self.to) == self._seqs(self.source, self.db), 120, "the last transactions on the target")
        rest = []

        def equal():
            rest[:] = self._differences(tables)
            return not rest
        try:
            self.hand.until(equal, 20, "both sides to be equal")
        except TimeoutError as e:
            raise Broken("the sides differ:\n" + "\n".join(rest) + f"\n{str(e)[-1500:]}") from None
        self.hand.stop()
        self.watch.done.set()
        self.watch.join(10)
        if self.watch.error:
            raise self.watch.error
        rest = self._differences(tables)
        assert not rest, "\n".join(rest)
        check_model(self.work, self.source, self.db)
        check_model(self.work, self.target, self.to)

    def _differences(self, tables):
        shapes = definitions(self.source, self.db, self.target, self.to, tables) if self.work.on("ddl") else []
        return shapes or differences(self.source, self.db, self.target, self.to, tables)

    def _seqs(self, server, db):
        return sorted(server.sql(f"SELECT w, n FROM `{db}`.seqs"))

    def _forget(self):
        self.source.sql(f"DROP DATABASE `{self.db}`")
        self.target.sql(f"DROP DATABASE `{self.to}`")
