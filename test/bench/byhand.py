"""Component programs run by hand, with specifications instead of a CM: what a benchmark starts and measures."""
import json
import os
import subprocess

from omslab import poll

PEAKS_MB = {}  # name of a component -> the most memory any process of it took, over all works
TOKEN = "bench-stream-token"
PASSWORD = "oms-password"


def hwm_mb(pid):
    """Peak resident memory of a process that runs, in MB; 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


class Component:
    """One process of ours and its directory; knows its own peak memory."""

    def __init__(self, name, process, log):
        self.name, self.process, self.log = name, process, log
        self.peak_mb = 0.0

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def cpu_s(self):
        """CPU seconds so far of a process that runs."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def look(self):
        """Notes the peak memory; raises when the process has failed."""
        self.peak_mb = max(self.peak_mb, hwm_mb(self.process.pid))
        PEAKS_MB[self.name] = max(PEAKS_MB.get(self.name, 0.0), self.peak_mb)
        code = self.process.poll()
        if code not in (None, 0):
            raise RuntimeError(f"{self.name} ended with {code}: {self.text()[-1500:]}")
        return code

    def wait(self, timeout_s):
        poll.until(lambda: self.look() is not None, timeout_s, f"the end of {self.name}", every_s=0.02)
        return self

    def stop(self):
        if self.process.poll() is None:
            self.look()
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise


class Hand:
    """A project without a CM: source, target, scope; components started one by one in `directory`."""

    def __init__(self, directory, source, target, databases, bin_dir):
        self.dir, self.source, self.target = os.path.abspath(directory), source, target
        self.databases, self.bin = databases, bin_dir
        self.running = []
        os.makedirs(self.dir, exist_ok=True)
        self.secrets = os.path.join(self.dir, "secrets")
        with open(self.secrets, "w") as f:
            f.write(f"pw: {PASSWORD}\nstream-token:b.store: {TOKEN}\n")

    def _endpoint(self, name, server):
        return {"id": name, "kind": "mariadb", "host": "127.0.0.1", "port": server.port, "user": "oms", "secret": "pw",
                "tls": "off"}

    def start(self, program, name, fixed=None, live=None):
        directory = os.path.join(self.dir, name)
        os.makedirs(directory, exist_ok=True)
        spec = {"id": f"b.{name}", "kind": program, "task": f"b/{name}", "epoch": 1, "revision": 1,
                "fixed": {"project": "b", "source": self._endpoint("src", self.source),
                          "target": self._endpoint("dst", self.target),
                          "scope": {"include": [f"{d}.*" for d in self.databases]}, **(fixed or {})},
                "live": {"revision": 1, **(live or {})}}
        path, log = os.path.join(self.dir, name + ".yaml"), os.path.join(self.dir, name + ".log")
        with open(path, "w") as f:
            json.dump(spec, f, indent=1)  # JSON is YAML too
        with open(log, "wb") as err:
            process = subprocess.Popen([os.path.join(self.bin, "oms-" + program), "--spec", path, "--dir", directory],
                                       env=dict(os.environ, OMS_SECRETS=self.secrets), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=err)
        c = Component(name, process, log)
        self.running.append(c)
        return c

    def task(self, verb):
        return self.start("task", "task-" + verb, {"verb": verb}).wait(120)

    def full(self, workers=2):
        return self.start("full-import", "full", {"full": {"workers": workers}})

    def store(self, begin=None):
        """A Store that listens; pulls after `begin` (text of a set), or from the source's present end."""
        store = self.start("store", "store", {"begin": begin} if begin else None)
        store.address = poll.until(lambda: self._address(store), 30, "the Store's address", every_s=0.005)
        return store

    def _address(self, store):
        store.look()
        return next((w.split("=", 1)[1] for w in store.text().split() if w.startswith("address=")), None)

    def incremental(self, store, **options):
        return self.start("incr-sync", "incremental",
                          {"full_task": "b/full", "store_id": "b.store", **({"incremental": options} if options else {})},
                          {"full_done": True, "peers": [{"component_id": "b.store", "address": store.address, "epoch": 1,
                                                         "token_secret": "stream-token:b.store"}]})

    def verification(self):
        return self.start("full-verification", "verification", {"incr_task": "b/incremental"})

    def stop(self):
        for c in reversed(self.running):
            c.stop()
        self.running = []


def equal_tables(source, target, tables):
    """Raises where a table's CHECKSUM or row count differs."""
    for t in tables:
        a, b = [(s.count(t), s.checksum(t)) for s in (source, target)]
        if a != b:
            raise RuntimeError(f"table {t} differs: source (rows, checksum) {a}, target {b}")


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _intervals(data, origin):
    """The intervals of one origin in a set of transactions as oms_meta holds it."""
    out = []
    if not data:
        return out
    origins, at = _varint(data, 0)
    for _ in range(origins):
        length, at = _varint(data, at)
        name, at = data[at:at + length].decode(), at + length
        count, at = _varint(data, at)
        end = 0
        for _ in range(count):
            gap, at = _varint(data, at)
            more, at = _varint(data, at)
            first, end = end + gap, end + gap + more
            if name == origin:
                out.append((first, end))
    return out


class Progress:
    """What Incr-Sync has committed on a target: one open connection, so that asking costs little."""

    def __init__(self, target, origin, last, task="b/incremental"):
        self.connection, self.origin, self.last, self.task = target.connect(), origin, last, task

    def close(self):
        self.connection.close()

    def reached(self):
        """True once every transaction up to `last` is committed."""
        with self.connection.cursor() as c:
            c.execute("SELECT low, done FROM oms_meta.progress WHERE task=%s", (self.task,))
            rows = c.fetchall()
        parts = sorted(i for row in rows for cell in row for i in _intervals(cell, self.origin))
        end = 0
        for first, last in parts:
            if first > end + 1:
                return False
            end = max(end, last)
        return end >= self.last
