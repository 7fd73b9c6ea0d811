"""Definitions that change between rows, followed with DDL sync. From MySQL to MySQL the same is in test_mysql.py."""
import pytest

from test_ddl_sync import definition

BEFORE = [
    "CREATE TABLE digits (d INT PRIMARY KEY)", "INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
    "CREATE TABLE chosen (id INT PRIMARY KEY, e ENUM('a','b','c') NOT NULL DEFAULT 'b', s SET('x','y','z'))",
    "INSERT INTO chosen VALUES (1,'a','x'),(2,'b','y,z'),(3,'c',NULL)",
    "CREATE TABLE chosen_key (e ENUM('a','b','c') PRIMARY KEY, v INT)", "INSERT INTO chosen_key VALUES ('a',1),('b',2),('c',3)",
    "CREATE TABLE wide (id INT PRIMARY KEY, a INT, b VARCHAR(9))", "INSERT INTO wide VALUES (1,1,'one'),(2,2,'two')",
    "CREATE TABLE large (id INT PRIMARY KEY, t TEXT)", "INSERT INTO large VALUES (-1,'copied')"]

ENUMS = [
    "UPDATE chosen SET e='c', s='z' WHERE id=1", "INSERT INTO chosen VALUES (4,'b','x,y')", "UPDATE chosen_key SET v=v+1",
    "ALTER TABLE chosen MODIFY e ENUM('c','d','a','b') NOT NULL DEFAULT 'b', MODIFY s SET('w','z','y','x')",
    "ALTER TABLE chosen_key MODIFY e ENUM('c','b','x','a')",
    "UPDATE chosen SET e='a' WHERE e='c'", "INSERT INTO chosen VALUES (5,'d','w,x')", "INSERT INTO chosen (id) VALUES (6)",
    "DELETE FROM chosen WHERE e='b' AND id=2", "UPDATE chosen_key SET v=v*10 WHERE e='a'", "UPDATE chosen_key SET e='x' WHERE e='b'",
    "DELETE FROM chosen_key WHERE e='c'"]
COLUMNS = [
    "UPDATE wide SET a=a+1", "ALTER TABLE wide ADD COLUMN f INT NOT NULL DEFAULT 7 FIRST, ALGORITHM=INSTANT",
    "UPDATE wide SET a=a+1, f=f+1 WHERE id=1",
    "ALTER TABLE wide ADD COLUMN m VARCHAR(9) DEFAULT 'mid' AFTER a, ALGORITHM=INSTANT", "INSERT INTO wide VALUES (8,3,3,'m','three')",
    "UPDATE wide SET m=NULL, b='x' WHERE id=2", "ALTER TABLE wide DROP COLUMN a, ALGORITHM=INSTANT", "UPDATE wide SET f=f+1",
    "INSERT INTO wide VALUES (9,4,'n','four')", "DELETE FROM wide WHERE id=1"]
MANY = "INSERT INTO large SELECT {n} + a.d*1000 + b.d*100 + c.d*10 + d.d, REPEAT('{x}', 1800) FROM digits a, digits b, digits c, digits d"
KINDS = [
    "CREATE TABLE t (id INT PRIMARY KEY, v INT, KEY old (v))", "INSERT INTO t VALUES (1,1),(2,2)",
    "ALTER TABLE t ADD COLUMN w VARCHAR(10) NOT NULL DEFAULT 'd, x' FIRST", "INSERT INTO t VALUES ('n',3,3)",
    "ALTER TABLE t CHANGE v u BIGINT, DROP KEY old, ADD UNIQUE KEY uq (u)", "INSERT INTO t VALUES ('m',4,40)", "CREATE INDEX by_w ON t (w)",
    "DROP INDEX by_w ON t", "CREATE TABLE made (a INT PRIMARY KEY, b TEXT, t INT, KEY (t), CONSTRAINT f FOREIGN KEY (t) REFERENCES t (id))",
    "INSERT INTO made VALUES (1,'x',NULL),(2,'y',3)", "CREATE TABLE twin LIKE made", "INSERT INTO twin SELECT * FROM made",
    "RENAME TABLE twin TO other", "TRUNCATE TABLE other", "INSERT INTO other VALUES (7,'z',9)", "ALTER TABLE made DROP FOREIGN KEY f",
    "CREATE TABLE gone (id INT PRIMARY KEY)", "INSERT INTO gone VALUES (1)", "DROP TABLE gone",
    "ALTER TABLE t CONVERT TO CHARACTER SET latin1", "UPDATE t SET u = u + 1 ORDER BY u DESC", "ALTER TABLE other RENAME TO last"]


def emptied(n):
    """Of ten thousand rows: more than is kept in memory at once, on either side of the statement."""
    some = f" WHERE a.d < {n // 1000}"
    return [MANY.format(n=0, x="o") + some, "TRUNCATE TABLE large", MANY.format(n=500, x="n") + some, "UPDATE large SET t='!' WHERE id % 3 = 0"]


def assert_followed(case, *tables):
    assert case.show()["incidents"] == []
    for t in tables:
        assert definition(case.source, case.db, t) == definition(case.target, case.to, t), t
        assert case.source.contents(f"{case.db}.{t}") == case.target.contents(f"{case.to}.{t}"), t


@pytest.fixture(scope="module")
def followed(lab):
    case = lab.case(more="ddl: {sync: true}\n")
    case.sql(*BEFORE)
    case.start()
    case.wait_caught_up()
    case.sql(*ENUMS, *COLUMNS, *emptied(10000))
    case.wait_applied(120)
    yield case
    case.end()


def test_an_enum_that_is_reordered_in_mid_stream_keeps_its_meaning(followed):
    assert_followed(followed, "chosen", "chosen_key")


def test_columns_added_first_and_in_between_at_once_keep_their_values(followed):
    assert_followed(followed, "wide")


def test_a_truncate_between_large_transactions_takes_only_what_was_before(followed):
    assert_followed(followed, "large")
    assert followed.target.count(f"{followed.to}.large") == 10000
