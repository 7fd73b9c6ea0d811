"""Unique keys that a target's table has before its copy: off while rows of different moments meet, then as they were."""
import re

from omslab import poll

KEYS = """CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, u VARCHAR(40) NOT NULL, n INT, v TEXT,
    UNIQUE KEY `theirs ``u``` (u) COMMENT 'the, (first)', KEY plain (n, u DESC),
    UNIQUE KEY prefix (v(30) DESC, n) USING BTREE, UNIQUE KEY ours (u(20), n, id) IGNORED)"""


def made_beforehand(case, *ddl):
    case.target.sql(f"CREATE DATABASE `{case.to}` CHARACTER SET utf8mb4", f"USE `{case.to}`", *ddl)


def definition(server, db, table="t"):
    text = server.sql(f"SHOW CREATE TABLE `{db}`.`{table}`")[0][1]
    return re.sub(r" AUTO_INCREMENT=\d+", "", text)


def copied(case):
    case.target.sql(f"USE `{case.to}`")
    return case.target.sql(f"SELECT COUNT(*) FROM `{case.to}`.t")[0][0]


def fill(case, rows):
    case.sql("CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, u VARCHAR(40) NOT NULL, n INT, v TEXT, "
             "UNIQUE KEY `theirs ``u``` (u))",
             f"INSERT INTO t SELECT seq, CONCAT('u', seq), seq, CONCAT('v', seq) FROM seq_1_to_{rows}")


def swap_first_and_last(case, rows):
    """The first row is copied and the last is not: its chunk is of a later moment."""
    poll.until(lambda: copied(case), 60, "the first rows of the copy")
    case.sql("START TRANSACTION", "UPDATE t SET u = 'x', v = 'x' WHERE id = 1",
             f"UPDATE t SET u = 'u1', v = 'v1', n = 1 WHERE id = {rows}",
             f"UPDATE t SET u = 'u{rows}', v = 'v{rows}', n = {rows} WHERE id = 1", "COMMIT")
    assert copied(case) < rows, "the copy was too fast for this test"


def test_unique_values_that_move_during_the_copy_meet_no_key_of_the_targets_table(make_case):
    rows = 40000
    case = make_case(more="full: {workers: 1, chunk_target_ms: 50, max_rows_per_second: 12000}\n")
    fill(case, rows)
    made_beforehand(case, KEYS)
    before = definition(case.target, case.to)
    case.start()
    swap_first_and_last(case, rows)
    assert "UNIQUE KEY" not in definition(case.target, case.to)
    case.wait_caught_up(60)
    assert definition(case.target, case.to) == before
    assert case.verify() == {"t": "equal"}
    warned = [c for c in case.show()["checks"] if c["id"] == "target.unique_keys"]
    assert len(warned) == 1 and "prefix" in warned[0]["reason"] and "ours" in warned[0]["reason"]


def test_a_key_that_the_sources_rows_break_is_asked_about_while_changes_go_on(make_case):
    case = make_case()
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), w INT)",
             "INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2), (3, 'two', 3), (4, 'four', 3)")
    made_beforehand(case, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), w INT, UNIQUE KEY only_v (v), UNIQUE KEY only_w (w))")
    before = definition(case.target, case.to)
    case.start()
    incident = case.wait_incident("UNIQUE_KEY")
    assert "only_v" in incident["evidence"] and "'two'" in incident["evidence"]
    case.sql("UPDATE t SET v = 'three' WHERE id = 3")
    case.wait_applied()
    assert not case.show()["caught_up"]
    case.oms.run("incident", "resolve", str(incident["id"]), "--choice", "retry")
    second = case.wait(lambda v: [i for i in v["incidents"] if i["state"] == "open" and i["id"] != incident["id"]],
                       60, "the next key")["incidents"]
    second = next(i for i in second if i["state"] == "open")
    assert "only_w" in second["evidence"]
    case.oms.run("incident", "resolve", str(second["id"]), "--choice", "leave-off")
    case.wait_caught_up(60)
    assert definition(case.target, case.to) == before.replace(",\n  UNIQUE KEY `only_w` (`w`)", "")
    case.sql("INSERT INTO t VALUES (5, 'five', 3)")
    case.wait_applied()
    case.assert_equal(["t"])
    case.oms.run("project", "release", case.project)
    case.wait(lambda v: v["state"] == "released", 60, "released")
    told = [o for o in case.show()["objects"] if o["type"] == "unique key"]
    assert [(o["state"], "ADD UNIQUE KEY `only_w` (`w`)" in o["ddl"]) for o in told] == [("missing", True)]


def test_what_the_table_needs_stays_in_a_form_that_nothing_collides_in(make_case):
    case = make_case()
    case.sql("CREATE TABLE p (id INT PRIMARY KEY, n INT NOT NULL AUTO_INCREMENT, r INT, UNIQUE KEY n (n), UNIQUE KEY r (r))",
             "INSERT INTO p VALUES (1, 5, 1), (2, 6, 2)")
    made_beforehand(case, "CREATE TABLE a (k INT PRIMARY KEY)", "INSERT INTO a VALUES (1), (2), (3)",
                    "CREATE TABLE p (id INT PRIMARY KEY, n INT NOT NULL AUTO_INCREMENT, r INT, UNIQUE KEY n (n), UNIQUE KEY r (r), "
                    "CONSTRAINT f FOREIGN KEY (r) REFERENCES a (k))")
    before = definition(case.target, case.to, "p")
    case.start()
    case.wait_caught_up(60)
    assert definition(case.target, case.to, "p") == before
    case.assert_equal(["p"])
