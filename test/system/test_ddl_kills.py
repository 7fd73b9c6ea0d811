"""Incr-Sync dies at each durable step of a DDL, and with it its server or its way: the effect is there once."""
import pytest

from conftest import mortal_lab, plan_faults
from omslab import poll
from test_ddl_sync import assert_same, started


@pytest.fixture(scope="module")
def mortal():
    """An installation whose Incr-Sync dies where the test says."""
    with mortal_lab("oms-incr-sync", "DDL_AFTER_INTENT") as lab:
        yield lab


# Each start of Incr-Sync dies at one of these points of the statement; the last one goes on.
@pytest.mark.parametrize("ddl", [
    ["ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 7 FIRST, DROP COLUMN x", "INSERT INTO t VALUES (8,1000,8,'later')"],
    ["RENAME TABLE t TO was, u TO t, was TO u", "INSERT INTO t VALUES (1000,'of u')", "INSERT INTO u VALUES (1000,1,2,'of t')"],
    ["TRUNCATE TABLE t", "INSERT INTO t VALUES (1,2,3,'the only one')"],
    ["DROP TABLE t", "INSERT INTO u VALUES (1000,'later')"],
], ids=["alter", "swap", "truncate", "drop"])
def test_a_ddl_killed_at_each_durable_step_has_its_effect_once(mortal, ddl):
    case = mortal.case()
    hit = plan_faults(mortal, ["DDL_AFTER_INTENT", "DDL_AFTER_RUN", "DDL_AFTER_DONE"])
    started(case, "CREATE TABLE t (id INT PRIMARY KEY, v INT, x INT, s VARCHAR(20))", "CREATE TABLE u (id INT PRIMARY KEY, s VARCHAR(20))",
            "INSERT INTO t SELECT seq, seq, seq, 'copied' FROM seq_1_to_100", "INSERT INTO u VALUES (1,'copied')")
    case.sql("UPDATE t SET v = v + 1, s = 'before'", "INSERT INTO t VALUES (101,1,2,'before')", "UPDATE u SET s = 'before'", *ddl)
    assert_same(case)
    with open(hit) as f:
        assert f.read().split() == ["DDL_AFTER_INTENT", "DDL_AFTER_RUN", "DDL_AFTER_DONE"]
    assert [i for i in case.show()["incidents"] if i["state"] == "open"] == []
    case.end()


def sessions_that_run(server, text):
    return [r[0] for r in server.sql(f"SELECT id FROM information_schema.processlist WHERE info LIKE '{text}%'")]


def test_a_connection_that_dies_while_a_ddl_runs_leaves_its_effect_once(mortal):
    case = mortal.case()
    plan_faults(mortal, [])
    started(case, "CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_1000")
    reader = mortal.target.connect(case.to)
    try:
        with reader.cursor() as c:
            reader.begin()
            c.execute("SELECT COUNT(*) FROM t")  # the DDL waits for this transaction
            case.sql("UPDATE t SET v = v + 1", "ALTER TABLE t ADD COLUMN w INT DEFAULT 5", "INSERT INTO t VALUES (2000,1,2)")
            sessions = poll.until(lambda: sessions_that_run(mortal.target, f"ALTER TABLE `{case.to}`"), 60, "the DDL to wait")
            for s in sessions:
                mortal.target.sql(f"KILL {s}")
    finally:
        reader.close()
    assert_same(case)
    assert [i for i in case.show()["incidents"] if i["state"] == "open"] == []
    case.end()


def test_keys_of_the_targets_own_are_made_once_though_their_maker_dies(mortal):
    case = mortal.case()
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_1000")
    mortal.target.sql(f"CREATE DATABASE `{case.to}`", f"USE `{case.to}`",
                      "CREATE TABLE t (id INT PRIMARY KEY, v INT, UNIQUE KEY theirs (v DESC) COMMENT 'their own')")
    before = mortal.target.sql(f"SHOW CREATE TABLE `{case.to}`.t")
    hit = plan_faults(mortal, ["KEYS_MADE"])
    case.start()
    case.wait_caught_up(60)
    with open(hit) as f:
        assert f.read().split() == ["KEYS_MADE"]
    assert mortal.target.sql(f"SHOW CREATE TABLE `{case.to}`.t") == before
    case.sql("UPDATE t SET v = -v", "UPDATE t SET v = v + 1 ORDER BY v DESC", "DELETE FROM t WHERE id = 3")
    case.wait_applied()
    case.assert_equal(["t"])
    case.end()
