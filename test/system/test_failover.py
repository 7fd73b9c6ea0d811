"""A source with two servers: the first dies, its replica takes over, and the project goes on by itself."""
import json
import os
import signal
import threading

import pytest
from conftest import SMALL, contains
from omslab import poll
from omslab.servers import MariaDB


@pytest.fixture
def pair(lab):
    first, second = (MariaDB(lab.dir, name, number, SMALL) for name, number in (("first", 41), ("second", 42)))
    try:
        for s in (first, second):
            s.create().start()
            s.add_user()
        second.sql(f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={first.port}, MASTER_USER='oms', "
                   "MASTER_PASSWORD='oms-password', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1", "START SLAVE")
        lab.oms.add_datasource("lab-first", first, others=[second])
        yield first, second
    finally:
        first.stop()
        second.stop()


class Transfers(threading.Thread):
    """Transactions that keep the sum, on one server, until told to stop."""

    def __init__(self, server, db):
        super().__init__()
        self.server, self.db, self.over, self.error, self.n = server, db, threading.Event(), None, 0

    def run(self):
        try:
            connection = self.server.connect(self.db)
            with connection.cursor() as c:
                while not self.over.is_set():
                    a, b = self.n % 500 + 1, (self.n * 7) % 500 + 1
                    for s in ("BEGIN", f"UPDATE t SET v = v - 1 WHERE id = {a}", f"UPDATE t SET v = v + 1 WHERE id = {b}",
                              f"INSERT INTO done (at) VALUES ('{self.server.name} {self.n}')", "COMMIT"):
                        c.execute(s)
                    self.n += 1
            connection.close()
        except Exception as e:  # told by end()
            self.error = e

    def end(self):
        self.over.set()
        self.join()
        assert self.error is None, self.error
        assert self.n > 0


def transfer_for(server, db, condition):
    work = Transfers(server, db)
    work.start()
    try:
        condition()
        poll.until(lambda: work.n >= 100, 60, "transfers")
    finally:
        work.end()


def test_the_project_goes_on_at_the_promoted_replica(lab, make_case, pair):
    first, second = pair
    case = make_case(source=first)
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v BIGINT NOT NULL)", "CREATE TABLE done (id INT AUTO_INCREMENT PRIMARY KEY, at VARCHAR(80))",
             "INSERT INTO t SELECT seq, 1000 FROM seq_1_to_500")
    case.start()
    transfer_for(first, case.db, lambda: case.wait_step("full", "done", 120))
    end = first.gtid()
    poll.until(lambda: contains_gtid(second.gtid(), end), 60, "the replica to have it all")
    first.kill()
    second.sql("STOP SLAVE", "RESET SLAVE ALL")
    case.source = second
    transfer_for(second, case.db, lambda: None)
    case.wait_applied(120)
    case.wait_caught_up(60)
    case.assert_equal()
    assert lab.target.one(f"SELECT SUM(v) FROM `{case.to}`.t") == 500_000
    assert case.verify() == {"t": "equal", "done": "equal"}
    the_one_that_was_left_is_known_after_a_kill(lab, case, first, second)


def the_one_that_was_left_is_known_after_a_kill(lab, case, first, second):
    """The old one is back without what happened since; the new one is away, and the Store's memory is gone."""
    first.start()
    second.kill()
    store = lab.oms.pid(f"{case.project}.store")
    os.kill(store, signal.SIGKILL)
    poll.until(lambda: lab.oms.pid(f"{case.project}.store") not in (0, store), 60, "another store")
    poll.until(lambda: "SOURCE_LEFT" in json.dumps(case.show()) or "another server: " in json.dumps(case.show()), 60, "the wait to be told")
    assert case.show()["state"] == "running"
    second.start()
    transfer_for(second, case.db, lambda: None)
    case.wait_applied(120)
    case.assert_equal()


def contains_gtid(have, wanted):
    return contains(";".join(f"mariadb:{g.split('-')[0]}=1-{g.split('-')[2]}" for g in have.split(",")), wanted)
