"""Traps that caught others, each with its tables: copied, followed, compared by bytes. docs/traps.md has the list.

All traps share one project: a trap names what is there before the copy and what happens after it.
"""
import os
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, os.path.join(ROOT, "test", "proof"))
from sides import difference  # noqa: E402

TRAPS = []


def trap(before, after):
    """before, after: statements of one session each, in the source's database."""
    def keep(test):
        TRAPS.append((test.__name__, before, after))
        return test
    return keep


@pytest.fixture(scope="module")
def same(lab):
    case = lab.case(more="full: {chunk_target_ms: 50}\n")
    for _, before, _ in TRAPS:
        case.sql("SET sql_mode='', time_zone='+08:00'", *before)
    case.start()
    case.wait_caught_up(120)
    for _, _, after in TRAPS:
        case.sql("SET sql_mode='', time_zone='+08:00'", *after)
    case.wait_applied(120)

    def check(*tables):
        for t in tables:
            different = difference(lab.source, case.db, lab.target, case.to, t)
            assert different is None, different
    yield check
    case.end()


@trap(["CREATE TABLE swap (id INT PRIMARY KEY, u INT, UNIQUE (u))", "INSERT INTO swap VALUES (1,10),(2,20),(3,30),(4,NULL)"],
      ["BEGIN", "UPDATE swap SET u=NULL WHERE id=1", "UPDATE swap SET u=10 WHERE id=2", "UPDATE swap SET u=20 WHERE id=1", "COMMIT",
       "UPDATE swap SET u=-1 WHERE id=3", "UPDATE swap SET u=30 WHERE id=1", "UPDATE swap SET u=20 WHERE id=3",
       "BEGIN", "DELETE FROM swap WHERE id=2", "INSERT INTO swap VALUES (5,10)", "UPDATE swap SET id=2 WHERE id=5", "COMMIT"])
def test_values_of_a_unique_key_change_places_in_one_transaction_and_across(same):
    same("swap")


def _collations(after):
    out = []
    for i, c in enumerate(("utf8mb4_general_ci", "utf8mb4_bin", "utf8mb4_unicode_nopad_ci", "uca1400_as_ci")):
        t = f"coll{i}"
        out += [f"UPDATE IGNORE {t} SET k='A', v=1 WHERE k='a'", f"UPDATE IGNORE {t} SET u='X ' WHERE u='x'",
                f"UPDATE IGNORE {t} SET k='á' WHERE k='A'",
                f"DELETE FROM {t} WHERE k='B'", f"INSERT IGNORE INTO {t} VALUES ('á ','ý',7),('B  ','z',8)",
                f"UPDATE {t} SET v=v+1 WHERE k='a '"] if after else [
            f"CREATE TABLE {t} (k VARCHAR(9) CHARACTER SET utf8mb4 COLLATE {c} PRIMARY KEY, "
            f"u CHAR(9) CHARACTER SET utf8mb4 COLLATE {c} UNIQUE, v INT)",
            f"INSERT IGNORE INTO {t} VALUES ('a','x',1),('A ','x ',2),('á','X',3),('b','y',4)"]
    return out


@trap(_collations(False), _collations(True))
def test_case_accents_and_trailing_spaces_under_four_collations(same):
    same("coll0", "coll1", "coll2", "coll3")


@trap(["CREATE TABLE nulls (id INT PRIMARY KEY, a INT, b INT, UNIQUE (a,b))", "INSERT INTO nulls VALUES (1,1,NULL),(2,1,NULL),(3,NULL,NULL)"],
      ["INSERT INTO nulls VALUES (4,1,NULL),(5,NULL,NULL),(6,1,1)", "UPDATE nulls SET b=2 WHERE id=1", "UPDATE nulls SET b=NULL WHERE id=6",
       "DELETE FROM nulls WHERE id=3"])
def test_nulls_in_a_unique_key_are_no_key(same):
    same("nulls")


@trap(["CREATE TABLE prefix (id INT PRIMARY KEY, c VARCHAR(30) NOT NULL, UNIQUE (c(3)))", "INSERT INTO prefix VALUES (1,'abcX'),(2,'äöüX')"],
      ["UPDATE prefix SET c='abcY' WHERE id=1", "BEGIN", "UPDATE prefix SET c='-' WHERE id=1", "UPDATE prefix SET c='ABC' WHERE id=2",
       "UPDATE prefix SET c='äöüZ' WHERE id=1", "COMMIT", "DELETE FROM prefix WHERE id=1", "INSERT INTO prefix VALUES (3,'äöü')"])
def test_a_unique_key_over_a_prefix(same):
    same("prefix")


@trap(["CREATE TABLE expr (id INT PRIMARY KEY, v INT, g INT AS (v % 100) VIRTUAL, UNIQUE (g))", "INSERT INTO expr (id,v) VALUES (1,101),(2,202)"],
      ["UPDATE expr SET v=303 WHERE id=1", "UPDATE expr SET v=401 WHERE id=2", "INSERT INTO expr (id,v) VALUES (3,902)",
       "BEGIN", "DELETE FROM expr WHERE id=3", "UPDATE expr SET v=2 WHERE id=1", "COMMIT"])
def test_a_unique_key_over_an_expression(same):
    same("expr")


@trap(["CREATE TABLE chain (id INT PRIMARY KEY, v INT)", "INSERT INTO chain SELECT seq, seq FROM seq_1_to_50"],
      ["BEGIN", "UPDATE chain SET id=100 WHERE id=1", "UPDATE chain SET id=101 WHERE id=100", "UPDATE chain SET v=7 WHERE id=101",
       "UPDATE chain SET id=1 WHERE id=101", "COMMIT", "UPDATE chain SET id=id+1 ORDER BY id DESC",
       "BEGIN", "DELETE FROM chain WHERE id=20", "INSERT INTO chain VALUES (20,0)", "DELETE FROM chain WHERE id=20", "COMMIT"])
def test_chains_of_primary_keys_within_one_transaction(same):
    same("chain")


@trap(["CREATE TABLE image (id INT PRIMARY KEY, a INT, b BLOB, c TEXT)", "INSERT INTO image VALUES (1,1,'b','c'),(2,2,NULL,'c')"],
      ["SET SESSION binlog_row_image=MINIMAL", "UPDATE image SET a=5 WHERE id=1", "INSERT INTO image (id,a) VALUES (3,3)",
       "DELETE FROM image WHERE id=2", "SET SESSION binlog_row_image=NOBLOB", "UPDATE image SET a=6 WHERE id=1", "UPDATE image SET b='x' WHERE id=3"])
def test_a_session_that_logs_less_than_whole_images(same):
    same("image")


@trap(["CREATE TABLE zero (id INT PRIMARY KEY, d DATE, t DATETIME, s TIMESTAMP NULL, y YEAR)",
       "INSERT INTO zero VALUES (1,'0000-00-00','0000-00-00 00:00:00',0,0),(2,'2024-00-10','2024-01-00 00:00:00',NULL,2000)"],
      ["INSERT INTO zero VALUES (3,'0000-00-00','2024-00-00 01:02:03',0,'0000')", "UPDATE zero SET d='0000-00-00', s=0 WHERE id=2",
       "DELETE FROM zero WHERE id=1"])
def test_zero_dates_and_dates_with_zero_parts(same):
    same("zero")


@trap(["CREATE TABLE moments (id INT PRIMARY KEY, t TIMESTAMP(3) NULL, k TIMESTAMP NOT NULL DEFAULT '2000-01-01', UNIQUE (k))",
       "INSERT INTO moments VALUES (1,'1970-01-01 08:00:01','1970-01-01 08:00:01'),(2,FROM_UNIXTIME(1729987200),FROM_UNIXTIME(1729987199))"],
      ["INSERT INTO moments VALUES (3,FROM_UNIXTIME(1729990799.999),FROM_UNIXTIME(1729990799)),(4,'2038-01-19 11:14:07','2038-01-19 11:14:07')",
       "SET time_zone='-11:00'", "UPDATE moments SET t='2024-03-31 02:30:00' WHERE id=1", "DELETE FROM moments WHERE k=FROM_UNIXTIME(1729987199)"])
def test_timestamps_at_both_ends_and_where_clocks_change(same):
    same("moments")


@trap(["CREATE TABLE large (id BIGINT UNSIGNED PRIMARY KEY, v INT)",
       "INSERT INTO large SELECT 9223372036854775807 - 10000 + seq, seq FROM seq_1_to_20000",
       "INSERT INTO large VALUES (18446744073709551615,0),(0,0)"],
      ["UPDATE large SET v=-1 WHERE id >= 9223372036854775808 LIMIT 50", "DELETE FROM large WHERE id=18446744073709551615",
       "UPDATE large SET id=18446744073709551614 WHERE id=0"])
def test_unsigned_keys_beyond_the_signed_range_are_cut_into_chunks(same):
    same("large")


@trap(["CREATE TABLE bytes (k BINARY(16) PRIMARY KEY, v VARBINARY(9), UNIQUE (v))",
       "INSERT INTO bytes VALUES (X'00',X'00'),(X'20',X''),(X'6100',X'6120'),(X'6120',X'61'),(REPEAT(X'FF',16),X'6100')"],
      ["UPDATE bytes SET v=X'2000' WHERE k=CAST(X'6100' AS BINARY(16))", "DELETE FROM bytes WHERE k=CAST(X'20' AS BINARY(16))",
       "INSERT INTO bytes VALUES (X'2000',X'')", "UPDATE bytes SET v=X'00FF' WHERE v=X'6100'",
       "UPDATE bytes SET k=X'61000020', v=X'6100' WHERE k=CAST(X'6120' AS BINARY(16))",
       "UPDATE bytes SET k=X'6120' WHERE k=REPEAT(X'FF',16)"])
def test_binary_keys_that_end_in_zero_bytes_and_spaces(same):
    same("bytes")


@trap(["CREATE TABLE twins (a INT, b CHAR(5), c DOUBLE)",
       "INSERT INTO twins VALUES (1,'x',0.1),(1,'x',0.1),(1,'X',-0e0),(NULL,NULL,NULL),(NULL,NULL,NULL)"],
      ["INSERT INTO twins SELECT * FROM twins", "DELETE FROM twins WHERE a=1 LIMIT 2", "UPDATE twins SET c=7 WHERE a IS NULL LIMIT 1",
       "BEGIN", "INSERT INTO twins VALUES (9,'',0),(9,'',0)", "DELETE FROM twins WHERE a=9 LIMIT 1", "COMMIT"])
def test_equal_rows_without_a_key_are_counted(same):
    same("twins")


@trap(["CREATE TABLE empty (id INT PRIMARY KEY)", "CREATE TABLE single (id INT PRIMARY KEY)", "INSERT INTO single VALUES (5)",
       "CREATE TABLE empty_nokey (a INT)"],
      ["INSERT INTO empty VALUES (-1)", "UPDATE single SET id=-2147483648", "INSERT INTO single VALUES (2147483647)",
       "INSERT INTO empty_nokey VALUES (1),(1)"])
def test_an_empty_table_and_one_of_one_row_grow_at_both_ends(same):
    same("empty", "single", "empty_nokey")


WIDE = ", ".join(f"c{i} TINYINT" for i in range(1, 1017))


@trap([f"CREATE TABLE wide (id INT PRIMARY KEY, {WIDE})", "INSERT INTO wide (id, c1, c1016) VALUES (1,1,-1),(2,NULL,2)",
       "CREATE TABLE long_row (id INT PRIMARY KEY, v VARCHAR(65000) CHARACTER SET latin1)", "INSERT INTO long_row VALUES (1,REPEAT('é',65000))",
       "CREATE TABLE blobs (id INT PRIMARY KEY, b LONGBLOB)", "INSERT INTO blobs VALUES (1,REPEAT(X'00FF',10000000))"],
      ["UPDATE wide SET c500=7, c1016=0", "INSERT INTO wide (id) VALUES (3)", "UPDATE long_row SET v=CONCAT('x',LEFT(v,64999))",
       "INSERT INTO blobs VALUES (2,REPEAT(X'0127',10000000))", "UPDATE blobs SET b=CONCAT(b,'!') WHERE id=1"])
def test_the_widest_table_the_longest_row_and_rows_beyond_one_packet(same):
    same("wide", "long_row", "blobs")


NAMES = ["x" * 64, "a.b", "q``t", "Mixed", "mixed", "ta b", "日本"]


@trap([s for n in NAMES for s in (f"CREATE TABLE `{n}` (`i.d` INT PRIMARY KEY, `v``` INT)", f"INSERT INTO `{n}` VALUES (1,1)")],
      [s for n in NAMES for s in (f"INSERT INTO `{n}` VALUES (2,2)", f"UPDATE `{n}` SET `v```=3 WHERE `i.d`=1")])
def test_names_with_dots_backticks_spaces_and_of_full_length(same):
    same(*[n.replace("``", "`") for n in NAMES])
