"""oms explain lag: each bottleneck is made on purpose, and named."""
import os
import signal

import pytest

from omslab import poll

SLOW_ROW_S = 0.02  # a trigger on the target makes each row so slow


@pytest.fixture(scope="module")
def followed(lab):
    case = lab.case(more="incremental: {group: 5}\n")
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT seq, 0 FROM seq_1_to_500",
             "CREATE TABLE calm (id INT PRIMARY KEY)")
    case.start()
    case.wait_caught_up()
    case.sql("UPDATE t SET v = 1 WHERE id = 1", "INSERT INTO calm VALUES (1)")  # plans are open before the target is made slow
    case.wait_applied()
    yield case
    case.end()


def explain(lab, case):
    return lab.oms.json("explain", "lag", case.project)


def wait_stage(lab, case, stage, timeout_s=20):
    seen = []

    def look():
        x = explain(lab, case)
        seen.append((x["stage"], x["verdict"]))
        return x if x["stage"] == stage else None
    try:
        return poll.until(look, timeout_s, stage, every_s=0.1)
    except TimeoutError as e:
        raise AssertionError(f"never '{stage}': {seen[-5:]}") from e


@pytest.fixture
def slow_target(lab, followed):
    """Rows of t are slow on the target; ends when they are not wanted any more."""
    case = followed
    case.target_sql(f"CREATE TRIGGER slow_u BEFORE UPDATE ON t FOR EACH ROW DO SLEEP({SLOW_ROW_S})",
                    f"CREATE TRIGGER slow_i BEFORE INSERT ON t FOR EACH ROW DO SLEEP({SLOW_ROW_S / 20})")
    yield case
    case.target_sql("DROP TRIGGER slow_u", "DROP TRIGGER slow_i")
    case.wait_applied()


def test_nothing_limits_a_project_at_rest(lab, followed):
    x = wait_stage(lab, followed, "none")
    assert x["object"] is None and x["lag_ms"] is not None and x["facts"]
    text = lab.oms.run("explain", "lag", followed.project).stdout
    assert "stage   none" in text and "Incr-Sync: has nothing to do" in text
    assert lab.oms.run("explain", "lag", check=False).returncode == 2
    assert lab.oms.run("explain", "lag", "no-such", check=False).returncode == 1


def test_a_hot_row_is_named(lab, slow_target):
    case = slow_target
    case.sql(*[f"UPDATE t SET v = v + 1 WHERE id = 17 /* {i} */" for i in range(300)])
    x = wait_stage(lab, case, "dependency wait")
    assert f"{case.db}.t" in x["object"] and "17" in x["object"], x
    assert "incremental.group" in x["setting"]
    case.wait_applied()


def test_a_slow_target_is_named_when_rows_do_not_meet(lab, slow_target):
    case = slow_target
    case.sql(*[f"UPDATE t SET v = v + 1 WHERE id = {i}" for i in range(100, 500)])
    x = wait_stage(lab, case, "target execution")
    assert "all slots" in x["verdict"] or "busy" in x["verdict"], x
    case.wait_applied()


def test_a_huge_transaction_is_named(lab, slow_target):
    case = slow_target
    case.sql("INSERT INTO t SELECT seq, 1 FROM seq_1001_to_9000")
    txn = case.source.gtid().split("-")[-1]
    x = wait_stage(lab, case, "huge transaction")
    assert x["object"].endswith("=" + txn) and "8000 rows" in x["verdict"], x


def test_a_lock_that_somebody_holds_on_the_target_is_named_with_its_table(lab, followed):
    case = followed
    case.wait_applied()
    other = case.target.connect(case.to)
    cursor = other.cursor()
    cursor.execute("BEGIN")
    cursor.execute("SELECT * FROM t WHERE id = 3 FOR UPDATE")
    try:
        case.sql("UPDATE t SET v = 99 WHERE id = 3")
        x = wait_stage(lab, case, "target execution")
        assert x["object"] == f"{case.db}.t" and "lock" in x["verdict"], x
    finally:
        other.rollback()
        other.close()
    case.wait_applied()


def test_a_source_that_stands_still_is_named(lab, followed):
    case = followed
    case.wait_applied()
    os.kill(case.source.process.pid, signal.SIGSTOP)
    try:
        x = wait_stage(lab, case, "source log pull")
        assert x["object"] == "lab-source" and "said nothing" in x["verdict"] and x["lag_ms"] is None
    finally:
        os.kill(case.source.process.pid, signal.SIGCONT)
    wait_stage(lab, case, "none")


def test_a_store_that_stands_still_is_named(lab, followed):
    case = followed
    pid = lab.oms.pid(case.project + ".store")
    os.kill(pid, signal.SIGSTOP)
    try:
        assert wait_stage(lab, case, "stream")["object"] == case.project + ".store"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_stage(lab, case, "none")


def test_a_held_ddl_is_named_with_its_incident(lab, followed):
    case = followed
    case.sql("ALTER TABLE calm ADD COLUMN v INT")
    incident = case.wait_incident("DDL_HELD")
    x = wait_stage(lab, case, "hold")
    assert x["object"] == f"incident {incident['id']}" and "resolve" in x["setting"]
    case.target_sql("ALTER TABLE calm ADD COLUMN v INT")
    lab.oms.run("incident", "resolve", str(incident["id"]), "--choice", "done-by-hand")
    wait_stage(lab, case, "none")
    case.assert_equal()
