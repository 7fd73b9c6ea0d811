"""Data arrives unchanged to the bit, by copy and by log."""

ALL_TYPES = """CREATE TABLE a (
 id BIGINT UNSIGNED PRIMARY KEY, t1 TINYINT, t2 SMALLINT UNSIGNED, t3 MEDIUMINT, t4 INT UNSIGNED, t8 BIGINT,
 d DECIMAL(65,30), f FLOAT, g DOUBLE, y YEAR, dt DATE, dm DATETIME(6), ts TIMESTAMP(6) NULL, tm TIME(6), b BIT(33),
 e ENUM('a','ö','c'), s SET('x','y','z'), c CHAR(10), v VARCHAR(50), l VARCHAR(50) CHARACTER SET latin1,
 u VARCHAR(50) CHARACTER SET utf16, bi BINARY(6), vb VARBINARY(20), bl LONGBLOB, tx MEDIUMTEXT, j JSON,
 p POINT, uu UUID, i4 INET4, i6 INET6)"""

ROWS = [
    "(18446744073709551615,-128,65535,-8388608,4294967295,-9223372036854775808,-99999999999999999999999999999999999.999999999999999999999999999999,"
    "0.1,0.1,2155,'9999-12-31','9999-12-31 23:59:59.999999','2038-01-19 03:14:07.999999','-838:59:59.999999',b'1',"
    "'ö','x,z','a ','b  ','é','☃😀',X'010200000000',X'0000','\\0',' ','{\"a\":[1,2,{\"b\":null}]}',"
    "POINT(1.5,-2.5),'123e4567-e89b-12d3-a456-426655440000','192.168.0.1','2001:db8::ff00')",
    "(9223372036854775808,0,0,0,0,0,0,-3.40282e38,1.7976931348623157e308,0,'0000-00-00','0000-00-00 00:00:00',NULL,'00:00:00',b'0',"
    "NULL,'','','','','',X'','','','','null',NULL,NULL,NULL,NULL)",
    "(1,1,1,1,1,1,0.000000000000000000000000000001,1.17549e-38,4.9e-324,1901,'2024-02-29','1000-01-01 00:00:00.000001',"
    "'1970-01-01 00:00:01','00:00:00.000001',b'111111111111111111111111111111111','a','x,y,z','😀','😀 ','ÿ','a',X'202020202020',"
    "X'2000',REPEAT('x',70000),REPEAT('é',40000),'[]',POINT(0,0),'ffffffff-ffff-ffff-ffff-ffffffffffff','0.0.0.0','::')",
]


def test_every_type_travels_by_copy_and_by_log(lab, case):
    lab.source.sql("SET GLOBAL sql_mode='ALLOW_INVALID_DATES'")
    try:
        case.sql(ALL_TYPES, *[f"INSERT INTO a VALUES {r}" for r in ROWS], "CREATE TABLE g (id INT PRIMARY KEY)",
                 "INSERT INTO g VALUES (1),(2)", "ALTER TABLE g ADD p POINT NOT NULL, ADD u UUID NOT NULL, ADD e ENUM('x') NOT NULL")
        case.start()
        case.wait_caught_up()
        case.assert_equal()
        case.sql("UPDATE g SET id=id+5", "INSERT INTO g SELECT 1, p, u, e FROM g WHERE id=6", "DELETE FROM g WHERE id=7",
                 "CREATE TEMPORARY TABLE x AS SELECT * FROM a", "DELETE FROM a", "INSERT INTO a SELECT * FROM x",
                 "UPDATE a SET f=f/3, g=g/7, tx=CONCAT(tx,'!'), e='c', bi=X'FF00', id=id-1 WHERE id>5")
        case.wait_applied()
        case.assert_equal()
    finally:
        lab.source.sql("SET GLOBAL sql_mode=DEFAULT")


def test_every_type_travels_when_the_log_names_no_columns(lab, make_case):
    lab.source.sql("SET GLOBAL binlog_row_metadata=NO_LOG", "SET GLOBAL sql_mode='ALLOW_INVALID_DATES'")
    try:
        case = make_case(more='skip_checks: ["source.row_metadata"]\n')
        case.sql(ALL_TYPES, *[f"INSERT INTO a VALUES {r}" for r in ROWS])
        case.start()
        case.wait_caught_up()
        case.sql("CREATE TEMPORARY TABLE x AS SELECT * FROM a", "DELETE FROM a", "INSERT INTO a SELECT * FROM x",
                 "UPDATE a SET f=f/3, g=g/7, tx=CONCAT(tx,'!'), e='c', bi=X'FF00', id=id-1 WHERE id>5")
        case.wait_applied()
        case.assert_equal()
    finally:
        lab.source.sql("SET GLOBAL sql_mode=DEFAULT", "SET GLOBAL binlog_row_metadata=FULL")


def test_keys_that_compare_without_case_and_accents_keep_their_rows(lab, case):
    case.sql("CREATE TABLE k (s VARCHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY, v INT)",
             "INSERT INTO k VALUES ('Ärger',1),('zebra',2),('tail',3)")
    case.start()
    case.wait_caught_up()
    case.sql("UPDATE k SET s='ARGER', v=10 WHERE s='ärger'", "UPDATE k SET s='Zebra' WHERE s='zebra'",
             "DELETE FROM k WHERE s='TAIL'", "INSERT INTO k VALUES ('tail ', 4)")
    case.wait_applied()
    case.assert_equal()


def test_a_table_without_any_key_counts_its_duplicates(lab, case):
    case.sql("CREATE TABLE n (a INT, b VARCHAR(20) COLLATE utf8mb4_general_ci, f DOUBLE)",
             "INSERT INTO n VALUES (1,'x',0.1),(1,'x',0.1),(1,'X',0.1),(NULL,NULL,NULL),(NULL,NULL,NULL)")
    case.start()
    case.wait_caught_up()
    case.sql("DELETE FROM n WHERE a=1 AND BINARY b='x' LIMIT 1", "INSERT INTO n SELECT * FROM n",
             "UPDATE n SET f=f+1 WHERE BINARY b='X' LIMIT 1", "DELETE FROM n WHERE a IS NULL LIMIT 1")
    case.wait_applied()
    case.assert_equal()


def test_swapped_unique_values_and_chains_of_keys_arrive(lab, case):
    case.sql("CREATE TABLE u (id INT PRIMARY KEY, k INT NOT NULL, UNIQUE KEY (k))",
             "INSERT INTO u SELECT seq, seq FROM seq_1_to_200", "CREATE TABLE n (id INT PRIMARY KEY, k INT, UNIQUE KEY (k))",
             "INSERT INTO n SELECT seq, NULL FROM seq_1_to_50")
    case.start()
    case.wait_caught_up()
    assert {o["state"] for o in case.show()["objects"] if o["type"] == "unique indexes"} == {"created"}
    for i in range(1, 100, 2):
        case.sql("BEGIN", f"UPDATE u SET k=-{i} WHERE id={i}", f"UPDATE u SET k={i} WHERE id={i + 1}",
                 f"UPDATE u SET k={i + 1} WHERE id={i}", "COMMIT", f"UPDATE u SET id=id+1000 WHERE id={i}",
                 f"UPDATE n SET k={i} WHERE id={i % 50 + 1} AND k IS NULL")
    case.wait_applied()
    case.assert_equal()


def test_objects_in_and_out_of_scope_and_renamed(lab, make_case):
    case = make_case()
    case.objects = (f'  include: ["{case.db}.*"]\n  exclude: ["{case.db}.tmp_*"]\n  rename:\n'
                    f'    - {{from: {case.db}, to: {case.to}}}\n    - {{from: {case.db}.old, to: {case.to}.new}}\n')
    case.sql("CREATE TABLE old (id INT PRIMARY KEY)", "CREATE TABLE keep (id INT PRIMARY KEY)",
             "CREATE TABLE tmp_x (id INT PRIMARY KEY)", "INSERT INTO old VALUES (1)", "INSERT INTO keep VALUES (1)",
             "INSERT INTO tmp_x VALUES (1)")
    case.start()
    case.wait_caught_up()
    case.sql("INSERT INTO old VALUES (2)", "INSERT INTO tmp_x VALUES (2)", "INSERT INTO keep VALUES (2)")
    case.wait_applied()
    names = {r[0] for r in lab.target.sql(f"SELECT table_name FROM information_schema.tables WHERE table_schema='{case.to}'")}
    assert names == {"new", "keep"}
    assert lab.target.checksum(f"{case.to}.new") == lab.source.checksum(f"{case.db}.old")
    assert lab.target.checksum(f"{case.to}.keep") == lab.source.checksum(f"{case.db}.keep")


def test_strange_names_travel(lab, case):
    name = "tä`b.l e😀"[:8].replace("😀", "x")
    quoted = "`" + name.replace("`", "``") + "`"
    case.sql(f"CREATE TABLE {quoted} (`i``d` INT PRIMARY KEY, `va l` VARCHAR(10))", f"INSERT INTO {quoted} VALUES (1,'x')")
    case.start()
    case.wait_caught_up()
    case.sql(f"INSERT INTO {quoted} VALUES (2,'y')", f"UPDATE {quoted} SET `va l`='z' WHERE `i``d`=1")
    case.wait_applied()
    assert case.target_sql(f"SELECT * FROM {quoted} ORDER BY 1") == ((1, "z"), (2, "y"))


def test_a_planted_difference_is_found_to_the_row(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, f FLOAT, s VARCHAR(20))",
             "INSERT INTO t SELECT seq, seq/3, 'same' FROM seq_1_to_3000", "CREATE TABLE ok (id INT PRIMARY KEY)",
             "INSERT INTO ok VALUES (1)", "CREATE TABLE n (a INT)", "INSERT INTO n VALUES (1),(1)")
    case.start()
    case.wait_caught_up()
    case.target_sql("UPDATE t SET f=f+0.0001 WHERE id=7", "UPDATE t SET s='same ' WHERE id=8", "DELETE FROM t WHERE id=9",
                    "INSERT INTO t VALUES (5000,1,'extra')", "DELETE FROM n LIMIT 1")
    verdicts = case.verify()
    assert verdicts == {"t": "different", "ok": "equal", "n": "different"}
    detail = next(t for t in case.show()["tables"] if t["name"].endswith(".t"))["detail"]
    assert "2 different" in detail and "1 missing" in detail and "1 extra" in detail
    told = case.oms.run("verify", "show", case.project, f"{case.db}.t").stdout
    for row in ("different id='7'", "different id='8'", "missing id='9'", "extra id='5000'"):
        assert row in told
    assert "id=" not in case.oms.run("verify", "show", case.project).stdout


def test_a_transaction_of_many_parts_arrives_whole(lab, case):
    case.sql("CREATE TABLE big (id INT PRIMARY KEY, v VARBINARY(4000))")
    case.start()
    case.wait_caught_up()
    case.sql("INSERT INTO big SELECT seq, REPEAT(CHAR(seq%250), 3000) FROM seq_1_to_12000")
    case.wait_applied(120)
    case.assert_equal()
