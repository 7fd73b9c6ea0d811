"""Rows that change faster than they can be read twice: the log proves them equal, and excuses no difference (correctness E3)."""
import contextlib
import threading

import pymysql
import pytest


class Hot(threading.Thread):
    """Each statement a transaction of its own, as fast as the source takes them."""

    def __init__(self, server, db, statements):
        super().__init__()
        self.server, self.db, self.statements = server, db, statements
        self.done, self.error, self.n = threading.Event(), None, 0

    def run(self):
        try:
            connection = self.server.connect(self.db)
            with connection.cursor() as c:
                while not self.done.is_set():
                    self.n += 1
                    for s in self.statements:
                        c.execute(s.format(n=self.n))
            connection.close()
        except pymysql.err.Error as e:
            self.error = e

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *what):
        self.done.set()
        self.join()
        assert self.error is None, self.error


COLUMNS = "(id INT PRIMARY KEY, n BIGINT NOT NULL, t DOUBLE, at DATETIME(6), note TEXT) CHARACTER SET utf8mb4"
# One row each, so that each of them changes with every turn.
HOT = ["UPDATE hot SET n={n}, t={n}/7, at=NOW(6), note=CONCAT('é', {n}) WHERE id IN (1, 4) OR id BETWEEN 100 AND 120",
       "UPDATE hot SET id=9003-id, n={n} WHERE id IN (3, 9000)"]
COME_AND_GO = ["DELETE FROM hot WHERE id=2", "INSERT INTO hot VALUES (2, {n}, 0, NOW(6), NULL)"]
OTHERS = ["UPDATE planted SET n={n} WHERE id IN (1, 2)", "UPDATE extra SET n={n} WHERE id IN (1, 2)"]


def details(case):
    return {t["name"].split(".", 1)[1]: t["detail"] for t in case.show()["tables"]}


@pytest.fixture(scope="module")
def verified(lab):
    case = lab.case(more="store:\n  tls: always\n")  # whoever asks the log does it with token and certificate
    for t in ("hot", "planted", "extra"):
        case.sql(f"CREATE TABLE {t} {COLUMNS}", f"INSERT INTO {t} VALUES (1,0,0,NOW(6),''),(2,0,0,NOW(6),''),(3,0,0,NOW(6),''),(4,0,0,NULL,'')",
                 f"INSERT INTO {t} SELECT seq, seq, 0, NULL, REPEAT('x', 1000) FROM seq_5_to_{2500 if t == 'hot' else 50}")  # slow to read
    case.start()
    case.wait_caught_up()
    # Whatever arrives for the row, the target has it with another note: no image of the log is like that.
    note = "FOR EACH ROW SET NEW.note = IF(NEW.id = 1, 'planted', NEW.note)"
    case.target_sql(f"CREATE TRIGGER other BEFORE UPDATE ON planted {note}", f"CREATE TRIGGER another BEFORE INSERT ON planted {note}",
                    "INSERT INTO extra VALUES (700, 1, 1, NULL, 'never on the source')")
    with contextlib.ExitStack() as writers:
        hot = [writers.enter_context(Hot(case.source, case.db, s)) for s in (HOT, COME_AND_GO, OTHERS)]
        case.wait(lambda v: all(w.n > 20 or w.error for w in hot), 30, "the writers to write")
        for _ in range(3):  # a row may be read twice between two changes, once
            verdicts = case.verify()
            if "by the log" in details(case)["hot"]:
                break
        told = case.oms.run("verify", "show", case.project, f"{case.db}.planted").stdout
        readers = case.oms.run("store", "show", case.project, check=False).stdout
    yield verdicts, details(case), told, readers
    case.wait_applied()
    case.end()


def test_rows_that_change_in_every_round_are_proven_by_the_log(verified):
    verdicts, detail, _, _ = verified
    assert verdicts["hot"] == "equal", detail
    assert " 0 moving" in detail["hot"] and "equal by the log, the last" in detail["hot"]


def test_a_difference_in_a_hot_row_is_never_excused(verified):
    verdicts, detail, told, _ = verified
    assert verdicts["planted"] == "different", detail
    assert " 1 different, 0 missing, 0 extra, 0 moving" in detail["planted"] and "different id='1'" in told
    assert verdicts["extra"] == "different" and " 1 extra, 0 moving" in detail["extra"], detail


def test_who_asks_the_log_does_not_hold_it_back(verified):
    *_, readers = verified
    assert "incremental" in readers and "verification" not in readers and "passing" not in readers
