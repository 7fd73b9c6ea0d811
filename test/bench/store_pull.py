"""store-pull-oltp and store-pull-bulk: a source's log pulled by a Store, beside mariadb-binlog's own pulling.

The source's log holds the backlog and nothing else; row events have no text of their statements. Ours is `oms-store` from
the start of its process until every block up to the last transaction is on disk: the benchmark reads the headers of
blocks and, once it meets that of the last transaction, syncs the segment itself before it stops the clock. The peer is
`mariadb-binlog --read-from-remote-server --raw` from the start of its process to its end; it syncs nothing. A figure is
the bytes of the source's log files by the second. Runs take turns in who comes first, and before each clock starts the
disk has nothing left to write. Pages are left as they are: only the peer fills any to speak of.
"""
import os
import shutil
import struct
import subprocess
import time

import lab
from byhand import Hand
from omslab import poll

TABLES, ROWS, TRANSACTIONS = 4, 50_000, 200_000
BULK_MB, BULK_ROWS = 1000, 1000  # by transactions of so many rows of 1 KB
SEGMENT_HEADER, BLOCK_HEADER = 64, 64


class Tail:
    """Walks the headers of a Store's blocks as they appear."""

    def __init__(self, directory):
        self.log = os.path.join(directory, "log")
        self.name, self.file, self.at, self.last_commit_us = None, None, 0, 0

    def _open(self, name):
        """Goes on where it stopped, or begins the next file: looking must not cost what it measures."""
        if name == self.name:
            return
        self.close()
        self.name = name
        self.file = os.open(os.path.join(self.log, name), os.O_RDONLY)
        (preamble,) = struct.unpack_from("<I", os.pread(self.file, SEGMENT_HEADER, 0), 24)
        self.at = SEGMENT_HEADER + preamble

    def _walk(self):
        while True:
            head = os.pread(self.file, BLOCK_HEADER, self.at)
            if len(head) < BLOCK_HEADER:
                return
            (stored,) = struct.unpack_from("<I", head, 28)
            end = self.at + BLOCK_HEADER + stored
            if os.fstat(self.file).st_size < end:
                return
            (commit_us,) = struct.unpack_from("<q", head, 48)
            self.last_commit_us, self.at = max(self.last_commit_us, commit_us), end

    def holds(self, commit_us):
        """True once a block with a transaction of that time is written, and then it is synced."""
        try:
            names = sorted(n for n in os.listdir(self.log) if n.endswith(".seg"))
        except FileNotFoundError:
            return False
        for name in [n for n in names if not self.name or n >= self.name]:  # whole and synced before the next one is there
            self._open(name)
            self._walk()
        if self.last_commit_us < commit_us:
            return False
        os.fsync(self.file)
        return True

    def close(self):
        if self.file is not None:
            os.close(self.file)
            self.file = None


def marker(source):
    """One transaction that is the only one of its second, so that its block can be known by its time; that time."""
    poll.pause(1.1)
    source.sql("INSERT INTO sb.marker VALUES (DEFAULT)")
    at = source.one("SELECT UNIX_TIMESTAMP()")
    poll.pause(1.1)
    return (at - 1) * 1_000_000  # the second may have ended in between


def new_source(work):
    source = lab.server(work.scratch("source"), "source", 1).create().start()
    source.add_user()
    source.sql("SET GLOBAL binlog_annotate_row_events=OFF", "CREATE DATABASE IF NOT EXISTS sb")
    return source


def begin_backlog(source):
    """From here on the log holds the backlog only; the text of the set before it."""
    source.sql("CREATE TABLE sb.marker (id INT PRIMARY KEY AUTO_INCREMENT)", "RESET MASTER",
               "INSERT INTO sb.marker VALUES (DEFAULT)")
    domain, _, seq = source.gtid().split("-")
    return f"mariadb:{domain}=1-{seq}"


def fill_oltp(work, source):
    source.sql("DROP DATABASE sb")
    lab.sysbench_prepare(source, TABLES, work.scaled(ROWS))
    begin = begin_backlog(source)
    lab.sysbench_write(source, TABLES, work.scaled(ROWS), work.scaled(TRANSACTIONS), "uniform")
    return begin


def fill_bulk(work, source):
    """Rows of a key, some numbers, a time and 1 KB that neither repeats nor is noise: half of it hexadecimal digits."""
    source.sql("CREATE TABLE sb.bulk (id BIGINT PRIMARY KEY, a INT, b DECIMAL(12,2), c DATETIME(6), d VARCHAR(60), e VARCHAR(1200))")
    begin = begin_backlog(source)
    for n in range(work.scaled(BULK_MB * 1000 // BULK_ROWS)):
        first = n * BULK_ROWS + 1
        source.sql(f"INSERT INTO sb.bulk SELECT seq, seq % 997, seq / 7, NOW(6), MD5(seq), "
                   f"CONCAT(REPEAT(CONCAT('order ', seq, ' of customer ', seq * 7, ' is on its way; '), 6), "
                   f"SHA2(seq, 512), SHA2(seq * 3 + 1e9, 512), SHA2(seq * 5 + 2e9, 512), SHA2(seq * 7 + 3e9, 512), "
                   f"REPEAT(MD5(seq), 5)) "
                   f"FROM sb.seq_{first}_to_{first + BULK_ROWS - 1}")
    return begin


def log_files(source):
    return [(row[0], row[1]) for row in source.sql("SHOW BINARY LOGS")]


def ours(work, name, source, begin, last_us):
    directory = work.scratch(name)
    hand, tail = Hand(directory, source, source, ["sb"], work.bin), None
    try:
        began = time.monotonic()
        store = hand.start("store", "store", {"begin": begin})
        tail = Tail(os.path.join(hand.dir, "store"))
        poll.until(lambda: tail.holds(last_us), 600, "the last transaction in the store", every_s=0.005)
        took = time.monotonic() - began
        store.look()
        stored = sum(os.path.getsize(os.path.join(tail.log, n)) for n in os.listdir(tail.log))
        return took, {"ours_cpu_s": round(store.cpu_s(), 2), "ours_peak_mb": round(store.peak_mb, 1),
                      "stored_mb": round(stored / 1e6, 1)}
    finally:
        if tail:
            tail.close()
        hand.stop()
        shutil.rmtree(directory)


def peer(work, name, source, first):
    directory = work.scratch(name)
    try:
        began = time.monotonic()
        subprocess.run(["mariadb-binlog", "--no-defaults", "--read-from-remote-server", "--raw", "--host=127.0.0.1",
                        f"--port={source.port}", "--user=oms", "--password=oms-password", "--to-last-log",
                        f"--result-file={directory}/", first],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return time.monotonic() - began
    finally:
        shutil.rmtree(directory)


def backlog(work, what, fill):
    runs = []
    source = new_source(work)
    try:
        begin = fill(work, source)
        last_us = marker(source)
        files = log_files(source)
        mb = sum(size for _, size in files) / 1e6
        for n in range(work.runs):
            sides = [lambda n=n: ours(work, f"{what}-{n}-ours", source, begin, last_us),
                     lambda n=n: peer(work, f"{what}-{n}-peer", source, files[0][0])]
            out, cpu = [None, None], [0, 0]
            for i in (0, 1) if n % 2 == 0 else (1, 0):  # in turns
                lab.settle(touch=False)
                before = source.cpu_s()
                out[i] = sides[i]()
                cpu[i] = round(source.cpu_s() - before, 2)
            (a, facts), b = out
            runs.append((mb / a, mb / b, {"source_mb": round(mb, 1), "ours_s": round(a, 3), "peer_s": round(b, 3), **facts,
                                          "source_cpu_s": cpu}))
            work.say(f"{what}, run {n + 1}: {mb:.0f} MB: ours {a:.2f} s, mariadb-binlog {b:.2f} s; ours {facts['ours_cpu_s']} s "
                     f"of CPU, peak {facts['ours_peak_mb']} MB, {facts['stored_mb']} MB stored")
    finally:
        source.stop()
        shutil.rmtree(work.scratch("source"))
    return runs


def measure_oltp(work):
    yield ("store-pull-oltp", "MB/s", "higher", 2, "mariadb-binlog --raw", backlog(work, "oltp", fill_oltp))


def measure_bulk(work):
    yield ("store-pull-bulk", "MB/s", "higher", 0.6, "mariadb-binlog --raw", backlog(work, "bulk", fill_bulk))
