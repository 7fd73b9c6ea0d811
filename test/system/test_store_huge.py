"""A transaction far larger than the Store's memory: pulled in parts, killed halfway, invisible until it is whole.

OMS_HUGE_MB=5000 makes it ten times as large: `make huge`.
"""
import os
import socket
import struct
import sys
import time

import pytest
from conftest import ROOT, SMALL
from omslab import poll
from omslab.servers import MariaDB

sys.path.insert(0, os.path.join(ROOT, "test", "bench"))
from byhand import TOKEN, Hand, hwm_mb  # noqa: E402

MEGABYTES = int(os.environ.get("OMS_HUGE_MB", "500"))
PATIENCE = max(1, MEGABYTES / 500)
RESIDENT_LIMIT_MB = 256
OPEN_TAIL = 2
HELLO, GREETING, TABLES, BLOCK = 1, 2, 4, 5


def varint(n):
    out = b""
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def text(s):
    return varint(len(s)) + s.encode()


def one_origin(origin, last):
    """The binary set origin=1-last."""
    return varint(1) + text(origin) + varint(1) + varint(1) + varint(last - 1)


class Reader:
    """A reader that looks at the heads of blocks only."""

    def __init__(self, address, after):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=60 * PATIENCE)
        body = struct.pack("<I", 2) + text(TOKEN) + text("huge") + struct.pack("<QQI", 0, 0, 0) + after
        self.socket.sendall(struct.pack("<IB", len(body) + 1, HELLO) + body)
        assert self.frame()[0] == GREETING
        assert self.frame()[0] == TABLES

    def exactly(self, n):
        out = bytearray()
        while len(out) < n:
            part = self.socket.recv(min(n - len(out), 1 << 20))
            assert part, "the store closed the stream"
            out += part
        return bytes(out)

    def frame(self):
        length, kind = struct.unpack("<IB", self.exactly(5))
        return kind, self.exactly(length - 1)

    def block(self):
        """(number, flags, bytes of records) of the next block."""
        while True:
            kind, body = self.frame()
            if kind == BLOCK:
                (number,), (raw,) = struct.unpack_from("<Q", body, 8), struct.unpack_from("<I", body, 24)
                return number, body[5], raw


@pytest.fixture
def source(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("huge"))
    os.chmod(directory, 0o755)
    server = MariaDB(directory, "huge", 9, options=SMALL).create().start()
    server.add_user()
    server.sql("CREATE DATABASE h", "CREATE TABLE h.t (id INT PRIMARY KEY, a VARCHAR(64), b VARCHAR(1000))")
    server.directory = directory
    yield server
    server.stop()


def commit_huge(source):
    source.sql("USE h", "BEGIN",
               *[f"INSERT INTO t SELECT seq, MD5(seq), REPEAT(MD5(seq * 7), 29) FROM seq_{i * 10000 + 1}_to_{(i + 1) * 10000}"
                 for i in range(MEGABYTES // 10)],
               "COMMIT")


def log_bytes(hand):
    log = os.path.join(hand.dir, "store", "log")
    return sum(os.path.getsize(os.path.join(log, n)) for n in os.listdir(log)) if os.path.isdir(log) else 0


def test_a_huge_transaction_passes_in_bounded_memory_and_is_seen_only_whole(source, monkeypatch):
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0:quarantine_size_mb=1:malloc_context_size=0")
    _, _, seq = source.gtid().split("-")
    begin = f"mariadb:9=1-{seq}"
    hand = Hand(os.path.join(source.directory, "hand"), source, source, ["h"], os.environ.get("OMS_BIN", "build/bin"))
    try:
        store = hand.start("store", "store", {"begin": begin})
        poll.until(lambda: "store.connected" in store.text(), 60, "the store's connection")
        commit_huge(source)

        # Killed in the middle of it: what is on disk of it counts for nothing.
        poll.until(lambda: log_bytes(hand) > MEGABYTES * 10_000, 120 * PATIENCE, "a part of it on disk", every_s=0.002)
        peak = hwm_mb(store.process.pid)
        store.process.kill()
        store.process.wait()
        hand.running.remove(store)
        part = log_bytes(hand)

        store = hand.store(begin=begin)
        assert "store.tail_cut" in store.text() or part == 0
        reader = Reader(store.address, one_origin("mariadb:9", int(seq)))
        began, raw, numbers, flags = time.monotonic(), 0, [], OPEN_TAIL
        first_seen_with = None
        while flags & OPEN_TAIL:
            number, flags, n = reader.block()
            first_seen_with = first_seen_with or log_bytes(hand)
            numbers.append(number)
            raw += n
            peak = max(peak, hwm_mb(store.process.pid))
        reader.socket.close()
        print(f"{raw / 1e6:.0f} MB in {len(numbers)} blocks, {time.monotonic() - began:.1f} s, peak {peak:.0f} MB")

        assert numbers == list(range(1, len(numbers) + 1))
        assert raw > MEGABYTES * 900_000
        assert first_seen_with == log_bytes(hand), "a part was served before the last one was on disk"
        assert peak < RESIDENT_LIMIT_MB
    finally:
        hand.stop()
