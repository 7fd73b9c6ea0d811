"""Full-Import killed between its durable steps, one after the other, while rows move between chunks."""
import threading

import pymysql
import pytest

from conftest import mortal_lab, plan_faults


@pytest.fixture(scope="module")
def faulty():
    """An installation whose Full-Import dies where the test says."""
    with mortal_lab("oms-full-import", "FULL_AFTER_ROOT") as lab:
        yield lab


class Mover(threading.Thread):
    """Moves rows into the copied region and out of it, and swaps values of a unique secondary key."""

    def __init__(self, server, db):
        super().__init__()
        self.server, self.db, self.done, self.error = server, db, threading.Event(), None

    def run(self):
        try:
            connection = self.server.connect(self.db)
            n = 0
            while not self.done.wait(0.005):
                n += 1
                self.step(connection, n)
            connection.close()
        except pymysql.err.Error as e:
            self.error = e

    @staticmethod
    def step(connection, n):
        with connection.cursor() as c:
            connection.begin()
            c.execute(f"UPDATE t SET id = id - 1000000 WHERE id = {30000 - n}")
            c.execute(f"UPDATE t SET id = id + 1000000 WHERE id = {n}")
            a, b = 10000 + n, 29000 - n
            c.execute(f"UPDATE t SET u = CONCAT('x', u) WHERE id = {a}")
            c.execute(f"UPDATE t SET u = 'u{a}' WHERE id = {b} AND u = 'u{b}'")
            c.execute(f"UPDATE t SET u = 'u{b}' WHERE id = {a} AND u = 'xu{a}'")
            c.execute(f"DELETE FROM t WHERE id = {20000 - n}")
            c.execute(f"INSERT INTO t VALUES ({2000000 + n}, 'n{n}', 'new')")
            c.execute(f"INSERT INTO k VALUES ({n}, 'late'), ({n}, 'late')")
            if n % 8 == 0:  # reads the whole table, there as here: a slow machine must keep up with them
                c.execute(f"DELETE FROM k WHERE a = {60000 - n} LIMIT 1")
            connection.commit()


def assert_equal_sides(case):
    rows = [s.sql(f"SELECT SHA2(CONCAT_WS('|', a, b), 256) h, COUNT(*) FROM {db}.k GROUP BY h ORDER BY h")
            for s, db in ((case.source, case.db), (case.target, case.to))]
    assert rows[0] == rows[1]
    case.assert_equal(["t"])


@pytest.mark.parametrize("faults", [
    ["FULL_AFTER_COMMON", "FULL_AFTER_ROOT", "FULL_AFTER_BEGIN"],
    ["FULL_BEFORE_SPLIT", "FULL_AFTER_SPLIT", "FULL_AFTER_CHUNK"],
    ["TARGET_BEFORE_COMMIT:2", "TARGET_AFTER_COMMIT:2", "FULL_AFTER_SPLIT:2"],
    ["FULL_BEFORE_END", "FULL_AFTER_END", "FULL_AFTER_PASS"],
    ["FULL_AFTER_PASS_PART", "FULL_AFTER_PASS_PART", "FULL_BEFORE_END"],
], ids=lambda f: f[0].replace(":", "-"))
def test_a_copy_killed_between_its_durable_steps_is_complete_and_exact(faulty, faults):
    case = faulty.case()
    case.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, u VARCHAR(40) NOT NULL, v TEXT, UNIQUE KEY (u))",
             "INSERT INTO t SELECT seq, CONCAT('u', seq), REPEAT('x', seq % 200) FROM seq_1_to_30000",
             "CREATE TABLE k (a INT, b VARCHAR(20))",
             "INSERT INTO k SELECT seq, 'early' FROM seq_1_to_60000", "INSERT INTO k SELECT seq, 'early' FROM seq_1_to_500")
    hit = plan_faults(faulty, faults)
    mover = Mover(faulty.source, case.db)
    mover.start()
    try:
        case.start()
        case.wait_step("full", "done", 90)
        case.wait_caught_up(60)
    finally:
        mover.done.set()
        mover.join()
    assert mover.error is None
    with open(hit) as f:
        assert f.read().split() == faults
    case.wait_applied()
    assert_equal_sides(case)
    assert case.verify() == {"t": "equal", "k": "equal"}
    case.end()


@pytest.mark.parametrize("table, ddl, faults", [
    ("t", "ALTER TABLE t MODIFY v MEDIUMTEXT, ADD KEY by_v (v(10))",
     ["FULL_AGAIN_DROPPED", "FULL_AGAIN_MADE", "FULL_AFTER_ROOT", "FULL_AFTER_BEGIN", "FULL_BEFORE_END"]),
    ("k", "ALTER TABLE k MODIFY b VARCHAR(200)",
     ["FULL_AGAIN_MADE", "FULL_AFTER_PASS_PART", "FULL_AFTER_PASS"]),
], ids=["key", "no-key"])
def test_a_table_copied_again_under_load_and_kills_is_complete_and_exact(faulty, table, ddl, faults):
    case = faulty.case()
    case.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, u VARCHAR(40) NOT NULL, v TEXT, UNIQUE KEY (u))",
             "INSERT INTO t SELECT seq, CONCAT('u', seq), REPEAT('x', seq % 200) FROM seq_1_to_30000",
             "CREATE TABLE k (a INT, b VARCHAR(20))", "INSERT INTO k SELECT seq, 'early' FROM seq_1_to_60000")
    case.start()
    case.wait_caught_up(60)
    mover = Mover(faulty.source, case.db)
    mover.start()
    try:
        case.sql(ddl)
        incident = case.wait_incident("DDL_HELD")
        hit = plan_faults(faulty, faults)
        faulty.oms.run("incident", "resolve", str(incident["id"]), "--choice", "copy-again")
        case.wait_step("full", "running", 30)
        case.wait_step("full", "done", 90)
    finally:
        mover.done.set()
        mover.join()
    assert mover.error is None
    with open(hit) as f:
        assert f.read().split() == faults
    case.wait_caught_up(60)
    case.wait_applied()
    assert_equal_sides(case)
    kinds = [s.sql(f"SELECT column_type FROM information_schema.columns WHERE table_schema='{db}' AND table_name='{table}' "
                   "ORDER BY ordinal_position") for s, db in ((case.source, case.db), (case.target, case.to))]
    assert kinds[0] == kinds[1]
    assert [r[0] for r in case.target.sql(
        f"SELECT state FROM oms_meta.ddl WHERE task='{case.project}/incremental' AND txid LIKE 'mariadb:%'")] == ["copied"]
    assert set(case.verify().values()) == {"equal"}


def test_keys_of_the_targets_own_survive_kills_at_each_step(faulty):
    case = faulty.case()
    case.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, u VARCHAR(40) NOT NULL, v TEXT, UNIQUE KEY (u))",
             "INSERT INTO t SELECT seq, CONCAT('u', seq), REPEAT('x', seq % 200) FROM seq_1_to_30000",
             "CREATE TABLE k (a INT, b VARCHAR(20))", "INSERT INTO k SELECT seq, 'early' FROM seq_1_to_1000")
    case.target.sql(f"CREATE DATABASE `{case.to}` CHARACTER SET utf8mb4", f"USE `{case.to}`",
                    "CREATE TABLE t (id BIGINT PRIMARY KEY, u VARCHAR(40) NOT NULL, v TEXT, KEY plain (v(10), u), "
                    "UNIQUE KEY u (u) COMMENT 'as it was', UNIQUE KEY both_ways (u(30) DESC, id))",
                    "CREATE TABLE k (a INT, b VARCHAR(20))")
    before = case.target.sql(f"SHOW CREATE TABLE `{case.to}`.t")
    faults = ["FULL_KEYS_KEPT", "FULL_KEY_OFF", "FULL_KEY_OFF", "FULL_AFTER_BEGIN", "FULL_AFTER_CHUNK"]
    hit = plan_faults(faulty, faults)
    mover = Mover(faulty.source, case.db)
    mover.start()
    try:
        case.start()
        case.wait_step("full", "done", 90)
        case.wait_caught_up(60)
    finally:
        mover.done.set()
        mover.join()
    assert mover.error is None
    with open(hit) as f:
        assert f.read().split() == faults
    case.wait_applied()
    assert case.target.sql(f"SHOW CREATE TABLE `{case.to}`.t") == before
    assert_equal_sides(case)
    case.end()
