"""Flow: limits of speed, and slots that step back when the target is under pressure."""
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
