"""Components of one project started by hand and kept alive like a Supervisor would, with a proxy on every way between them."""
import json
import os
import re
import signal
import subprocess

from omslab import poll

PASSWORD = "oms-password"
TOKEN = "proof-stream-token"
RETRY, FENCE = 10, 12  # exit codes (docs/protocol/host.md)


class Broken(AssertionError):
    """A component ended as it never may."""


class Part:
    """One component: its directory stays, its process comes and goes."""

    def __init__(self, hand, program, name, fixed=None, live=None):
        self.hand, self.program, self.name, self.fixed, self.live = hand, program, name, fixed or {}, live or {}
        self.process, self.killed, self.starts, self.wanted, self.fenced = None, False, 0, False, 0
        self.dir = os.path.join(hand.dir, name)
        self.out = os.path.join(hand.dir, name + ".out")
        os.makedirs(self.dir, exist_ok=True)

    def start(self, fault=None):
        """fault: a fault point at which this process kills itself."""
        h = self.hand
        spec = {"id": f"b.{self.name}", "kind": self.program, "task": f"b/{self.fixed.get('as', self.name)}", "epoch": 1,
                "revision": 1,
                "fixed": {"project": "b", "source": h.endpoint("src", h.source, h.to_source.port),
                          "target": h.endpoint("dst", h.target, h.to_target.port), "scope": h.scope,
                          **{k: v for k, v in self.fixed.items() if k != "as"}},
                "live": {"revision": 1, **self.live}}
        path = os.path.join(h.dir, self.name + ".yaml")
        with open(path, "w") as f:
            json.dump(spec, f, indent=1)  # JSON is YAML too
        self.killed, self.wanted, self.starts = fault is not None, True, self.starts + 1
        self.address = None
        self.at = os.path.getsize(self.out) if os.path.exists(self.out) else 0
        with open(self.out, "ab") as out:
            self.process = subprocess.Popen([os.path.join(h.bin, "oms-" + self.program), "--spec", path, "--dir", self.dir],
                                            env=dict(os.environ, OMS_SECRETS=h.secrets, **({"OMS_FAULT": fault} if fault else {})),
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        return self

    def said(self, text):
        if not os.path.exists(self.out):
            return False
        with open(self.out, errors="replace") as f:
            f.seek(self.at)
            return text in f.read()

    def since_start(self):
        with open(self.out, errors="replace") as f:
            f.seek(self.at)
            return f.read()

    def tail(self):
        if not os.path.exists(self.out):
            return "never started"
        with open(self.out, errors="replace") as f:
            return f.read()[-3000:]

    def kill(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.killed = self.killed or how == signal.SIGKILL
            self.process.send_signal(how)

    def keep(self):
        """Starts it again if it ended as it may; False once it is done."""
        if not self.wanted or self.process is None:
            return False
        code = self.process.poll()
        if code is None:
            return True
        if code == 0:
            self.wanted = False
            return False
        if code == -signal.SIGKILL and self.killed or code == RETRY:
            self.start()
            return True
        if code == FENCE:
            self.fenced += 1
            if self.fenced < 50:
                self.start()
                return True
        raise Broken(f"{self.name} ended with {code}:\n{self.tail()}")

    def stop(self, timeout_s=40):
        self.wanted = False
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Broken(f"{self.name} did not stop within {timeout_s} s:\n{self.tail()}") from None
        if self.process and self.process.returncode not in (0, RETRY, FENCE, -signal.SIGKILL, -signal.SIGTERM):
            raise Broken(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")


class Hand:
    """Servers, proxies and parts of the project `b`, which moves database `db` to `to`."""

    def __init__(self, directory, source, target, db, to, wires, bin_dir=None, more_scope=None):
        self.dir, self.source, self.target = os.path.abspath(directory), source, target
        self.bin = os.path.abspath(bin_dir or os.environ.get("OMS_BIN", "build/bin"))
        self.scope = {"include": [f"{db}.*"], "rename": [{"from": db, "to": to}], **(more_scope or {})}
        os.makedirs(self.dir, exist_ok=True)
        self.secrets = os.path.join(self.dir, "secrets")
        with open(os.open(self.secrets, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
            f.write(f"pw: {PASSWORD}\nstream-token:b.store: {TOKEN}\n")
        self.to_source, self.to_target, self.to_store = wires.to(source.port), wires.to(target.port), wires.to(1)
        self.store = Part(self, "store", "store")
        self.full = Part(self, "full-import", "full", {"full": {"workers": 2}})
        self.incremental = self.reader("incremental")
        self.parts = [self.store, self.full, self.incremental]
        self.person, self.copied_again = False, []

    def endpoint(self, name, server, port):
        return {"id": name, "kind": server.kind, "host": "127.0.0.1", "port": port, "user": "oms",
                "secret": "pw", "tls": "off"}

    def reader(self, name, **fixed):
        peer = {"component_id": "b.store", "address": f"127.0.0.1:{self.to_store.port}", "epoch": 1,
                "token_secret": "stream-token:b.store"}
        return Part(self, "incr-sync", name, {"full_task": "b/full", "store_id": "b.store", "as": "incremental", **fixed},
                    {"full_done": True, "peers": [peer]})

    def task(self, verb):
        part = Part(self, "task", "task-" + verb, {"verb": verb}).start()
        poll.until(lambda: part.process.poll() is not None, 120, f"the task {verb}")
        if part.process.returncode != 0:
            raise Broken(f"task {verb} ended with {part.process.returncode}:\n{part.tail()}")
        return part

    def answer(self, part):
        """What a person would: the table is copied again, where that is offered."""
        held = [line for line in part.since_start().splitlines() if "incr_sync.ddl_held" in line][-1]
        found = re.search(r"copy_again='(.*)' transaction='([^']+)'$", held)
        if not self.person or not found:
            raise Broken(f"{part.name} holds a DDL that is none of a person's:\n{part.tail()}")
        asked = {"table": found[1], "transaction": found[2]}
        part.stop()
        self.full.fixed["copy_again"] = [asked]
        self.full.start()
        self.until(lambda: not self.full.wanted, 120, f"the copy of {asked}")
        self.copied_again.append({**asked, "done": True})
        part.live["copied_again"] = self.copied_again
        part.start()

    def find_store(self):
        """The proxy leads to where the Store listens now."""
        if self.store.address is None:
            with open(self.store.out, errors="replace") as f:
                f.seek(self.store.at)
                words = [w for w in f.read().split() if w.startswith("address=127")]
            if words:
                self.store.address = words[-1].split("=", 1)[1]
                self.to_store.to_port = int(self.store.address.rsplit(":", 1)[1])
        return self.store.address

    def keep(self):
        for p in self.parts:
            p.keep()
            if p.program == "incr-sync" and p.said("incr_sync.conflict"):
                raise Broken(f"{p.name} takes a change for a conflict:\n{p.tail()}")
            if p.program == "incr-sync" and p.wanted and p.said("incr_sync.ddl_held"):
                self.answer(p)
        self.find_store()

    def until(self, condition, timeout_s, what):
        def look():
            self.keep()
            return condition()
        try:
            return poll.until(look, timeout_s, what, every_s=0.1)
        except TimeoutError as e:
            ends = [f"-- {p.name} ({p.process and p.process.poll()}):\n{p.tail()[-1500:]}" for p in self.parts]
            raise TimeoutError(f"{e}\n" + "\n".join(ends)) from None

    def stop(self):
        failure = None
        for p in reversed(self.parts):
            try:
                p.stop()
            except Broken as e:
                failure = failure or e
        if failure:
            raise failure
