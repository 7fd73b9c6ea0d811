"""oms store list, show, dump, trace: against a Store that follows a live source."""
import json
import os
import subprocess

import pytest

from omslab import poll
from omslab.client import Failed


def lines(lab, *argv):
    return [json.loads(line) for line in lab.oms.run("store", *argv).stdout.splitlines()]


def next_place(case):
    domain, _, seq = case.source.gtid().split(",")[-1].split("-")
    return f"mariadb:{domain}={int(seq) + 1}"


@pytest.fixture(scope="module")
def followed(lab):
    case = lab.case()
    case.sql("CREATE TABLE t (a INT, b VARCHAR(20), v VARCHAR(20), n DECIMAL(10,2), d DATETIME(3), raw VARBINARY(8), "
             "e ENUM('x','y'), big BIGINT UNSIGNED, f DOUBLE, PRIMARY KEY (a, b))",
             "CREATE TABLE other (id INT PRIMARY KEY)")
    case.start()
    case.wait_caught_up()
    yield case
    case.end()


def test_a_dump_tells_each_change_with_its_transaction_and_typed_values(lab, followed):
    case, begin = followed, next_place(followed)
    case.sql("INSERT INTO t VALUES (1, 'k', 'gr\u00fc\u00df \"x\"', 12.50, '2026-01-02 03:04:05.678', 0xff00, 'y', 18446744073709551615, 0.1)",
             "UPDATE t SET v = NULL WHERE a = 1", "DELETE FROM t WHERE a = 1", "INSERT INTO other VALUES (7)")
    case.wait_applied()
    got = lines(lab, "dump", case.project, "--from", begin, "--table", f"{case.db}.t")
    assert [r["op"] for r in got] == ["insert", "update", "delete"]
    row = {"a": 1, "b": "k", "v": 'gr\u00fc\u00df "x"', "n": "12.50", "d": "2026-01-02 03:04:05.678", "raw": {"hex": "ff00"},
           "e": "y", "big": 18446744073709551615, "f": 0.1}
    assert got[0]["after"] == row and "before" not in got[0]
    assert got[1]["before"] == row and got[1]["after"] == dict(row, v=None)
    assert got[2]["before"] == dict(row, v=None) and "after" not in got[2]
    assert all(r["table"] == f"{case.db}.t" and r["txn"].startswith("mariadb:1=") and r["commit"].endswith("Z") for r in got)
    everything = lines(lab, "dump", case.project + ".store")
    assert [r["table"] for r in everything if r["kind"] == "change"][-1] == f"{case.db}.other"
    assert len(lines(lab, "dump", case.project, "--from", begin, "--limit", "2")) == 2


def test_a_dump_begins_and_ends_where_it_is_told(lab, followed):
    case, begin = followed, next_place(followed)
    case.sql("SET timestamp = UNIX_TIMESTAMP() - 10", "INSERT INTO other VALUES (1)")
    case.sql("INSERT INTO other VALUES (2)", "SET timestamp = UNIX_TIMESTAMP() + 10", "INSERT INTO other VALUES (3)")
    case.wait_applied()
    everything = lines(lab, "dump", case.project, "--from", begin)
    ids = [r["after"]["id"] for r in everything]
    assert ids == [1, 2, 3]
    txn = [r["txn"] for r in everything]

    def ids_of(*argv):
        return [r["after"]["id"] for r in lines(lab, "dump", case.project, *argv)]
    assert txn[0] == begin
    assert ids_of("--from", txn[1]) == [2, 3]
    assert ids_of("--from", begin, "--to", txn[1]) == [1, 2]
    assert ids_of("--from", txn[1], "--to", txn[1]) == [2]
    assert ids_of("--from", everything[2]["commit"]) == [3]
    assert ids_of("--from", begin, "--to", everything[1]["commit"]) == [1, 2]


def test_a_place_outside_the_log_is_refused_with_the_range_that_exists(lab, followed):
    case = followed
    txn = next_place(case)
    case.sql("INSERT INTO other VALUES (11)")
    case.wait_applied()
    last = int(txn.split("=")[1])
    for place in (f"mariadb:1={last + 1000}", "mariadb:1=1", "mariadb:77=1", "2100-01-01"):
        with pytest.raises(Failed) as e:
            lab.oms.run("store", "dump", case.project, "--from", place)
        assert "STORE_POSITION" in str(e.value) and f"{last}" in str(e.value) and "committed 20" in str(e.value), place
    with pytest.raises(Failed) as e:
        lab.oms.run("store", "dump", case.project, "--from", "yesterday")
    assert "INVALID" in str(e.value) and "mariadb:0=123" in str(e.value)


def test_a_trace_follows_one_row_through_a_change_of_its_key(lab, followed):
    case = followed
    case.sql("INSERT INTO t (a, b, v) VALUES (1, 'x', 'first'), (2, 'x', 'not this one')", "UPDATE t SET v = 'second' WHERE a = 1",
             "UPDATE t SET a = 10, b = 'a,b' WHERE a = 1", "UPDATE t SET v = 'moved' WHERE a = 10", "DELETE FROM t WHERE a = 2",
             "DELETE FROM t WHERE a = 10", "INSERT INTO t (a, b, v) VALUES (10, 'a,b', 'another row'), (1, 'x', 'again')")
    case.wait_applied()
    got = lines(lab, "trace", case.project, "--table", f"{case.db}.t", "--key", "a=1,b=x")
    shown = [((r.get("before") or {}).get("a"), (r.get("after") or {}).get("a"), (r.get("after") or {}).get("v")) for r in got]
    assert shown == [(None, 1, "first"), (1, 1, "second"), (1, 10, "second"), (10, 10, "moved"), (10, None, None), (None, 1, "again")]
    assert [r["txn"] for r in got] == sorted((r["txn"] for r in got), key=lambda t: int(t.split("=")[1]))
    assert [r["after"]["v"] for r in lines(lab, "trace", case.project, "--table", f"{case.db}.t", "--key", "b=a\\,b,a=10")
            if r["op"] == "insert"] == ["another row"]
    with pytest.raises(Failed) as e:
        lab.oms.run("store", "trace", case.project, "--table", f"{case.db}.t", "--key", "a=1")
    assert "a,b" in str(e.value)
    with pytest.raises(Failed) as e:
        lab.oms.run("store", "trace", case.project, "--table", f"{case.db}.t", "--key", "nope=1")
    assert "no column 'nope'" in str(e.value)
    with pytest.raises(Failed) as e:
        lab.oms.run("store", "trace", case.project, "--table", f"{case.db}.t", "--key", "a=one,b=x")
    assert "'one' is no value of column 'a', a whole number" in str(e.value)
    nothing = lab.oms.run("store", "trace", case.project, "--table", f"{case.db}.t", "--key", "a=12345,b=x")
    assert nothing.stdout == "" and "has nothing of it" in nothing.stderr
    assert len(lines(lab, "trace", case.project, "--table", f"`{case.db}`.`t`", "--key", "a=2,b=x")) == 2
    with pytest.raises(Failed) as e:
        lab.oms.run("store", "trace", case.project, "--table", f"{case.db}.nobody", "--key", "a=1,b=x")
    assert "NOT_FOUND" in str(e.value) and "nobody" in str(e.value)


def test_stores_are_listed_with_their_readers_and_shown_with_tables_and_retention(lab, followed):
    case = followed
    case.sql("INSERT INTO other VALUES (12)", "INSERT INTO t (a, b) VALUES (12, '')")
    case.wait_applied()

    def shown():
        s = lab.oms.json("store", "show", case.project)
        return s if s["readers"] and s["readers"][0]["behind_txns"] == 0 and s["tables"] else None
    s = poll.until(shown, 20, "the reader to have all")
    assert s["source"] == "lab-source" and s["state"] == "running" and s["segments"] == 1 and s["bytes"] > 0
    assert s["readers"][0]["name"] == case.project + "/incremental"
    assert s["retention_bytes"] == 10 << 30 and s["retention_hours"] == 168 and not s["purged"]
    assert {t["table"]: t["columns"] for t in s["tables"]} == {f"{case.db}.other": 1, f"{case.db}.t": 9}
    assert s["oldest_us"] <= s["newest_us"]
    listed = {x["id"]: x for x in lab.oms.json("store", "list")["stores"]}
    assert listed[case.project + ".store"]["position"] == s["position"]
    text = lab.oms.run("store", "list").stdout
    assert case.project + ".store" in text and "has all" in text
    assert "no, " not in lab.oms.run("store", "show", case.project).stdout
    with pytest.raises(Failed) as e:
        lab.oms.run("store", "show", case.project + ".incremental")
    assert "no store" in str(e.value)


def test_the_statements_of_users_and_passwords_are_not_in_the_log(lab, followed):
    case = followed
    case.source.sql("CREATE USER spy@localhost IDENTIFIED BY 'very-secret-word'", "GRANT SELECT ON *.* TO spy@localhost",
                    "DROP USER spy@localhost")
    case.sql("INSERT INTO other VALUES (13)")
    case.wait_applied()
    text = lab.oms.run("store", "dump", case.project).stdout
    assert "spy" not in text and "secret" not in text and '"id": 13' in text


def test_a_followed_dump_prints_what_comes_and_ends_with_its_reader(lab, followed):
    case, begin = followed, next_place(followed)
    case.sql("INSERT INTO other VALUES (41)")
    case.wait_applied()
    p = subprocess.Popen([os.path.join(lab.oms.bin, "oms"), "store", "dump", case.project, "--follow", "--from", begin],
                         env=lab.oms.env, stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(p.stdout.readline())["after"] == {"id": 41}
        case.sql("INSERT INTO other VALUES (42)")
        assert json.loads(p.stdout.readline())["after"] == {"id": 42}
    finally:
        p.kill()
        p.wait()
        p.stdout.close()
