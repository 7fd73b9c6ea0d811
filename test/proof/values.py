"""Values of every column type as SQL literals: few of those that are keys, so that writers meet; edges among the others."""

WORDS = ["a", "A", "á", "a ", "ä", "Ae", "b", "B ", "ß", "ss", "SS", "", " ", "ij", "ĳ", "漢", "😀", "😀 ", "ﬁ", "fi", "z\t", "z", "ø", "o",
         "Œ", "oe", "\\", "'", "é", "e\u0301", "\0", "a\0"]


def text(value):
    return "_utf8mb4 0x" + value.encode().hex() if value else "''"


def binary(value):
    return "0x" + value.hex() if value else "''"


def _words(rnd):
    return text(rnd.choice(WORDS))


def _more_words(rnd):
    return text(rnd.choice(WORDS) + rnd.choice(["", "1", "2", "x", "X"]))


def _latin(rnd):
    return text(rnd.choice(["a", "A", "a ", "é", "E", "ß", "ss", "ÿ", "", "z", "Ä", "ä"]) + rnd.choice(["", "1", "2"]))


def _long(rnd):
    return text(rnd.choice(WORDS) * rnd.choice([0, 1, 7, 90]))


def _bytes(n):
    return lambda rnd: binary(bytes(rnd.choice(b"\0 a\xff") for _ in range(rnd.randint(0, n))))


def _int(low, high):
    def make(rnd):
        return str(rnd.choice([low, high, 0, 1, rnd.randint(low, high), rnd.randint(low, high)]))
    return make


def _decimal(digits, scale):
    def make(rnd):
        whole = "".join(rnd.choice("0129") for _ in range(rnd.randint(1, digits - scale)))
        part = "".join(rnd.choice("0159") for _ in range(scale))
        return rnd.choice(["", "-"]) + whole + ("." + part if part else "")
    return make


def _float(rnd):
    return rnd.choice(["0", "-0e0", "0.1e0", "-0.1e0", "1e-30", "3.4e37", "16777217e0", f"{rnd.uniform(-1e6, 1e6)!r}e0"])


def _json(rnd):
    return rnd.choice(["'{}'", "'[]'", "'null'", "'{\"a\":[1,2.5,{\"b\":null}],\"ü\":\"\\\\u0041\"}'", "'\"s\"'", "'-7'",
                       f"'{{\"n\":{rnd.randint(0, 10**12)},\"x\":true}}'"])


def _time(n):
    return lambda rnd: f"'{rnd.choice(['', '-'])}{rnd.choice([0, 9, 838])}:{rnd.randint(0, 59):02}:{rnd.randint(0, 59):02}" \
                       f".{rnd.randint(0, 999999):06}'"


def _moment(rnd):
    return rnd.choice([f"'{rnd.randint(1000, 9999)}-{rnd.randint(1, 12):02}-{rnd.randint(1, 28):02} {rnd.randint(0, 23):02}:59:07.999999'",
                       "'2024-03-31 02:30:00.5'", "'1970-01-02 00:00:01'"])


def _stamp(rnd):  # over the changes of summer time, and both ends
    return rnd.choice(["'1970-01-02 00:00:01'", "'2037-12-31 23:59:59.999999'", "'2024-10-27 02:30:00'", "'2024-03-31 01:59:59.5'",
                       f"FROM_UNIXTIME({rnd.randint(100000, 2**31 - 90000)}.25)"])


def _date(rnd):
    return rnd.choice(["'1000-01-01'", "'9999-12-31'", "'2024-02-29'", f"'19{rnd.randint(10, 99)}-0{rnd.randint(1, 9)}-11'"])


def _point(rnd):
    return f"ST_GeomFromText('POINT({rnd.randint(-9, 9)}.5 {rnd.randint(-9, 9)})')"


def _line(rnd):
    return f"ST_GeomFromText('LINESTRING(0 0,1 {rnd.randint(-9, 9)},2.25 2)')"


def _of(*literals):
    return lambda rnd: rnd.choice(literals)


# (definition, value); both servers know them.
PLAIN = [
    ("TINYINT", _int(-128, 127)), ("SMALLINT UNSIGNED", _int(0, 65535)), ("MEDIUMINT", _int(-8388608, 8388607)),
    ("INT UNSIGNED", _int(0, 2**32 - 1)), ("BIGINT", _int(-2**63, 2**63 - 1)), ("BIGINT UNSIGNED", _int(0, 2**64 - 1)),
    ("DECIMAL(65,30)", _decimal(65, 30)), ("DECIMAL(9,2)", _decimal(9, 2)), ("DECIMAL(18,0)", _decimal(18, 0)),
    ("FLOAT", _float), ("DOUBLE", _float), ("YEAR", _of("1901", "2155", "0", "2024")), ("DATE", _date),
    ("DATETIME", _moment), ("DATETIME(3)", _moment), ("DATETIME(6)", _moment), ("TIMESTAMP(6) NULL", _stamp),
    ("TIMESTAMP NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP", _stamp), ("TIME(6)", _time(6)), ("TIME", _time(0)),
    ("BIT(1)", _of("b'0'", "b'1'")), ("BIT(13)", lambda r: f"b'{r.randint(0, 8191):b}'"),
    ("BIT(64)", lambda r: f"b'{r.randint(0, 2**64 - 1):b}'"),
    ("ENUM('a','ö','c','')", _of("1", "2", "3", "'ö'")), ("SET('x','y','z','ä')", lambda r: str(r.randint(0, 15))),
    ("CHAR(12)", _words), ("CHAR(12) CHARACTER SET latin1", _latin), ("VARCHAR(300)", _long),
    ("VARCHAR(60) CHARACTER SET utf16", _words), ("VARCHAR(60) CHARACTER SET ucs2", _latin), ("BINARY(9)", _bytes(9)),
    ("VARBINARY(300)", _bytes(300)),
    ("TINYBLOB", _bytes(40)), ("BLOB", _bytes(900)), ("LONGBLOB", _bytes(2000)), ("TEXT", _long), ("MEDIUMTEXT", _long), ("JSON", _json),
    ("POINT", _point), ("GEOMETRY", lambda r: r.choice([_point, _line])(r)),
]
MARIADB = [("UUID", lambda r: f"'{r.randint(0, 2**32 - 1):08x}-89ab-12d3-a456-42665544{r.randint(0, 9999):04}'"),
           ("INET6", _of("'::'", "'2001:db8::ff00'", "'::ffff:10.0.0.1'")), ("INET4", _of("'0.0.0.0'", "'192.168.0.1'")),
           ("VARCHAR(200) COMPRESSED", _long), ("BLOB COMPRESSED", _bytes(500)), ("INT INVISIBLE", _int(-5, 5))]
MYSQL = [("INT INVISIBLE", _int(-5, 5))]

# What keys are made of: small domains.
KEYS = [
    ("INT", lambda r: str(r.randint(1, 40))), ("BIGINT UNSIGNED", lambda r: str(2**63 - 10 + r.randint(0, 30))),
    ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", _more_words),
    ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", _more_words),
    ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", _more_words),
    ("CHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci", _more_words),
    ("VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci", _latin),
    ("VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci", _latin),
    ("BINARY(4)", _bytes(4)), ("VARBINARY(8)", _bytes(3)),
    ("DECIMAL(12,3)", lambda r: f"{r.choice(['', '-'])}{r.randint(0, 9)}.{r.choice(['5', '50', '125'])}"),
    ("DATETIME(6)", lambda r: f"'2024-01-01 00:00:0{r.randint(0, 9)}.{r.choice(['', '5', '000001'])}'"),
    ("DATE", lambda r: f"'2024-01-{r.randint(1, 28):02}'"),
    ("ENUM('a','b','c','d','e','f','g','h')", lambda r: str(r.randint(1, 8))),
    ("TIME(2)", lambda r: f"'-0:00:0{r.randint(0, 9)}.{r.choice(['0', '25'])}'"),
    ("DOUBLE", lambda r: r.choice(["0", "-0e0", "1e0", "0.1e0", "0.3e0", "2e0", "3e0", "1e-300"])),
    ("FLOAT", lambda r: r.choice(["0", "-0e0", "1e0", "0.1e0", "16777217e0", "2.5e0", "3e-30", "-0.1e0"])),
    ("SMALLINT", lambda r: str(r.randint(-20, 20))),
    ("TIMESTAMP(3) NOT NULL DEFAULT '2000-01-01'", lambda r: f"FROM_UNIXTIME({1000000 + r.randint(0, 30)}.5)"),
    ("BIT(7)", lambda r: f"b'{r.randint(0, 40):b}'"),
]
MARIADB_KEYS = [("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_nopad_ci", _more_words),
                ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE uca1400_ai_ci", _more_words),
                ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin", _more_words),
                ("UUID", lambda r: f"'00000000-0000-1000-8000-0000000000{r.randint(10, 60)}'"),
                ("INET6", lambda r: f"'2001:db8::{r.randint(1, 40)}'")]
MYSQL_KEYS = [("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", _more_words),
              ("VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin", _more_words)]


def text_keys(flavour):
    return [k for k in keys(flavour) if "CHAR" in k[0]]


def number_keys(flavour):
    return [k for k in keys(flavour) if k[0].startswith(("DECIMAL", "FLOAT", "DOUBLE"))]


def plain(flavour):
    return PLAIN + (MARIADB if flavour == "mariadb" else MYSQL)


def keys(flavour):
    return KEYS + (MARIADB_KEYS if flavour == "mariadb" else MYSQL_KEYS)
