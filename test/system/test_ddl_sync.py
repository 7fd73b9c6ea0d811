"""The source's DDL is run on the target once, in its place; what cannot be run is shown with choices."""
import os
import signal

from omslab import poll


def definition(server, db, table):
    text = server.sql(f"SHOW CREATE TABLE `{db}`.`{table}`")[0][1]
    return "\n".join(line.split(" AUTO_INCREMENT=")[0] if line.startswith(")") else line for line in text.split("\n"))


def assert_same(case):
    case.wait_applied()
    names = case.tables()
    there = [r[0] for r in case.target.sql(f"SELECT table_name FROM information_schema.tables WHERE table_schema='{case.to}'")]
    assert sorted(names) == sorted(there)
    for t in names:
        assert definition(case.source, case.db, t) == definition(case.target, case.to, t), t
    case.assert_equal()


def started(case, *statements):
    case.more += "ddl: {sync: true}\n"
    case.sql(*statements)
    case.start()
    case.wait_caught_up()
    return case


def test_ddl_of_each_kind_arrives_between_the_rows_around_it(lab, case):
    started(case, "CREATE TABLE t (id INT PRIMARY KEY, v INT, KEY old (v))", "INSERT INTO t VALUES (1,1)")
    case.sql("INSERT INTO t VALUES (2,2)", "ALTER TABLE t ADD COLUMN w VARCHAR(10) NOT NULL DEFAULT 'd, x' FIRST",
             "INSERT INTO t VALUES ('n',3,3)", "ALTER TABLE t CHANGE v u BIGINT, DROP KEY old, ADD UNIQUE KEY uq (u)",
             "INSERT INTO t VALUES ('m',4,40)", "CREATE INDEX by_w ON t (w)", "DROP INDEX by_w ON t",
             "CREATE TABLE made (a INT PRIMARY KEY, b TEXT, t INT, KEY (t), CONSTRAINT f FOREIGN KEY (t) REFERENCES t (id))",
             "INSERT INTO made VALUES (1,'x',NULL),(2,'y',3)", f"CREATE TABLE twin LIKE `{case.db}`.made",
             "INSERT INTO twin SELECT * FROM made", "CREATE TABLE filled AS SELECT id, u FROM t",
             "RENAME TABLE twin TO other, filled TO twin", "TRUNCATE TABLE other", "INSERT INTO other VALUES (7,'z',9)",
             "ALTER TABLE made DROP FOREIGN KEY f", "ALTER TABLE twin ADD PRIMARY KEY (id), RENAME TO last",
             "CREATE TABLE gone (id INT PRIMARY KEY)", "INSERT INTO gone VALUES (1)", "DROP TABLE gone",
             "ALTER TABLE t CONVERT TO CHARACTER SET latin1", "UPDATE t SET u = u + 1 ORDER BY u DESC",
             "ALTER TABLE t ADD p POINT NOT NULL", "UPDATE t SET id = id + 10 ORDER BY id DESC")
    assert_same(case)
    assert case.show()["incidents"] == []
    states = lab.target.sql(f"SELECT DISTINCT state FROM oms_meta.ddl WHERE task='{case.project}/incremental' AND txid LIKE 'mariadb:%'")
    assert [r[0] for r in states] == ["done"]


def test_a_held_ddl_is_answered_with_another_statement_or_tried_again(lab, case):
    case.more = "ddl: {deny: [truncate], sync: true}\n"
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1)")
    case.start()
    case.wait_caught_up()
    case.sql("INSERT INTO t VALUES (2,2)", "TRUNCATE TABLE t", "INSERT INTO t VALUES (3,3)")
    denied = case.wait_incident("DDL_HELD")
    assert "deny" in denied["evidence"] and "retry" not in denied["choices"]
    lab.oms.run("incident", "resolve", str(denied["id"]), "--choice", "run-instead", "--sql", "DELETE FROM no_such_table")
    refused = poll.until(lambda: next((i for i in case.show()["incidents"] if i["state"] == "open" and i["id"] != denied["id"]), None),
                         60, "the statement that was given to be refused")
    assert "no_such_table" in refused["evidence"] and lab.target.count(f"{case.to}.t") == 2
    lab.oms.run("incident", "resolve", str(refused["id"]), "--choice", "run-instead", "--sql", "DELETE FROM t")
    case.wait_applied()
    assert lab.target.sql(f"SELECT statement FROM oms_meta.ddl WHERE task='{case.project}/incremental' AND state='done'")[0][0] in (
        "DELETE FROM t", b"DELETE FROM t")
    case.target_sql("CREATE TABLE made (x INT)")
    case.sql("CREATE TABLE made (id INT PRIMARY KEY)", "INSERT INTO made VALUES (1)")
    there = case.wait_incident("DDL_HELD")
    assert "already on the target" in there["evidence"]
    case.target_sql("DROP TABLE made")
    lab.oms.run("incident", "resolve", str(there["id"]), "--choice", "retry")
    assert_same(case)


def test_tables_that_change_or_go_while_they_are_compared_do_not_fail_the_project(lab, case):
    started(case, "CREATE TABLE a (id INT PRIMARY KEY, v INT)", "INSERT INTO a SELECT seq, seq FROM seq_1_to_30000",
            "CREATE TABLE b LIKE a", "INSERT INTO b SELECT * FROM a", "CREATE TABLE c LIKE a", "INSERT INTO c SELECT * FROM a")
    case.verify()
    lab.oms.run("verify", "start", case.project)
    pid = lab.oms.pid(case.project + ".verification")
    os.kill(pid, signal.SIGSTOP)
    try:
        case.sql("DROP TABLE a", "ALTER TABLE b DROP COLUMN v", "ALTER TABLE c ADD COLUMN w INT DEFAULT 3", "INSERT INTO c VALUES (0,0,0)")
        case.wait_applied()
    finally:
        os.kill(pid, signal.SIGCONT)
    case.wait_step("verification", "done")
    assert case.show()["state"] == "running"
    verdicts = case.verify()
    assert verdicts["b"] == verdicts["c"] == "equal"
    assert not verdicts["a"]  # it was not there to be compared in this round
