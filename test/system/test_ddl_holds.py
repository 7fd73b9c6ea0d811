"""A DDL holds what touches its tables; the rest goes on, and the screen tells which statement and which tables hold it."""
import os
import signal

from omslab import poll
from test_ddl_sync import assert_same, definition


def ids(case, table):
    return [int(r[0]) for r in case.target.sql(f"SELECT id FROM `{case.to}`.{table} ORDER BY id")]


def started(case, more):
    case.more = more
    case.sql("CREATE TABLE a (id INT PRIMARY KEY, v INT)", "CREATE TABLE b (id INT PRIMARY KEY, v INT)",
             "CREATE TABLE c (id INT PRIMARY KEY, v INT)", "INSERT INTO a VALUES (1,1)", "INSERT INTO b VALUES (1,1)")
    case.start()
    case.wait_caught_up()


def test_other_tables_arrive_while_a_ddl_waits_for_a_person(lab, case):
    started(case, "ddl: {sync: true, deny: [truncate]}\n")
    case.sql("INSERT INTO a VALUES (2,2)", "TRUNCATE TABLE a", "INSERT INTO a VALUES (3,3)",
             "BEGIN", "INSERT INTO a VALUES (4,4)", "INSERT INTO c VALUES (4,4)", "COMMIT", "INSERT INTO b VALUES (2,2)")
    held = case.wait_incident("DDL_HELD")
    assert f"{case.db}.a waits" in held["evidence"]
    for n in range(10, 40):
        case.sql(f"INSERT INTO b VALUES ({n},{n})", f"INSERT INTO a VALUES ({n},{n})", "UPDATE c SET v = v + 1")
    poll.until(lambda: case.target.count(f"{case.to}.b") == 32, 60, "the other table's rows to arrive")
    case.sql("ALTER TABLE b ADD COLUMN w INT DEFAULT 9 FIRST")  # a second one waits for the first
    os.kill(lab.oms.pid(case.project + ".incremental"), signal.SIGKILL)
    case.sql("INSERT INTO c VALUES (100,100)")
    poll.until(lambda: ids(case, "c") == [100], 60, "a table to go on after a restart")
    assert ids(case, "a") == [1, 2] and "w" not in definition(lab.target, case.to, "b")
    verdict = lambda: lab.oms.json("explain", "lag", case.project)["verdict"]
    poll.until(lambda: f"what touches {case.db}.a waits" in verdict(), 30, "the screen to tell what holds")
    lag = case.wait(lambda v: v["lag_ms"] is not None, 30, "a lag")["lag_ms"]
    case.wait(lambda v: v["lag_ms"] is not None and v["lag_ms"] > lag and not v["caught_up"], 30, "the lag to grow with the statement's age")
    lab.oms.run("incident", "resolve", str(held["id"]), "--choice", "run-instead", "--sql", "DELETE FROM a")
    poll.until(lambda: case.target.count(f"{case.to}.a") == 32, 60, "what waited to arrive")
    assert_same(case)
    assert [i for i in case.show()["incidents"] if i["state"] == "open"] == []


def test_other_tables_arrive_while_a_ddl_runs(lab, case):
    started(case, "ddl: {sync: true}\n")
    reader = lab.target.connect(case.to)
    try:
        with reader.cursor() as c:
            reader.begin()
            c.execute("SELECT COUNT(*) FROM a")  # the DDL waits for this transaction
            case.sql("INSERT INTO a VALUES (2,2)", "ALTER TABLE a ADD COLUMN w INT DEFAULT 5", "INSERT INTO a VALUES (3,3,3)",
                     "INSERT INTO b VALUES (2,2)")
            poll.until(lambda: lab.target.sql("SELECT id FROM information_schema.processlist WHERE info LIKE "
                                              f"'ALTER TABLE `{case.to}`%'"), 60, "the DDL to wait on the target")
            poll.until(lambda: lab.target.count(f"{case.to}.b") == 2, 20, "the other table's row to arrive")
            assert ids(case, "a") == [1, 2]
    finally:
        reader.close()
    assert_same(case)
    assert [i for i in case.show()["incidents"] if i["state"] == "open"] == []


def test_in_strict_order_a_ddl_holds_everything(lab, case):
    started(case, "ddl: {sync: true, deny: [truncate]}\nincremental: {consistency: strict}\n")
    case.sql("TRUNCATE TABLE a", "INSERT INTO b VALUES (2,2)")
    held = case.wait_incident("DDL_HELD")
    assert "everything after it waits" in held["evidence"]
    assert lab.target.count(f"{case.to}.b") == 1
    lab.oms.run("incident", "resolve", str(held["id"]), "--choice", "run-instead", "--sql", "DELETE FROM a")
    assert_same(case)
