"""Somebody wrote to the target: what the target does not take is shown with its evidence, and decided by a person or by the project's policy."""
from omslab import poll

TABLES = ("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), u INT, UNIQUE KEY (u))",
          "INSERT INTO t VALUES (1,'a',1), (2,'b',2), (3,'c',3), (4,'d',4)")


def follow(case):
    case.sql(*TABLES)
    case.start()
    case.wait_caught_up()
    return case


def resolve(case, choice):
    incident = case.wait_incident("TARGET_CONFLICT")
    case.oms.run("incident", "resolve", str(incident["id"]), "--choice", choice)
    return incident


def closed(case, incident):
    poll.until(lambda: all(i["id"] != incident["id"] for i in case.show()["incidents"]), 60, "the incident to be over")


def rows(case):
    return sorted(tuple(r) for r in case.target_sql("SELECT id, v, u FROM t"))


def left_out(case, columns):
    return [tuple(r) for r in case.target.sql(f"SELECT {columns} FROM oms_meta.skipped WHERE task='{case.project}/incremental' ORDER BY n")]


def test_a_conflict_waits_for_a_person_with_its_evidence(make_case):
    case = follow(make_case())
    case.target_sql("INSERT INTO t VALUES (9,'theirs',9)", "DELETE FROM t WHERE id=2", "DELETE FROM t WHERE id=3")
    case.sql("BEGIN", "INSERT INTO t VALUES (8,'ok',8)", "INSERT INTO t VALUES (9,'ours',90)",
             "UPDATE t SET v='x' WHERE id=2", "DELETE FROM t WHERE id=3", "COMMIT")
    first = resolve(case, "source-wins")
    for part in (f"insert of {case.db}.t", "id=9", "v='ours'", "v='theirs'", "1062", "transaction mariadb:"):
        assert part in first["evidence"], first["evidence"]
    closed(case, first)
    shown = [i for i in case.oms.json("incident", "list", case.project)["incidents"] if i["id"] == first["id"]]
    assert not shown, "what is over is not listed"
    second = resolve(case, "skip")
    assert f"update of {case.db}.t" in second["evidence"] and "the target's row: none" in second["evidence"]
    closed(case, second)
    third = resolve(case, "source-wins")
    assert f"delete of {case.db}.t" in third["evidence"]
    case.wait_applied()
    assert rows(case) == [(1, "a", 1), (4, "d", 4), (8, "ok", 8), (9, "ours", 90)]
    assert left_out(case, "op, CONVERT(row_key USING utf8mb4), CONVERT(`after` USING utf8mb4)") == [("update", "id=2", "id=2, v='x', u=2")]


def test_with_source_wins_only_a_third_row_waits(make_case):
    case = follow(make_case(more="incremental: {conflict: source-wins}\n"))
    case.target_sql("INSERT INTO t VALUES (9,'theirs',9)", "DELETE FROM t WHERE id=2", "UPDATE t SET u=77 WHERE id=4")
    case.sql("INSERT INTO t VALUES (9,'ours',9)", "UPDATE t SET v='x' WHERE id=2", "DELETE FROM t WHERE id=3")
    case.wait_applied()
    assert rows(case) == [(1, "a", 1), (2, "x", 2), (4, "d", 77), (9, "ours", 9)]
    case.sql("INSERT INTO t VALUES (10,'third',77)")
    incident = case.wait_incident("TARGET_CONFLICT")
    assert "source-wins" not in incident["choices"] and "never deleted" in incident["evidence"]
    assert "holds a unique value of it: id='4', v='d', u='77'" in incident["evidence"]
    case.target_sql("UPDATE t SET u=4 WHERE id=4")
    case.oms.run("incident", "resolve", str(incident["id"]), "--choice", "retry")
    case.wait_applied()
    case.assert_equal()


def test_with_skip_and_record_nothing_waits_and_all_is_listed(make_case):
    case = follow(make_case(more="incremental: {conflict: skip-and-record}\n"))
    case.target_sql("INSERT INTO t VALUES (9,'theirs',9)", "DELETE FROM t WHERE id=2")
    case.sql("BEGIN", "INSERT INTO t VALUES (9,'ours',90)", "UPDATE t SET v='x' WHERE id=2", "INSERT INTO t VALUES (5,'e',5)", "COMMIT")
    case.wait_applied()
    assert (5, "e", 5) in rows(case) and (9, "theirs", 9) in rows(case)
    assert not case.show()["incidents"]
    assert left_out(case, "op, CONVERT(row_key USING utf8mb4)") == [("insert", "id=9"), ("update", "id=2")]
    listed = case.oms.json("project", "skipped", case.project)["skipped"]
    assert [(r["op"], r["key"], r["change"], r["source_before"]) for r in listed[:1]] == [("insert", "id=9", 1, None)], listed


def test_the_evidence_shows_values_as_people_write_them(make_case):
    case = make_case()
    case.sql("CREATE TABLE k (d DATE, e ENUM('no','yes'), at DATETIME(6), f DOUBLE, m DECIMAL(9,2), s TIME, b VARBINARY(4),"
             " l VARCHAR(9) CHARACTER SET latin1, PRIMARY KEY (d, e))")
    case.start()
    case.wait_caught_up()
    case.target_sql("INSERT INTO k VALUES ('2026-01-02','yes',NULL,NULL,NULL,NULL,NULL,NULL)")
    case.sql("INSERT INTO k VALUES ('2026-01-02','yes','2026-01-02 03:04:05.678901',1.5,-7.10,'-01:02:03',x'00ff','\u00e9')")
    evidence = case.wait_incident("TARGET_CONFLICT")["evidence"]
    assert "where d='2026-01-02', e='yes';" in evidence, evidence
    assert "at='2026-01-02 03:04:05.678901', f=1.5, m='-7.10', s='-01:02:03', b=0x00ff, l=0xe9)" in evidence, evidence
