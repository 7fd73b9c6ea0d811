"""A transaction of half a gigabyte: in bounded memory, whole on the target or not at all, whatever is killed.

OMS_HUGE_MB=5000 makes it ten times as large: `make huge`.
"""
import os
import signal
import threading

from omslab import poll

MB = int(os.environ.get("OMS_HUGE_MB", "500"))
PATIENCE = max(1, MB / 500)
LIMIT_KB = 256 * 1024
ASAN = "asan" in os.environ.get("OMS_BIN", "")


class Memory:
    """The largest resident size of components, looked at all the time."""

    def __init__(self, oms, components):
        self.oms, self.components, self.most = oms, components, {c: 0 for c in components}
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.done.wait(0.3):
            for name, c in self.oms.components().items():
                pid = (c.get("status") or {}).get("pid") or 0
                if name in self.components and pid:
                    self.most[name] = max(self.most[name], resident_kb(pid))

    def end(self):
        self.done.set()
        self.thread.join()
        return self.most


def resident_kb(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmRSS")), 0)
    except OSError:
        return 0


def test_a_huge_transaction_stays_whole_in_bounded_memory_through_a_kill(lab, make_case):
    case = make_case(more="verification: {enabled: false}\n")
    incr, store = f"{case.project}.incremental", f"{case.project}.store"
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARBINARY(1000) NOT NULL)", "INSERT INTO t VALUES (0, 'x')")
    case.start()
    case.wait_caught_up()
    memory = Memory(lab.oms, [incr, store])
    rows = MB * 1000
    case.sql("BEGIN", f"INSERT INTO t SELECT seq, REPEAT(MD5(seq), 31) FROM seq_1_to_{rows}", "UPDATE t SET v='last' WHERE id=0", "COMMIT")
    busy = f"SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_rows_modified > {rows // 4}"
    poll.until(lambda: lab.target.sql(busy)[0][0] > 0, 90 * PATIENCE, "a quarter of it to be on the target", every_s=0.3)
    assert lab.target.count(f"{case.to}.t") == 1, "nothing is seen of it"
    os.kill(lab.oms.pid(incr), signal.SIGKILL)
    seen = set()

    def all_of_it():
        seen.add(lab.target.count(f"{case.to}.t"))
        return len(seen) > 1
    poll.until(all_of_it, 600 * PATIENCE, "the transaction to be on the target", every_s=0.5)
    assert seen == {1, rows + 1}, f"seen with {sorted(seen)} rows"
    case.wait_applied(60)
    case.assert_equal()
    most = memory.end()
    print(f"resident: {most}")
    if not ASAN:
        assert most[incr] < LIMIT_KB, most
        if os.environ.get("OMS_HUGE_STORE", "1") == "1":
            assert most[store] < LIMIT_KB, most


def test_what_the_target_cannot_hold_is_split_when_the_project_says_so(lab, make_case):
    lab.target.sql("SET GLOBAL max_binlog_cache_size=8388608")
    try:
        case = make_case(more="incremental: {huge_transaction: split}\nverification: {enabled: false}\n")
        case.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARBINARY(1000) NOT NULL)", "INSERT INTO t VALUES (0, 'x')")
        case.start()
        case.wait_caught_up()
        case.sql("INSERT INTO t SELECT seq, REPEAT(MD5(seq), 31) FROM seq_1_to_24000")
        case.wait_applied(120)
        case.assert_equal()
        assert lab.target.sql(f"SELECT COUNT(*) FROM oms_meta.split WHERE task='{case.project}/incremental'")[0][0] == 0
    finally:
        lab.target.sql("SET GLOBAL max_binlog_cache_size=18446744073709547520")
