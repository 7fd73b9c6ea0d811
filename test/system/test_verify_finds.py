"""What verification must find: each smallest difference, and rows where only one side has them."""
import pytest

# table, its columns, what the target is made to have instead
DIFFERENCES = {
    "space": ("id INT PRIMARY KEY, v VARCHAR(20)", "(1, 'a')", "UPDATE {t} SET v = 'a '"),
    "capital": ("id INT PRIMARY KEY, v VARCHAR(20)", "(1, 'abc')", "UPDATE {t} SET v = 'Abc'"),
    "accent": ("id INT PRIMARY KEY, v VARCHAR(20)", "(1, 'cafe')", "UPDATE {t} SET v = 'café'"),
    "key_case": ("v VARCHAR(20) PRIMARY KEY", "('abc')", "UPDATE {t} SET v = 'ABC'"),
    "key_space": ("v VARCHAR(20) PRIMARY KEY", "('abc')", "UPDATE {t} SET v = 'abc '"),
    "null_text": ("id INT PRIMARY KEY, v VARCHAR(20)", "(1, NULL)", "UPDATE {t} SET v = ''"),
    "null_moves": ("id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9)", "(1, NULL, 'x')", "UPDATE {t} SET a = 'x', b = NULL"),
    "text_moves": ("id INT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9)", "(1, 'ab', 'c')", "UPDATE {t} SET a = 'a', b = 'bc'"),
    "float_bit": ("id INT PRIMARY KEY, v FLOAT", "(1, 16777215)", "UPDATE {t} SET v = 16777214"),
    "double_bit": ("id INT PRIMARY KEY, v DOUBLE", "(1, 0.1)", "UPDATE {t} SET v = 0.1 + 1.3877787807814457e-17"),
    "micros": ("id INT PRIMARY KEY, v DATETIME(6)", "(1, '2020-01-01 00:00:00')", "UPDATE {t} SET v = '2020-01-01 00:00:00.000001'"),
    "zero_byte": ("id INT PRIMARY KEY, v VARBINARY(9)", "(1, X'00')", "UPDATE {t} SET v = X'0000'"),
    "lost": ("id INT PRIMARY KEY", "(1), (2), (3)", "DELETE FROM {t} WHERE id = 2"),
    "beyond": ("id INT PRIMARY KEY", "(1), (2)", "INSERT INTO {t} VALUES (1000)"),
    "ahead": ("id INT PRIMARY KEY", "(1), (2)", "INSERT INTO {t} VALUES (-1000)"),
    "bag": ("v INT", "(1), (1), (2)", "DELETE FROM {t} WHERE v = 1 LIMIT 1"),
    "bag_swap": ("v INT", "(1), (1), (2), (2)", "UPDATE {t} SET v = 2 WHERE v = 1"),
}


@pytest.fixture(scope="module")
def verdicts(lab):
    case = lab.case()
    statements = []
    for name, (columns, rows, _) in DIFFERENCES.items():
        statements += [f"CREATE TABLE {name} ({columns})", f"INSERT INTO {name} VALUES {rows}"]
    case.sql(*statements,
             "CREATE TABLE same (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO same VALUES (1, NULL), (2, ''), (3, 'a ')",
             "CREATE TABLE emptied (id INT PRIMARY KEY)", "INSERT INTO emptied VALUES (1), (2)",
             "CREATE TABLE large (id INT PRIMARY KEY)", "INSERT INTO large SELECT seq FROM seq_1_to_50000")
    case.start()
    case.wait_caught_up()
    case.target_sql(*(change.format(t=name) for name, (_, _, change) in DIFFERENCES.items()),
                    "DELETE FROM large WHERE id = 33333", "INSERT INTO large VALUES (60000)")
    case.sql("SET sql_log_bin = 0", "DELETE FROM emptied")
    yield case.verify()
    case.end()


@pytest.mark.parametrize("table", [*DIFFERENCES, "emptied", "large"])
def test_a_difference_is_found(verdicts, table):
    assert verdicts[table] == "different"


def test_what_is_the_same_is_equal(verdicts):
    assert verdicts["same"] == "equal"
