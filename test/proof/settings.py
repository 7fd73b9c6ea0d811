"""Settings of a session that change what a DDL makes, and statements that show it; each ends in the same on both sides.

SETTINGS[flavour]: (settings, statements); a source's session has the settings while it runs the statements, then its own again.
"""

TABLE = ["CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40), d DATETIME(6), s TIMESTAMP(6) NULL)",
         "INSERT INTO t VALUES (1,'a','2024-01-01 00:00:00.999999','2024-01-01 00:00:00.999999'),(2,'',NULL,NULL),(3,'12.7',NULL,NULL)"]
BACKSLASHES = ["ALTER TABLE t ADD b VARCHAR(20) DEFAULT 'a\\b''c' COMMENT 'x\\y'", "CREATE TABLE b1 (PRIMARY KEY (id)) AS SELECT * FROM t",
               "CREATE TABLE b2 LIKE t"]
NAMED = ["CREATE TEMPORARY TABLE x (id INT PRIMARY KEY, e ENUM('ö','ä') DEFAULT 'ä') COMMENT 'ö'", "CREATE TABLE n1 LIKE x", "DROP TEMPORARY TABLE x",
         "CREATE TABLE n2 (PRIMARY KEY (id)) AS SELECT id, e FROM n1", "INSERT INTO n1 VALUES (1, 'ö')"]


SETTINGS = {
    "mariadb": [
        (["explicit_defaults_for_timestamp=0"], ["ALTER TABLE t ADD s0 TIMESTAMP", "CREATE TABLE e (id INT PRIMARY KEY, a TIMESTAMP, b TIMESTAMP)",
                                                 "ALTER TABLE t MODIFY s TIMESTAMP(3)", "INSERT INTO e (id) VALUES (1)"]),
        (["sql_mode='TIME_ROUND_FRACTIONAL'"], ["ALTER TABLE t MODIFY d DATETIME(3)"]),
        (["sql_mode='EMPTY_STRING_IS_NULL'"], ["ALTER TABLE t ADD x VARCHAR(9) DEFAULT ''", "ALTER TABLE t DROP x"]),
        (["sql_mode='ORACLE'"], ["ALTER TABLE t ADD o1 DATE, ADD o2 VARCHAR2(20), ADD o3 NUMBER(8,2)",
                                   "CREATE TABLE o (id NUMBER(9) PRIMARY KEY, r RAW(9))"]),
        (["sql_mode='MAXDB'"], ["CREATE TABLE m (id INT PRIMARY KEY, x TIMESTAMP)"]),
        (["binlog_alter_two_phase=1"], ["ALTER TABLE t ADD p INT", "ALTER TABLE t ADD KEY (v)", "INSERT INTO t (id, p) VALUES (9, 3)"]),
        (["sql_mode='NO_BACKSLASH_ESCAPES'"], BACKSLASHES),
        (["sql_quote_show_create=0", "character_set_client=latin1"], NAMED),
        (["sql_mode='ANSI_QUOTES'", "character_set_client=latin1"], [s.replace("n1", "n3").replace("n2", "n4") for s in NAMED]),
        (["character_set_client=sjis"], ["ALTER TABLE t ADD `表` VARCHAR(20) DEFAULT 'ソ\\'~\\\\' COMMENT '表\\t~'"]),
        (["character_set_client=euckr"], ["ALTER TABLE t ADD `갂` VARCHAR(20) DEFAULT '갂'"]),
        (["character_set_client=binary"], ["ALTER TABLE t ADD `ö` VARCHAR(20) CHARACTER SET latin1 DEFAULT 'ä'"]),
        (["collation_connection=latin1_swedish_ci"], ["ALTER TABLE t ADD l VARCHAR(20) DEFAULT 'ä漢', ADD f VARCHAR(90) AS (CONCAT(v,'ä')) STORED"]),
    ],
    "mysql": [
        (["explicit_defaults_for_timestamp=0"], ["CREATE TABLE e (id INT PRIMARY KEY, a TIMESTAMP)", "INSERT INTO e (id) VALUES (1)"]),
        (["sql_mode='TIME_TRUNCATE_FRACTIONAL'"], ["ALTER TABLE t MODIFY d DATETIME(3)"]),
        (["default_collation_for_utf8mb4=utf8mb4_general_ci"], ["CREATE TABLE c (id INT PRIMARY KEY, v VARCHAR(9)) CHARSET utf8mb4",
                                                                "ALTER TABLE t ADD c VARCHAR(9) CHARSET utf8mb4"]),
        (["sql_mode='NO_BACKSLASH_ESCAPES'"], BACKSLASHES),
        (["sql_quote_show_create=0", "character_set_client=latin1"], NAMED),
        (["sql_mode='ANSI_QUOTES'", "character_set_client=latin1"], [s.replace("n1", "n3").replace("n2", "n4") for s in NAMED]),
        (["character_set_client=sjis"], ["ALTER TABLE t ADD `表` VARCHAR(20) DEFAULT 'ソ\\'~\\\\' COMMENT '表\\t~'"]),
        (["character_set_client=gb18030"], ["ALTER TABLE t ADD `誠` VARCHAR(20) DEFAULT '縗\\'~\\\\'"]),
        (["sql_generate_invisible_primary_key=1"], ["CREATE TABLE g (id INT)", "INSERT INTO g VALUES (1),(1),(2)", "DELETE FROM g WHERE id=2"]),
    ],
}
CODECS = {"latin1": "cp1252", "sjis": "cp932", "euckr": "cp949", "gb18030": "gb18030"}


def encoded(statement, settings):
    """Its bytes as a client with these settings sends them."""
    charset = next((s.split("=")[1] for s in settings if s.startswith("character_set_client=")), "")
    return statement.encode(CODECS.get(charset, "utf8"))


def run(connection, settings, statements):
    """On a connection whose own settings come back with SET NAMES and DEFAULT."""
    with connection.cursor() as q:
        for s in ["time_zone='+00:00'", *settings]:  # a statement that uses the zone SYSTEM is a person's
            q.execute(f"SET {s}")
        try:
            for s in statements:
                q.execute(encoded(s, settings))
        finally:
            for s in settings:
                if not s.startswith(("character_set", "collation")):
                    q.execute(f"SET {s.split('=')[0]}=DEFAULT")
            q.execute("SET NAMES utf8mb4")
