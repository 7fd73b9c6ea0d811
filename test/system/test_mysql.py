"""MySQL of Debian's sid beside MariaDB: as the source of the whole main job. Skipped, and counted, where it cannot be fetched."""
import os
import random
import signal
import threading

import pytest
import test_ddl_traps as traps
from omslab import shop
from omslab.servers import MySQL, mysql_absent


@pytest.fixture(scope="module")
def mysql(lab):
    if mysql_absent():
        pytest.skip("no MySQL server here: " + mysql_absent())
    server = MySQL(lab.dir, "mysql", 31, ["--innodb-buffer-pool-size=128M"]).create().start()
    print("MySQL", server.one("SELECT VERSION()"))
    try:
        server.add_user()
        lab.oms.add_datasource("lab-mysql", server)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def mysql2(lab, mysql):
    server = MySQL(lab.dir, "mysql2", 32, ["--innodb-buffer-pool-size=128M"]).create().start()
    try:
        server.add_user()
        lab.oms.add_datasource("lab-mysql2", server)
        yield server
    finally:
        server.stop()


def kill(lab, component):
    pid = lab.oms.pid(component)
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def assert_same(case, tables):
    for t in tables:
        order = {"items": "1, 2", "sessions": "1"}.get(t, "1")
        if t == "audit":
            order = "n"
        a, b = case.source.contents(f"{case.db}.{t}", order), case.target.contents(f"{case.to}.{t}", order)
        assert a == b, f"{t}: source {a}, target {b}"


def test_a_live_mysql_moves_to_mariadb_under_kills(lab, make_case, mysql, seed):
    case = make_case(source=mysql)
    mysql.sql(f"DROP DATABASE `{case.db}`")
    shop.fill(mysql, case.db, rows=30_000)
    load = shop.Load(mysql, case.db, per_second=80, seed=seed).start()
    try:
        case.start()
        case.wait(lambda v: case.step("full", v).get("state") in ("running", "done"), 60, "the copy to begin")
        for name in ("full", "store", "full"):
            kill(lab, f"{case.project}.{name}")
        case.wait_step("full", "done", 120)
        case.wait_caught_up(90)
        for name in ("incremental", "store"):
            kill(lab, f"{case.project}.{name}")
            case.wait_applied(90)
            assert shop.money(lab.target, case.to) == shop.SUM
    finally:
        load.stop()
    case.wait_applied(90)
    assert_same(case, shop.TABLES)
    assert case.verify() == {t: "equal" for t in shop.TABLES}


def test_a_live_mysql_without_gtids_moves_to_mariadb_under_kills(lab, make_case, seed):
    if mysql_absent():
        pytest.skip("no MySQL server here: " + mysql_absent())
    source = MySQL(lab.dir, "mysql-plain", 33, ["--innodb-buffer-pool-size=128M", "--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"])
    source.create().start()
    try:
        source.add_user()
        lab.oms.add_datasource("lab-mysql-plain", source)
        case = make_case(source=source)
        source.sql(f"DROP DATABASE `{case.db}`")
        shop.fill(source, case.db, rows=6_000)
        load = shop.Load(source, case.db, per_second=80, seed=seed).start()
        try:
            case.start()
            case.wait(lambda v: case.step("full", v).get("state") in ("running", "done"), 60, "the copy to begin")
            for name in ("full", "store"):
                kill(lab, f"{case.project}.{name}")
            case.wait_step("full", "done", 120)
            case.wait_caught_up(90)
            for name in ("incremental", "store"):
                source.sql("FLUSH BINARY LOGS")
                kill(lab, f"{case.project}.{name}")
                case.wait_applied(90)
                assert shop.money(lab.target, case.to) == shop.SUM
        finally:
            load.stop()
        case.wait_applied(90)
        assert_same(case, shop.TABLES)
        assert case.verify() == {t: "equal" for t in shop.TABLES}
    finally:
        source.stop()


def test_mysql_is_a_target_for_both_families(lab, make_case, mysql, mysql2):
    for source in (mysql, lab.source):
        case = make_case(source=source, target=mysql2)
        source.sql(f"DROP DATABASE `{case.db}`", f"CREATE DATABASE `{case.db}` CHARACTER SET utf8mb4", f"USE `{case.db}`",
                   *[shop.for_mysql(s) for s in shop.SCHEMA.split(";\n") if s.strip()])
        fill_small(source, case.db)
        source.sql(f"CREATE TABLE `{case.db}`.alarms (at TIME(6) PRIMARY KEY, n INT)")
        tables = [*shop.TABLES, "alarms"]
        if source is mysql:
            source.sql(f"USE `{case.db}`", "CREATE TABLE vectors (n INT PRIMARY KEY, v VECTOR(3))",
                       "INSERT INTO vectors VALUES (1, STRING_TO_VECTOR('[1,-2.5,3e38]')), (2, NULL)")
            tables.append("vectors")
        case.start()
        case.wait_caught_up(90)
        source.sql(f"USE `{case.db}`", "UPDATE customers SET balance = balance + 1, prefs = JSON_SET(prefs, '$.n', 7) WHERE id % 2",
                   "UPDATE customers SET flags = 1, level = 'gold', tags = 'a,d' WHERE id % 3 = 0", "DELETE FROM items WHERE line_no = 1",
                   "UPDATE sessions SET token = UNHEX(REPEAT('0a', 16)) WHERE customer_id = 3")
        kill(lab, f"{case.project}.incremental")
        source.sql(f"USE `{case.db}`", "INSERT INTO orders (id, customer_id, status, total, created) VALUES (999, 1, 'done', -0.01, NOW(6))",
                   # MySQL refuses times of the last second as binary parameters
                   "INSERT INTO alarms VALUES ('838:59:58.999999', 1), ('-838:59:58.999999', 1), ('-00:00:00.000001', 1), ('00:00:00', 1)",
                   "UPDATE alarms SET n = 2", "DELETE FROM alarms WHERE at = '-838:59:58.999999'")
        case.wait_applied(60)
        if source is mysql:
            source.sql(f"INSERT INTO `{case.db}`.vectors VALUES (3, STRING_TO_VECTOR('[0.1]'))")
            case.wait_applied(60)
        assert_same(case, tables)
        assert case.verify() == {t: "equal" for t in tables}

def test_definitions_that_change_are_followed_from_mysql_to_mysql(lab, make_case, mysql, mysql2):
    case = make_case(source=mysql, target=mysql2, more="ddl: {sync: true}\n")
    case.sql(*traps.BEFORE)
    case.start()
    case.wait_caught_up()
    case.sql(*traps.ENUMS, *traps.COLUMNS, *traps.emptied(1000), *traps.KINDS)
    case.wait_applied()
    traps.assert_followed(case, "chosen", "chosen_key", "wide", "large", "t", "made", "last")
    there = mysql2.sql(f"SELECT table_name FROM information_schema.tables WHERE table_schema='{case.to}'")
    assert sorted(r[0] for r in there) == sorted(case.tables())


def test_what_means_the_same_in_both_products_is_followed_and_the_rest_is_held(lab, make_case, mysql, mysql2):
    for source, target in ((lab.source, mysql2), (mysql, lab.target)):
        case = make_case(source=source, target=target, more="ddl: {sync: true}\n")
        case.sql("CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20), KEY by_v (v))", "CREATE TABLE b (id INT PRIMARY KEY, v INT)",
                 "CREATE TABLE c (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1,'x'),(2,'y')", "INSERT INTO b VALUES (1,1)")
        case.start()
        case.wait_caught_up()
        case.sql("UPDATE a SET v='z'", "DROP INDEX by_v ON a", "INSERT INTO a VALUES (3,'w')", "TRUNCATE TABLE b", "INSERT INTO b VALUES (5,5)",
                 "CREATE TABLE d LIKE a", "INSERT INTO d SELECT * FROM a", "RENAME TABLE a TO e, b TO a, e TO b", "INSERT INTO a VALUES (6,6)",
                 "INSERT INTO b VALUES (7,'was a')", "DROP TABLE c", "ALTER TABLE d ADD COLUMN n INT", "INSERT INTO a VALUES (8,8)")
        held = case.wait_incident("DDL_HELD")
        assert "different products" in held["evidence"] and "ADD COLUMN n" in held["evidence"]
        case.target_sql("ALTER TABLE d ADD COLUMN n INT")
        lab.oms.run("incident", "resolve", str(held["id"]), "--choice", "done-by-hand")
        case.wait_applied()
        assert sorted(case.tables()) == ["a", "b", "d"]
        assert_same(case, ["a", "b", "d"])
        there = target.sql(f"SELECT table_name FROM information_schema.tables WHERE table_schema='{case.to}'")
        assert sorted(r[0] for r in there) == ["a", "b", "d"]
        assert "by_v" not in target.sql(f"SHOW CREATE TABLE `{case.to}`.b")[0][1]


def fill_small(server, db):
    for n in range(1, 31):
        server.sql(
            f"USE `{db}`",
            f"INSERT INTO customers (email, name, nick, balance, exact, rating, score, born, joined, seen, alarm, since, vip, level, tags,"
            f" flags, small, medium, prefs, photo, token, about) VALUES ('c{n}@x', 'Zoë ☃ 😀 {n}', 'é', {n}.25, {n}.0000000001, {n}/3, {n}/7,"
            f" '1999-12-31', '2020-01-01 00:00:00.000{n:03d}', '2021-01-01 10:00:00.5', '-12:34:56.78', {1970 + n}, 1, 'silver', 'b,c', {n},"
            f" -{n}, {n}, '{{\"n\": {n}, \"s\": \"ü\"}}', 0x00FF0A27{n:02d}, 0x{n:02d}000A0D, 'text {n}')",
            f"INSERT INTO orders (id, customer_id, status, total, created) VALUES ({n}, {n}, 'new', {n}.5, '2024-02-29 23:59:59.999999')",
            f"INSERT INTO items VALUES ({n}, 0, 'sku', {n}, 1.5, {n}/3), ({n}, 1, 'sku2', 1, 2, 0.1)",
            f"INSERT INTO sessions VALUES (UNHEX(REPEAT('{n:02d}', 16)), {n}, '2024-01-01 00:00:00.125', 0x00{n:02d})",
            "INSERT INTO audit VALUES ('2024-01-01', 'u', 'w', 0.5)")
    server.sql(f"INSERT INTO `{db}`.accounts VALUES (1, 1000)", f"INSERT INTO `{db}`.ledger VALUES (1, 0)")


def test_keys_that_order_otherwise_on_the_target_are_compared_all_the_same(lab, make_case, mysql):
    rnd = random.Random(5)
    keys = {"".join(chr(rnd.choice([rnd.randint(0x20, 0x7e), rnd.randint(0xa1, 0x2af), rnd.randint(0x2000, 0x2bff),
                                    rnd.randint(0x1f300, 0x1fad0)])) for _ in range(4)).rstrip() + f"~{n}" for n in range(24000)}
    case = make_case(source=mysql)
    case.sql("CREATE TABLE words (w VARCHAR(40) PRIMARY KEY, n INT, KEY (n))")
    connection = mysql.connect(case.db)
    with connection.cursor() as c:
        c.executemany("INSERT INTO words VALUES (%s, %s)", [(k, i) for i, k in enumerate(sorted(keys))])
    connection.close()
    case.start()
    case.wait_caught_up(60)
    case.sql("UPDATE words SET n = n + 1 WHERE n % 3 = 0", "DELETE FROM words WHERE n % 7 = 0")
    case.wait_applied(60)
    order = "CAST(w AS BINARY)"
    assert mysql.contents(f"{case.db}.words", order) == lab.target.contents(f"{case.to}.words", order)
    assert case.verify() == {"words": "equal"}
    case.target_sql("UPDATE words SET n = -5 ORDER BY n LIMIT 1")
    assert case.verify() == {"words": "different"}


def test_a_table_without_any_key_is_copied_and_followed_under_load(lab, make_case, mysql):
    case = make_case(source=mysql)
    case.sql("CREATE TABLE n (a INT, b VARCHAR(20), d DECIMAL(9,2))")
    connection = mysql.connect(case.db)
    with connection.cursor() as c:
        c.executemany("INSERT INTO n VALUES (%s, %s, %s)", [(i % 50, f"row {i % 7}", i % 3) for i in range(3000)])
    over, failed = threading.Event(), []

    def write():
        try:
            with connection.cursor() as c:
                n = 0
                while not over.is_set():
                    n += 1
                    for s in ("BEGIN", f"INSERT INTO n VALUES ({n % 50}, 'row {n % 7}', 1), (NULL, NULL, NULL)",
                              f"DELETE FROM n WHERE a = {n % 50} AND b = 'row {n % 7}' LIMIT 1", "COMMIT"):
                        c.execute(s)
                    over.wait(0.02)
        except Exception as e:
            failed.append(e)
    load = threading.Thread(target=write)
    load.start()
    try:
        case.start()
        case.wait(lambda v: case.step("full", v).get("state") in ("running", "done"), 60, "the copy to begin")
        kill(lab, f"{case.project}.full")
        case.wait_caught_up(120)
    finally:
        over.set()
        load.join()
        connection.close()
    assert not failed
    case.wait_applied(120)
    assert mysql.contents(f"{case.db}.n", "1, 2, 3") == lab.target.contents(f"{case.to}.n", "1, 2, 3")


def test_keys_that_a_mysql_table_had_are_as_they_were(lab, make_case, mysql2):
    case = make_case(target=mysql2)
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL, u VARCHAR(40), v VARCHAR(40), UNIQUE KEY u (u))",
             "INSERT INTO t SELECT seq, seq, CONCAT('u', seq), CONCAT('v', seq) FROM seq_1_to_2000")
    mysql2.sql(f"CREATE DATABASE `{case.to}` CHARACTER SET utf8mb4", f"USE `{case.to}`",
               "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL, u VARCHAR(40) COLLATE utf8mb4_general_ci, "
               "v VARCHAR(40) COLLATE utf8mb4_general_ci, UNIQUE KEY u (u DESC) COMMENT 'it''s, (so)', UNIQUE KEY hidden (v(10), n) INVISIBLE, "
               "UNIQUE KEY upper ((UPPER(u)), id), UNIQUE KEY needed (n), KEY plain (v))",
               "CREATE TABLE child (n INT, FOREIGN KEY (n) REFERENCES t (n))")
    before = mysql2.sql(f"SHOW CREATE TABLE `{case.to}`.t")
    case.start()
    case.wait_caught_up(90)
    assert mysql2.sql(f"SHOW CREATE TABLE `{case.to}`.t") == before
    case.sql("UPDATE t SET u = 'free' WHERE id = 1", "UPDATE t SET u = 'u1' WHERE id = 2", "UPDATE t SET u = 'u2' WHERE id = 1")
    case.wait_applied()
    assert case.verify() == {"t": "equal"}
