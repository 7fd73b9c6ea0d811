"""DDL in scope is never guessed; release seals, and --finish creates what waited."""
import pytest

from omslab import poll
from omslab.client import Failed


def test_a_ddl_is_held_until_it_is_done_by_hand(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1)")
    case.start()
    case.wait_caught_up()
    case.sql("INSERT INTO t VALUES (2,2)", "ALTER TABLE t ADD COLUMN w VARCHAR(10) DEFAULT 'd'", "INSERT INTO t VALUES (3,3,'x')")
    incident = case.wait_incident("DDL_HELD")
    assert "ALTER TABLE t" in incident["summary"] + incident["evidence"]
    poll.until(lambda: lab.target.count(f"{case.to}.t") == 2, 30, "everything before the DDL to be committed")
    assert case.step("incremental")["state"] == "held"
    case.target_sql("ALTER TABLE t ADD COLUMN w VARCHAR(10) DEFAULT 'd'")
    lab.oms.run("incident", "resolve", str(incident["id"]), "--choice", "done-by-hand")
    case.wait_applied()
    case.assert_equal()
    states = [r[0] for r in lab.target.sql("SELECT state FROM oms_meta.ddl WHERE task=%s" % repr(case.project + "/incremental"))]
    assert states


def test_a_table_made_while_the_project_runs_is_copied_if_asked(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1)")
    case.start()
    case.wait_caught_up()
    case.sql("CREATE TABLE n (id INT PRIMARY KEY, v VARCHAR(9) UNIQUE)", "INSERT INTO n VALUES (1,'a'), (2,'b')",
             "CREATE TABLE m (id INT PRIMARY KEY)", "INSERT INTO t VALUES (2,2)")
    for _ in range(2):
        incident = case.wait_incident("DDL_HELD")
        assert "copy-again" in incident["choices"]
        lab.oms.run("incident", "resolve", str(incident["id"]), "--choice", "copy-again")
    case.wait_applied()
    case.sql("UPDATE n SET v = 'c' WHERE id = 1")
    case.wait_applied()
    case.wait_caught_up()
    case.assert_equal()
    with pytest.raises(Exception):
        case.target_sql("INSERT INTO n VALUES (9, 'c')")


def test_rows_that_change_places_with_a_partition_outside_are_copied_again(lab, case):
    case.objects = f'  include: ["{case.db}.t"]\n  rename:\n    - {{from: {case.db}, to: {case.to}}}\n'
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1)",
             "CREATE TABLE parts (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (100),"
             " PARTITION q VALUES LESS THAN MAXVALUE)", "INSERT INTO parts VALUES (2,2), (200,3)")
    case.start()
    case.wait_caught_up()
    case.sql("ALTER TABLE parts EXCHANGE PARTITION p WITH TABLE t")
    incident = case.wait_incident("DDL_HELD")
    lab.oms.run("incident", "resolve", str(incident["id"]), "--choice", "copy-again")
    case.sql("INSERT INTO t VALUES (3,3)")
    case.wait_applied()
    case.wait_caught_up()
    assert case.target.sql(f"SELECT id FROM `{case.to}`.t ORDER BY id") == ((2,), (3,))


def test_a_table_dropped_before_it_could_be_copied_again_is_dropped(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "CREATE TABLE u (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1,1)")
    case.start()
    case.wait_caught_up()
    case.sql("ALTER TABLE t ADD COLUMN w INT", "INSERT INTO t VALUES (2,2,2)", "DROP TABLE t", "INSERT INTO u VALUES (1)")
    incident = case.wait_incident("DDL_HELD")
    lab.oms.run("incident", "resolve", str(incident["id"]), "--choice", "copy-again")
    case.wait_applied()
    assert lab.target.count(f"{case.to}.u") == 1
    assert [t for t, in lab.target.sql(f"SHOW TABLES FROM `{case.to}`")] == ["u"]


def test_a_skipped_ddl_lets_later_rows_through_when_they_fit(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1)")
    case.start()
    case.wait_caught_up()
    case.sql("ALTER TABLE t ADD KEY by_v (v)", "INSERT INTO t VALUES (2,2)")
    incident = case.wait_incident("DDL_HELD")
    lab.oms.run("incident", "resolve", str(incident["id"]), "--choice", "skip")
    case.wait_applied()
    assert lab.target.count(f"{case.to}.t") == 2


def test_release_with_finish_creates_foreign_keys_and_triggers(lab, case):
    case.sql("CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE c (id INT PRIMARY KEY, p INT, n INT DEFAULT 0, KEY (p), "
             "CONSTRAINT fk_p FOREIGN KEY (p) REFERENCES p (id))",
             "CREATE TRIGGER tr BEFORE INSERT ON c FOR EACH ROW SET NEW.n = 7", "INSERT INTO p VALUES (1)",
             "INSERT INTO c (id,p) VALUES (1,1)")
    case.start()
    case.wait_caught_up()
    case.wait_applied()
    lab.oms.run("project", "release", case.project, "--finish")
    case.wait(lambda v: v["state"] == "released", 60, "released")
    with pytest.raises(Exception):
        case.target_sql("INSERT INTO c (id,p) VALUES (9,99)")
    case.target_sql("INSERT INTO c (id,p) VALUES (2,1)")
    assert case.target_sql("SELECT n FROM c WHERE id=2")[0][0] == 7
    sealed = lab.target.sql(f"SELECT MIN(sealed) FROM oms_meta.fence WHERE task LIKE '{case.project}/%'")[0][0]
    assert sealed == 1


def test_plain_release_seals_and_shows_what_was_held_back(lab, case):
    case.sql("CREATE TABLE p (id INT PRIMARY KEY)",
             "CREATE TABLE c (id INT PRIMARY KEY, p INT, KEY (p), CONSTRAINT fk_q FOREIGN KEY (p) REFERENCES p (id))")
    case.start()
    case.wait_caught_up()
    lab.oms.run("project", "release", case.project)
    view = case.wait(lambda v: v["state"] == "released", 60, "released")
    assert all(s["state"] in ("done", "skipped") for s in view["steps"])
    assert "fk_q" in str(view.get("held_ddl")) + str(view.get("objects"))


def test_finish_is_refused_before_it_has_caught_up(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    case.create()
    with pytest.raises(Failed):
        lab.oms.run("project", "release", case.project, "--finish")
