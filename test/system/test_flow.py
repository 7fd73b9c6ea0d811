"""Flow: limits of speed, and slots that step back when the target is under pressure."""
import os
import signal
import time

import pytest

from omslab import poll


def explain(lab, case):
    return lab.oms.json("explain", "lag", case.project)


def fact(x, name):
    return next((float(f["value"]) for f in x["facts"] if f["name"] == name), None)


def wait_explain(lab, case, condition, what, timeout_s=60):
    seen = []

    def look():
        x = explain(lab, case)
        seen.append((x["stage"], x["verdict"], fact(x, "incr.slots_active")))
        return x if condition(x) else None
    try:
        return poll.until(look, timeout_s, what, every_s=0.1)
    except TimeoutError as e:
        raise AssertionError(f"never {what}: {seen[-5:]}") from e


def test_a_limit_holds_the_speed_and_is_named_and_no_transaction_is_split(lab):
    rate, rows = 100, 400
    case = lab.case(more=f"incremental: {{max_rows_per_second: {rate}, max_mb_per_second: 1}}\n")
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    case.start()
    case.wait_caught_up()
    began = time.monotonic()
    case.sql(*[f"INSERT INTO t VALUES ({i}, 0)" for i in range(rows - 100)],
             f"INSERT INTO t SELECT seq, 1 FROM seq_1001_to_{1000 + 100}")  # one transaction: larger than the bucket
    x = wait_explain(lab, case, lambda x: x["stage"] == "limit set", "'limit set'")
    assert "incremental" in x["setting"], x
    seen = set()

    def large_is_there():
        n = case.target.sql(f"SELECT COUNT(*) FROM `{case.to}`.t WHERE v = 1")[0][0]
        seen.add(int(n))
        return n == 100
    poll.until(large_is_there, 60, "the large transaction", every_s=0.05)
    took = time.monotonic() - began
    assert seen <= {0, 100}, seen
    # What is before the large one was let through at the rate: nothing but a bucket may come at once.
    assert took >= (rows - 100 - rate / 5) / rate * 0.95, took
    case.wait_applied()
    case.assert_equal()
    case.end()


def test_a_cap_is_lifted_while_the_project_runs_and_other_keys_are_refused(lab):
    case = lab.case(more="incremental: {max_rows_per_second: 5}\n")
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    case.start()
    case.wait_caught_up()
    pid = lab.oms.pid(case.project + ".incremental")
    case.sql(*[f"INSERT INTO t VALUES ({i})" for i in range(1000)])  # 200 s at that rate
    for key in ("incremental.slots=2", "store.tls=always", "incremental.no_such=1", "incremental.max_rows_per_second=fast"):
        refused = lab.oms.run("project", "set", case.project, key, check=False)
        assert refused.returncode != 0 and key.split("=")[0].split(".")[1] in refused.stderr, refused
    assert "what can: full.max_rows_per_second, incremental.max_rows_per_second" in lab.oms.run(
        "project", "set", case.project, "incremental.slots=2", check=False).stderr
    lab.oms.run("project", "set", case.project, "incremental.max_rows_per_second=0", "full.max_rows_per_second=5", "-o", "json")
    case.wait_applied()
    assert lab.oms.pid(case.project + ".incremental") == pid
    assert case.show()["file"]["incremental"]["max_rows_per_second"] in (0, "0")
    case.assert_equal()
    case.end()


@pytest.fixture
def impatient(lab):
    """Sessions that begin now wait for a lock for a second only."""
    before = lab.target.sql("SELECT @@GLOBAL.innodb_lock_wait_timeout")[0][0]
    lab.target.sql("SET GLOBAL innodb_lock_wait_timeout = 1")
    yield
    lab.target.sql(f"SET GLOBAL innodb_lock_wait_timeout = {before}")


def test_slots_step_back_while_the_target_lets_locks_time_out_and_come_again(lab, impatient):
    case = lab.case(more="incremental: {slots: 4, group: 1}\n")
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT seq, 0 FROM seq_1_to_200")
    case.start()
    case.wait_caught_up()
    other = case.target.connect(case.to)
    cursor = other.cursor()
    cursor.execute("BEGIN")
    cursor.execute("SELECT * FROM t WHERE id <= 8 FOR UPDATE")
    try:
        case.sql(*[f"UPDATE t SET v = v + 1 WHERE id = {i % 200 + 1}" for i in range(400)])
        x = wait_explain(lab, case, lambda x: (fact(x, "incr.slots_active") or 4) <= 2, "fewer slots")
        assert fact(x, "incr.slots_active") < 4
        wait_explain(lab, case, lambda x: x["stage"] == "target execution", "'target execution'")
    finally:
        other.rollback()
        other.close()
    case.wait_applied()
    wait_explain(lab, case, lambda x: fact(x, "incr.slots_active") == 4, "all slots at work again")
    case.assert_equal()
    case.end()


class StandsStill:
    """The target's server, stopped like a machine that hangs: its connections stay."""

    def __init__(self, lab, component):
        self.lab, self.component, self.pid = lab, component, lab.target.process.pid

    def told(self):
        return self.lab.oms.run("component", "logs", self.component, check=False).stdout.count("endpoint.silent")

    def __enter__(self):
        self.before = self.told()
        os.kill(self.pid, signal.SIGSTOP)
        return self

    def wait_noticed(self):
        poll.until(lambda: self.told() > self.before, 60, "the silence to be noticed", every_s=0.2)

    def __exit__(self, *why):
        os.kill(self.pid, signal.SIGCONT)


def test_a_target_that_stands_still_is_given_up_and_nothing_is_lost_or_doubled_when_it_wakes(lab):
    lab.oms.add_datasource("lab-still", lab.target, more="silent_after_ms: 2000\n")
    case = lab.case(more="full: {max_rows_per_second: 4000, chunk_target_ms: 100}\n")
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT seq, 0 FROM seq_1_to_20000",
             "CREATE TABLE bare (v INT)")
    yaml = case.yaml().replace("target: lab-target", "target: lab-still")
    lab.oms.create_project(case.project, yaml)
    lab.oms.run("project", "start", case.project)
    poll.until(lambda: lab.target.sql("SELECT COUNT(*) FROM information_schema.tables WHERE"
                                      f" table_schema='{case.to}' AND table_name='t'")[0][0]
               and lab.target.sql(f"SELECT COUNT(*) FROM `{case.to}`.t")[0][0], 60, "the copy to be under way")
    with StandsStill(lab, case.project + ".full") as still:
        still.wait_noticed()
    case.wait_caught_up(120)
    case.assert_equal()
    case.sql("INSERT INTO bare VALUES (1)", "UPDATE t SET v = 1 WHERE id = 1")
    case.wait_applied()
    changes = [q for i in range(1, 150) for q in (f"UPDATE t SET v = v + 1 WHERE id = {i % 7 + 1}", f"INSERT INTO bare VALUES ({i % 5})")]
    case.sql(*changes)
    with StandsStill(lab, case.project + ".incremental") as still:
        case.sql(*changes)
        still.wait_noticed()
    case.wait_applied(120)
    case.assert_equal()
    case.end()


def changes_of(case, table):
    view = case.show()
    row = next(t for t in view["tables"] if t["name"] == f"{case.db}.{table}")["changes"] or {}
    n = {k: int(row.get(k) or 0) for k in ("source", "applied", "merged", "skipped")}
    assert n["source"] == n["applied"] + n["merged"] + n["skipped"], n
    return n, view["changes_since_us"]


def test_rows_are_accounted_for_per_table_and_skipped_ones_are_listed(lab):
    case = lab.case(more="incremental: {conflict: skip-and-record}\n")
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT seq, 0 FROM seq_1_to_100", "CREATE TABLE bare (v INT)")
    case.start()
    case.wait_caught_up()
    case.target_sql("DELETE FROM t WHERE id = 99")
    case.sql(*[f"UPDATE t SET v = v + 1 WHERE id = {i % 5 + 1}" for i in range(200)], "DELETE FROM t WHERE id BETWEEN 11 AND 20",
             "INSERT INTO t SELECT seq, 7 FROM seq_201_to_230", "INSERT INTO bare SELECT seq FROM seq_1_to_25", "DELETE FROM bare WHERE v < 6",
             "UPDATE t SET v = 5 WHERE id = 99")
    case.wait_applied()
    n, since = changes_of(case, "t")
    assert n["source"] == 200 + 10 + 30 + 1 and n["skipped"] == 1, n
    assert changes_of(case, "bare")[0] == {"source": 30, "applied": 30, "merged": 0, "skipped": 0}
    listed = lab.oms.run("project", "skipped", case.project).stdout
    assert f"update of {case.db}.t where id=99" in listed and listed.count(" change ") == 1, listed
    text = lab.oms.run("project", "show", case.project).stdout
    assert "IN THE LOG" in text and "oms project skipped" in text, text
    # A process counts from its own beginning, and only what it committed itself.
    os.kill(lab.oms.pid(case.project + ".incremental"), signal.SIGKILL)
    case.sql(*[f"UPDATE t SET v = v + 1 WHERE id = {i % 5 + 1}" for i in range(150)])
    case.wait_applied()
    n, later = changes_of(case, "t")
    assert later > since and n["source"] == 150 and n["skipped"] == 0, n
    case.target_sql("INSERT INTO t VALUES (99, 5)")
    case.assert_equal()
    case.end()
