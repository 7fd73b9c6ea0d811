"""DDL while the copy runs, under a writer and kills of the copy: what is held is answered, and both sides end equal."""
import os
import signal
import threading

import pymysql
import pytest

from conftest import mortal_lab, plan_faults
from omslab import poll


class Writer(threading.Thread):
    """Changes rows of t and u all the time; takes part in nothing that a DDL of the test renames."""

    def __init__(self, server, db):
        super().__init__()
        self.server, self.db, self.done, self.error, self.n = server, db, threading.Event(), None, 0

    def run(self):
        try:
            connection = self.server.connect(self.db)
            while not self.done.wait(0.01):
                self.n += 1
                self.step(connection)
            connection.close()
        except pymysql.err.Error as e:
            self.error = e

    def step(self, connection):
        n = self.n
        with connection.cursor() as c:
            connection.begin()
            c.execute(f"UPDATE t SET v=CONCAT(v,'+') WHERE id IN ({n}, {20000 - n})")
            c.execute(f"INSERT INTO u (id, v) VALUES ({100000 + n}, 'new')")
            c.execute(f"DELETE FROM u WHERE id = {n * 3}")
            c.execute(f"UPDATE t SET id=id+500000 WHERE id = {10000 + n}")
            connection.commit()


ALTERED = ["ALTER TABLE t ADD COLUMN w INT NOT NULL DEFAULT 5 FIRST", "ALTER TABLE u MODIFY v VARCHAR(300), ADD KEY by_v (v)",
           "UPDATE t SET w = w + 1 WHERE id % 1000 = 0"]
MADE = ["TRUNCATE TABLE s", "INSERT INTO s VALUES (7,'after')",
        "CREATE TABLE made (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO made VALUES (1,'x')"]


def kill(case, part):
    pid = case.oms.pid(f"{case.project}.{part}")
    if pid:
        os.kill(pid, signal.SIGKILL)


def answer_all(case, until_s=120):
    """Takes copy-again wherever it is offered, until the target has everything."""
    end, answered = case.source.gtid(), []

    def look():
        view = case.show()
        assert view["state"] == "running", case.oms.run("project", "show", case.project).stdout
        for i in view["incidents"]:
            if i["state"] == "open" and i["id"] not in answered:
                assert i["code"] == "DDL_HELD" and "copy-again" in i["choices"], i
                case.oms.run("incident", "resolve", str(i["id"]), "--choice", "copy-again")
                answered.append(i["id"])
                kill(case, "incremental")
        return view["caught_up"] and view
    poll.until(look, until_s, f"everything until {end} on the target; answered {answered}")
    case.wait_applied()
    return answered


@pytest.mark.parametrize("sync, ddl, killed", [(False, ALTERED, False), (True, ALTERED + MADE, False), (True, MADE, True)],
                         ids=["asked", "followed", "killed"])
def test_ddl_during_the_copy_ends_with_equal_sides(make_case, sync, ddl, killed):
    case = make_case(more="full: {max_rows_per_second: 15000}\n" + ("ddl: {sync: true}\n" if sync else ""))
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))", "INSERT INTO t SELECT seq, 'old' FROM seq_1_to_20000",
             "CREATE TABLE u (id INT PRIMARY KEY, v VARCHAR(100))", "INSERT INTO u SELECT seq, 'old' FROM seq_1_to_20000",
             "CREATE TABLE s (id INT PRIMARY KEY, v VARCHAR(100))", "INSERT INTO s VALUES (1,'before')")
    writer = Writer(case.source, case.db)
    writer.start()
    try:
        case.start()
        case.wait(lambda v: (case.step("full", v) or {}).get("done", 0) > 5000, 60, "rows to be copied")
        case.sql(*ddl)
        assert case.step("full")["state"] == "running"
        if killed:
            kill(case, "full")
        poll.until(lambda past=writer.n + 50: writer.n > past, 30, "changes behind the DDL")
    finally:
        writer.done.set()
        writer.join()
    assert writer.error is None
    answer_all(case)
    case.assert_equal()
    assert set(case.verify().values()) == {"equal"}
    case.end()


@pytest.fixture(scope="module")
def faulty():
    """An installation whose Full-Import dies where the test says."""
    with mortal_lab("oms-full-import", "FULL_AGAIN_MADE") as lab:
        yield lab


CHANGED = ["ALTER TABLE t CONVERT TO CHARACTER SET latin1, ADD UNIQUE KEY by_v (w)", "RENAME TABLE u TO u2", "DROP TABLE s",
           "ALTER TABLE z CHANGE a b INT, CHANGE b a INT", "CREATE TABLE made LIKE t", "INSERT INTO made VALUES (1, 'x', 1)"]


@pytest.mark.parametrize("sync, faults", [
    (False, ["FULL_AGAIN_MAKING", "FULL_AGAIN_DROPPED", "FULL_AGAIN_MADE:2", "FULL_GONE_DROPPED"]),
    (True, ["FULL_AFTER_ROOT", "FULL_AFTER_BEGIN", "FULL_AGAIN_BEGUN:2", "FULL_BEFORE_END"])], ids=["asked", "followed"])
def test_what_changes_within_its_copy_is_copied_anew_by_itself(faulty, sync, faults):
    case = faulty.case(more="full: {max_rows_per_second: 8000, workers: 1, chunk_target_ms: 100}\n" + ("ddl: {sync: true}\n" if sync else ""))
    case.sql("CREATE TABLE a_done (id INT PRIMARY KEY, v VARCHAR(100), KEY by_v (v))", "INSERT INTO a_done VALUES (1, 'first')",
             "CREATE TABLE z (a INT, b INT)", "INSERT INTO z VALUES (1, 2), (1, 2)",
             *(f"CREATE TABLE {t} (id INT PRIMARY KEY, v VARCHAR(100) CHARACTER SET utf8mb4, w INT)" for t in "stu"),
             *(f"INSERT INTO {t} SELECT seq, '\u00fc', seq FROM seq_1_to_{n}" for t, n in {"s": 80000, "t": 1000, "u": 1000}.items()))
    case.start()
    case.wait(lambda v: (case.step("full", v) or {}).get("done", 0) > 10, 60, "rows to be copied")
    case.oms.run("project", "pause", case.project)
    poll.until(lambda: not case.oms.pid(f"{case.project}.full"), 60, "the copy to stop")
    assert case.step("full")["done"] < 80000
    hit = plan_faults(faulty, faults)
    case.sql(*CHANGED, *(["ALTER TABLE a_done DROP KEY by_v, ADD COLUMN more INT DEFAULT 3"] if sync else []))
    case.oms.run("project", "resume", case.project)
    case.wait_step("full", "done", 90)
    case.wait_caught_up(60)
    assert case.show()["incidents"] == []
    with open(hit) as f:
        assert f.read().split() == faults
    case.wait_applied()
    case.assert_equal()
    left = {"a_done", "made", "t", "u2", "z"}
    assert {t: v for t, v in case.verify().items() if v} == dict.fromkeys(left, "equal")
    assert {t for t, in case.target.sql(f"SELECT table_name FROM information_schema.tables WHERE table_schema='{case.to}'")} \
        == left
    case.end()
