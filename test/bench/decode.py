"""decode: one log file of a MariaDB server into decoded rows, beside go-mysql's syncer; rows by CPU second.

Both read the same file of the same server over a local connection and keep nothing. Ours is the log of a Store into
records, in one thread; the peer decodes each event into Go values. A figure is rows by the CPU seconds of the whole
process from its first to its last event; the rows that both counted must agree.
"""
import os
import re
import shutil
import subprocess

import lab
from store_pull import begin_backlog, fill_oltp, log_files, new_source

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT_ROWS, TEXT_TXNS = 300, 1000
OLDEST, TOOLCHAIN = (1, 24), "1.24.0"  # that go-mysql is built with; fetched where Go is older


def run_go(work, what, argv, directory, env):
    r = subprocess.run(argv, cwd=directory, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if r.returncode != 0:
        raise work.skip(f"{what}: {(r.stderr or r.stdout)[-300:].strip()}")
    return r.stdout


def newer_go(work, go):
    """Go's releases are modules too: an older Go fetches one, checked as any module is, and it is kept beside the results."""
    keep = os.path.join(work.bin, "..", "bench", "go")
    os.makedirs(keep, exist_ok=True)
    kind = run_go(work, "go env", [go, "env", "GOOS", "GOARCH"], keep, None).split()
    version = f"v0.0.1-go{TOOLCHAIN}.{'-'.join(kind)}"
    root = os.path.join(keep, "golang.org", f"toolchain@{version}")
    if not os.path.exists(os.path.join(root, ".ready")):
        work.say(f"fetching Go {TOOLCHAIN}")
        with open(os.path.join(keep, "go.mod"), "w") as f:
            f.write("module keep\n")
        run_go(work, f"Go {TOOLCHAIN} cannot be fetched", [go, "mod", "download", f"golang.org/toolchain@{version}"], keep,
               {**os.environ, "GOMODCACHE": os.path.abspath(keep), "GOFLAGS": "-modcacherw"})
        tools = os.path.join(root, "pkg", "tool", "_".join(kind))
        for directory in (os.path.join(root, "bin"), tools):  # a module's files come without the right to be run
            for name in os.listdir(directory):
                os.chmod(os.path.join(directory, name), 0o755)
        open(os.path.join(root, ".ready"), "w").close()
    return os.path.join(root, "bin", "go")


def find_go(work):
    go = shutil.which("go") or next((p for p in ("/usr/local/go/bin/go", "/usr/lib/go/bin/go") if os.path.exists(p)), None)
    if not go:
        raise work.skip("go is not installed: deploy/need bench installs it")
    version = re.search(r"go(\d+)\.(\d+)", run_go(work, "go version", [go, "version"], None, None))
    if version and (int(version[1]), int(version[2])) >= OLDEST:
        return go
    return newer_go(work, go)


def build_peer(work):
    """Go and its proxy are wanted by this work alone."""
    go, directory = find_go(work), work.scratch("gomysql")
    for name in ("go.mod", "main.go"):
        shutil.copy(os.path.join(HERE, "gomysql", name), directory)
    env = {k: v for k, v in os.environ.items() if k != "GOROOT"}
    env.update(GOFLAGS="-mod=mod", GOTOOLCHAIN="local")
    for argv in ([go, "mod", "tidy"], [go, "build", "-o", "gomysql", "."]):
        run_go(work, "go-mysql cannot be built", argv, directory, env)
    return os.path.join(directory, "gomysql")


def facts_of(argv):
    r = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if r.returncode != 0:
        raise RuntimeError(f"{argv[0]}: {r.stderr[-1000:]}")
    return {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", r.stdout)}


def fill_text(work, source):
    """Rows of many types: numbers, a decimal, times, short and long texts, in statements of many rows."""
    source.sql("CREATE TABLE sb.wide (id BIGINT PRIMARY KEY, a INT, b DECIMAL(12,2), c DATETIME(6), d VARCHAR(60), e TEXT, f DOUBLE, "
               "g ENUM('a','b'), h TIMESTAMP(3) NULL, i CHAR(20), j DATE)")
    begin = begin_backlog(source)
    for n in range(work.scaled(TEXT_TXNS)):
        first = n * TEXT_ROWS + 1
        source.sql(f"INSERT INTO sb.wide SELECT seq, seq % 997, seq / 7, NOW(6), MD5(seq), REPEAT(MD5(seq), 4), seq / 3, 1 + seq % 2, "
                   f"NOW(3), LEFT(MD5(seq), 15), CURDATE() FROM sb.seq_{first}_to_{first + TEXT_ROWS - 1}")
    return begin


def runs_of(work, what, fill, peer):
    reader = os.path.join(work.bin, "..", "test", "bench", "decode_log")
    if not os.path.exists(reader):
        raise work.skip(f"{reader} is not built: make bench builds it")
    runs, source = [], new_source(work)
    try:
        begin = fill(work, source)
        (name, size), = log_files(source)
        for n in range(work.runs):
            a = facts_of([reader, str(source.port), "oms", "oms-password", begin])
            b = facts_of([peer, str(source.port), "oms", "oms-password", name, str(size)])
            # the peer begins at the file's first transaction, ours behind it
            if not 0 <= b["rows"] - a["rows"] <= 1:
                raise RuntimeError(f"ours counted {a['rows']:.0f} rows, go-mysql {b['rows']:.0f}")
            runs.append((a["rows"] / a["cpu_s"], b["rows"] / b["cpu_s"],
                         {"rows": int(a["rows"]), "source_mb": round(size / 1e6, 1), "ours_cpu_s": a["cpu_s"],
                          "peer_cpu_s": b["cpu_s"], "ours_wall_s": a["wall_s"], "peer_wall_s": b["wall_s"]}))
            work.say(f"{what}, run {n + 1}: {a['rows']:.0f} rows, {size / 1e6:.0f} MB: ours {a['cpu_s']:.2f} s of CPU, "
                     f"go-mysql {b['cpu_s']:.2f} s")
    finally:
        source.stop()
        shutil.rmtree(work.scratch("source"))
    return runs


def measure(work):
    peer = build_peer(work)
    yield ("decode", "rows/CPU s", "higher", 5, "go-mysql's syncer", runs_of(work, "oltp", fill_oltp, peer))
    yield ("decode-wide", "rows/CPU s", "higher", 0, "go-mysql's syncer", runs_of(work, "wide rows", fill_text, peer))
