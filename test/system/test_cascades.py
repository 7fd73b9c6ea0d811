"""What foreign keys with CASCADE and SET NULL change is not in the log: the target's own keys follow (correctness A8)."""
import os
import random
import signal
import threading

import pymysql

from conftest import plan_faults
from test_copy_crashes import faulty  # noqa: F401

SCHEMA = [
    "CREATE TABLE root (id INT PRIMARY KEY, code VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL, v INT, UNIQUE KEY (code))",
    "CREATE TABLE kid (root INT NOT NULL, n INT NOT NULL, code VARCHAR(20) COLLATE utf8mb4_general_ci, "
    "at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), PRIMARY KEY (root, n), KEY (code), "
    "CONSTRAINT kid_root FOREIGN KEY (root) REFERENCES root (id) ON DELETE CASCADE ON UPDATE CASCADE, "
    "CONSTRAINT kid_code FOREIGN KEY (code) REFERENCES root (code) ON DELETE SET NULL ON UPDATE CASCADE)",
    "CREATE TABLE leaf (id INT PRIMARY KEY AUTO_INCREMENT, root INT, n INT, note TEXT, KEY (root, n), "
    "CONSTRAINT leaf_kid FOREIGN KEY (root, n) REFERENCES kid (root, n) ON DELETE CASCADE ON UPDATE CASCADE)",
    "CREATE TABLE node (id INT PRIMARY KEY, up INT, KEY (up), "
    "CONSTRAINT node_up FOREIGN KEY (up) REFERENCES node (id) ON DELETE CASCADE)",
    "CREATE TABLE log (root INT, what VARCHAR(40), KEY (root), "
    "CONSTRAINT log_root FOREIGN KEY (root) REFERENCES root (id) ON DELETE SET NULL ON UPDATE CASCADE)",
    "CREATE TABLE plain (id INT PRIMARY KEY, root INT, KEY (root), CONSTRAINT plain_root FOREIGN KEY (root) REFERENCES root (id))",
    "INSERT INTO root SELECT seq, CONCAT('c', seq), 0 FROM seq_1_to_500",
    "INSERT INTO kid (root, n, code) SELECT r.seq, k.seq, CONCAT('C', 1 + r.seq % 500) FROM seq_1_to_500 r, seq_1_to_4 k",
    "INSERT INTO leaf (root, n, note) SELECT root, n, REPEAT('x', n * 10) FROM kid, seq_1_to_3",
    "INSERT INTO node SELECT seq, IF(seq < 10, NULL, seq DIV 3) FROM seq_1_to_600",
    "INSERT INTO log SELECT seq, 'made' FROM seq_1_to_500",
]


class Family(threading.Thread):
    """Transactions on the family: keys deleted, changed and made again, with and without checks."""

    def __init__(self, server, db, seed):
        super().__init__()
        self.server, self.db, self.seed = server, db, seed
        self.done, self.error, self.n = threading.Event(), None, 0

    def run(self):
        rng = random.Random(self.seed)
        try:
            connection = self.server.connect(self.db)
            while not self.done.wait(0.004):
                self.n += 1
                self.step(connection, rng)
            connection.close()
        except pymysql.err.Error as e:
            self.error = e

    def step(self, connection, rng):
        r, other = rng.randint(1, 500), rng.randint(1, 500)
        statements = rng.choice([
            [f"DELETE FROM root WHERE id={r}"],
            [f"DELETE FROM root WHERE id IN ({r},{other})", f"INSERT IGNORE INTO root VALUES ({r},'c{r}',{self.n})",
             f"INSERT IGNORE INTO kid (root,n,code) VALUES ({r},1,'c{r}')"],
            [f"INSERT IGNORE INTO root VALUES ({r},'c{r}',1)", f"INSERT IGNORE INTO kid (root,n) VALUES ({r},9)",
             f"INSERT INTO leaf (root,n,note) SELECT root,n,'more' FROM kid WHERE root={r}"],
            [f"UPDATE IGNORE root SET id=id+1000 WHERE id={r}"],
            [f"UPDATE IGNORE root SET id=id-1000 WHERE id={r + 1000}"],
            [f"UPDATE root SET code=UPPER(CONCAT(code,'x')) WHERE id={r} AND LENGTH(code)<15"],
            [f"UPDATE kid SET n=n+10 WHERE root={r} AND n<40"],
            [f"DELETE FROM node WHERE id={r}", f"INSERT IGNORE INTO node VALUES ({r},NULL)"],
            [f"INSERT INTO log SELECT id,'seen' FROM root WHERE id={r}"],
            ["SET foreign_key_checks=0", f"DELETE FROM root WHERE id={r}", f"INSERT INTO root VALUES ({r},'c{r}',7)",
             "SET foreign_key_checks=1"],
        ])
        with connection.cursor() as c:
            connection.begin()
            try:
                for s in statements:
                    c.execute(s)
                connection.commit()
            except (pymysql.err.IntegrityError, pymysql.err.OperationalError):
                connection.rollback()  # plain refers to it, or its code is taken
            c.execute("SET foreign_key_checks=1")


def dump(server, db):
    out = {t: server.sql(f"SELECT * FROM {db}.{t} ORDER BY 1, 2") for t in ("root", "kid", "leaf", "node", "plain")}
    out["log"] = server.sql(f"SELECT root, what, COUNT(*) FROM {db}.log GROUP BY 1,2 ORDER BY 1,2")
    return out


def test_what_cascades_is_the_same_on_the_target(lab, case):
    case.sql(*SCHEMA)
    writer = Family(lab.source, case.db, 11)
    writer.start()
    try:
        case.start()
        case.wait_caught_up(60)
        os.kill(lab.oms.pid(f"{case.project}.incremental"), signal.SIGKILL)
        poll_rows = writer.n
        case.wait(lambda v: writer.n > poll_rows + 1000, 60, "more transactions")
    finally:
        writer.done.set()
        writer.join()
    assert writer.error is None
    case.wait_applied()
    case.wait_caught_up()
    assert dump(lab.source, case.db) == dump(lab.target, case.to)
    assert set(case.verify().values()) == {"equal"}
    lab.oms.run("project", "release", case.project, "--finish")
    case.wait(lambda v: v["state"] == "released", 60, "released")


def test_a_family_whose_copy_is_killed_is_copied_at_one_moment(faulty):  # noqa: F811
    case = faulty.case()
    case.sql(*SCHEMA)
    faults = ["FULL_AFTER_ROOT", "FULL_AFTER_PASS_PART", "FULL_AFTER_FAMILY_END"]
    case.sql("INSERT INTO leaf (note) SELECT 'free' FROM seq_1_to_60000")
    hit = plan_faults(faulty, faults)
    writer = Family(faulty.source, case.db, 12)
    writer.start()
    try:
        case.start()
        case.wait_step("full", "done", 90)
    finally:
        writer.done.set()
        writer.join()
    assert writer.error is None
    with open(hit) as f:
        assert f.read().split() == faults
    case.wait_caught_up(60)
    case.wait_applied()
    assert dump(faulty.source, case.db) == dump(faulty.target, case.to)


def test_half_a_family_is_refused_by_name(lab):
    case = lab.case(objects='  include: ["NAME.kid", "NAME.leaf"]\n')
    case.objects = case.objects.replace("NAME", case.db)
    case.sql(*SCHEMA[:3])
    case.start()
    view = case.wait_failed()
    check = next(c for c in view["checks"] if c["id"] == "table.cascades" and c["verdict"] == "failed")
    assert f"{case.db}.root" in check["reason"]

