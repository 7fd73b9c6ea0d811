"""Sessions that log images which lack columns (binlog_row_image MINIMAL, NOBLOB), while their tables are copied."""
import threading

import pymysql
import pytest

from conftest import mortal_lab, plan_faults


@pytest.fixture(scope="module")
def faulty():
    """An installation whose Incr-Sync dies where the test says."""
    with mortal_lab("oms-incr-sync", "ROW_END_MOVED") as lab:
        yield lab


class Sparse(threading.Thread):
    """Changes rows in a session that logs little of them."""

    def __init__(self, server, db, image, at):
        super().__init__()
        self.server, self.db, self.image, self.at = server, db, image, at
        self.done, self.error, self.steps = threading.Event(), None, 0

    def run(self):
        try:
            connection = self.server.connect(self.db)
            with connection.cursor() as c:
                c.execute(f"SET SESSION binlog_row_image={self.image}")
                c.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")  # no gaps: two of them
            while not self.done.wait(0.01):
                self.steps += 1
                self.step(connection, self.at + self.steps)
            connection.close()
        except pymysql.err.Error as e:
            self.error = e

    def step(self, connection, n):
        with connection.cursor() as c:
            connection.begin()
            c.execute(f"UPDATE t SET n = n + 1 WHERE id BETWEEN {self.at + 1} AND {self.at + n % 20 + 3}")  # again and again
            c.execute(f"UPDATE t SET id = id + 1000000 WHERE id = {1000 + n}")  # to another key
            c.execute(f"UPDATE t SET id = id - 1000000, v = 'back' WHERE id = {1001000 + n - 5}")
            c.execute(f"UPDATE t SET n = -1 WHERE id = {2000 + n}")  # and gone, perhaps before it is read again
            c.execute(f"DELETE FROM t WHERE id = {2000 + n}")
            c.execute(f"UPDATE t SET n = -2 WHERE id = {3000 + n}")
            c.execute(f"INSERT INTO t (id) VALUES ({2000000 + n})")
            c.execute(f"UPDATE t SET u = CONCAT('x', u) WHERE id = {4000 + n}")  # two swap a unique value
            c.execute(f"UPDATE t SET u = 'u{4000 + n}' WHERE id = {9000 + n} AND u = 'u{9000 + n}'")
            c.execute(f"UPDATE t SET u = 'u{9000 + n}' WHERE id = {4000 + n} AND u = 'xu{4000 + n}'")
            c.execute(f"UPDATE p SET b = CONCAT(b, 'x') WHERE a = {self.at + n % 500} AND c = 'k{self.at + n % 500}'")
            connection.commit()
            c.execute(f"DELETE FROM t WHERE id = {3000 + n}")
            c.execute(f"UPDATE p SET c = CONCAT('moved', c) WHERE a = {n}")  # half of a key
            c.execute(f"UPDATE k SET b = 'late' WHERE a = {n}")


def test_images_that_lack_columns_within_a_copy_are_made_whole_through_kills(faulty):
    case = faulty.case()
    case.sql("CREATE TABLE t (id BIGINT PRIMARY KEY, n INT NOT NULL DEFAULT 7, v TEXT, u VARCHAR(30), UNIQUE KEY (u))",
             "INSERT INTO t SELECT seq, seq, REPEAT('x', seq % 200), CONCAT('u', seq) FROM seq_1_to_20000",
             "CREATE TABLE p (a INT, c VARCHAR(40) COLLATE utf8mb4_general_ci, b TEXT, PRIMARY KEY (a, c))",
             "INSERT INTO p SELECT seq, CONCAT('k', seq), 'old' FROM seq_0_to_20000",
             "CREATE TABLE k (a INT, b VARCHAR(20), c TEXT)",
             "INSERT INTO k SELECT seq, 'early', 'text' FROM seq_1_to_2000")
    faults = ["ROW_END_MOVED", "ROW_READ_AGAIN:3", "ROW_WRITTEN_AGAIN:2"]
    hit = plan_faults(faulty, faults)
    writers = [Sparse(faulty.source, case.db, "MINIMAL", 0), Sparse(faulty.source, case.db, "NOBLOB", 10000)]
    for w in writers:
        w.start()
    try:
        case.start()
        case.wait_step("full", "done", 90)
        case.wait_caught_up(90)  # while those sessions go on
    finally:
        for w in writers:
            w.done.set()
        for w in writers:
            w.join()
    assert [w.error for w in writers] == [None, None]
    with open(hit) as f:
        assert f.read().split() == faults
    case.wait_applied()
    case.assert_equal(["t", "p", "k"])
    assert case.verify() == {"t": "equal", "p": "equal", "k": "equal"}
    assert not case.show()["incidents"]
    case.end()


def test_what_cannot_be_read_again_is_copied_again(faulty):
    case = faulty.case()
    case.sql("CREATE TABLE f (id DOUBLE PRIMARY KEY, n INT, v TEXT)",
             "INSERT INTO f SELECT seq + 0.1, 0, REPEAT('x', 200) FROM seq_1_to_30000")
    enough = threading.Event()

    def write():
        connection = faulty.source.connect(case.db)
        with connection.cursor() as c:
            c.execute("SET SESSION binlog_row_image=MINIMAL")
            while not enough.wait(0.01):
                c.execute("UPDATE f SET n = n + 1 WHERE id < 20")
        connection.close()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        case.start()
        incident = case.wait_incident("IMAGE", 90)
    finally:
        enough.set()
        writer.join()
    assert incident["choices"] and "copy-again" in str(incident["choices"])
    faulty.oms.run("incident", "resolve", str(incident["id"]), "--choice", "copy-again")
    case.wait_caught_up(60)
    case.wait_applied()
    case.assert_equal(["f"])
    assert not [i for i in case.show()["incidents"] if i["state"] == "open"]
    case.end()
