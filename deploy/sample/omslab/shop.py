"""A shop: tables of every common shape, a million rows, and a write load that never stops.

Tables: customers (every common column type), orders, items (composite key), sessions (unique key only),
audit (no key at all), accounts and ledger (money moves between them; the sum is constant).
"""
import random
import re
import threading
import time

import pymysql

from . import poll

TABLES = ["customers", "orders", "items", "sessions", "audit", "accounts", "ledger"]

SCHEMA = """
CREATE TABLE customers (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, email VARCHAR(120) NOT NULL, name VARCHAR(80) COLLATE utf8mb4_unicode_ci,
  nick VARCHAR(40) CHARACTER SET latin1, country CHAR(2) NOT NULL DEFAULT 'de', balance DECIMAL(14,2) NOT NULL DEFAULT 0,
  exact DECIMAL(30,10), rating FLOAT, score DOUBLE, born DATE, joined DATETIME(6), seen TIMESTAMP(3) NULL, alarm TIME(2),
  since YEAR, vip BOOLEAN, level ENUM('bronze','silver','gold') DEFAULT 'bronze', tags SET('a','b','c','d'),
  flags BIT(10), small SMALLINT, medium MEDIUMINT UNSIGNED, prefs JSON, photo BLOB, token BINARY(8), about TEXT,
  ip INET6, uid UUID, doubled DECIMAL(15,2) AS (balance * 2) VIRTUAL, `initial` CHAR(1) AS (LEFT(email,1)) STORED,
  PRIMARY KEY (id), UNIQUE KEY by_email (email), KEY by_country (country, joined)
) COMMENT='who buys';
CREATE TABLE orders (
  id BIGINT NOT NULL AUTO_INCREMENT, customer_id BIGINT UNSIGNED NOT NULL, status ENUM('new','paid','sent','done') NOT NULL,
  total DECIMAL(14,2) NOT NULL, note VARCHAR(200), created DATETIME(6) NOT NULL,
  updated TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id), KEY by_customer (customer_id), KEY by_created (created)
);
CREATE TABLE items (
  order_id BIGINT NOT NULL, line_no SMALLINT UNSIGNED NOT NULL, sku VARCHAR(40) NOT NULL, quantity INT UNSIGNED NOT NULL,
  price DECIMAL(12,4) NOT NULL, weight FLOAT, PRIMARY KEY (order_id, line_no), KEY by_sku (sku)
);
CREATE TABLE sessions (
  token BINARY(16) NOT NULL, customer_id BIGINT UNSIGNED, started DATETIME(3), state VARBINARY(60), UNIQUE KEY by_token (token)
);
CREATE TABLE audit (at DATETIME(6), who VARCHAR(40), what VARCHAR(80), amount DOUBLE);
CREATE TABLE accounts (id INT NOT NULL PRIMARY KEY, amount BIGINT NOT NULL);
CREATE TABLE ledger (id INT NOT NULL PRIMARY KEY, amount BIGINT NOT NULL);
"""

ACCOUNTS = 500
SUM = ACCOUNTS * 1000


def for_mysql(statement):
    """The same without what only MariaDB has: its own types, its numbers; every table has a key."""
    for a, b in (("ip INET6", "ip VARCHAR(40)"), ("uid UUID", "uid CHAR(36)"),
                 ("audit (at", "audit (n BIGINT AUTO_INCREMENT PRIMARY KEY INVISIBLE, at")):
        statement = statement.replace(a, b)
    statement = re.sub(r"MD5\(([^()]*)\)", r"LEFT(SHA2(\1, 256), 32)", statement)
    return re.sub(r"seq_1_to_(\d+)", r"(WITH RECURSIVE r (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM r WHERE seq < \1)"
                  r" SELECT seq FROM r) AS numbers", statement)


def fill(server, db="shop", rows=1_000_000):
    """Schema and data; about `rows` rows in all. Returns the number of rows."""
    customers, orders, per = rows // 10, rows * 29 // 100, 2
    small = 20_000 * rows // 1_000_000
    statements = [f"DROP DATABASE IF EXISTS {db}", f"CREATE DATABASE {db} CHARACTER SET utf8mb4", f"USE {db}",
                  *[s for s in SCHEMA.split(";\n") if s.strip()]]
    statements += [
        f"""INSERT INTO customers (id,email,name,nick,country,balance,exact,rating,score,born,joined,seen,alarm,since,vip,level,
            tags,flags,small,medium,prefs,photo,token,about,ip,uid)
            SELECT seq, CONCAT('c',seq,'@example.org'), CONCAT('Zoë ☃ ',MD5(seq),' 漢字😀'), CONCAT('nick é',seq%977),
            ELT(1+seq%4,'de','fr','cn','us'), seq/7, seq/13, seq/3, seq/11, DATE'1950-01-01'+INTERVAL seq%20000 DAY,
            TIMESTAMP'2020-01-01 00:00:00.123456'+INTERVAL seq SECOND, TIMESTAMP'2021-06-01 12:00:00.5'+INTERVAL seq SECOND,
            SEC_TO_TIME(seq%86400+0.25), 1970+seq%80, seq%2, 1+seq%3, seq%16, seq%1024, CAST(seq%30000 AS SIGNED)-15000, seq%8000000,
            CONCAT('{{"n":',seq,',"s":"ü"}}'), UNHEX(REPEAT(MD5(seq),2)), UNHEX(LEFT(MD5(seq),16)), REPEAT(MD5(seq),2),
            CONCAT('2001:db8::',HEX(seq%65535)), UUID() FROM seq_1_to_{customers}""",
        f"""INSERT INTO orders (id,customer_id,status,total,note,created,updated)
            SELECT seq, 1+seq*7%{customers}, 1+seq%4, seq%100000/100, IF(seq%5,CONCAT('note ',seq),NULL),
            TIMESTAMP'2023-01-01 00:00:00.000001'+INTERVAL seq SECOND, TIMESTAMP'2023-01-02 00:00:00.5'+INTERVAL seq SECOND
            FROM seq_1_to_{orders}""",
        f"""INSERT INTO items SELECT 1+(seq-1) DIV {per}, (seq-1)%{per}, CONCAT('SKU-',seq*31%9973), 1+seq%9, seq%50000/37, seq/3
            FROM seq_1_to_{orders * per}""",
        f"INSERT INTO sessions SELECT UNHEX(MD5(seq)), seq, '2024-01-01 00:00:00.125'+INTERVAL seq SECOND, UNHEX(MD5(seq+1)) "
        f"FROM seq_1_to_{small}",
        f"INSERT INTO audit SELECT '2024-01-01'+INTERVAL seq%500 SECOND, CONCAT('u',seq%50), 'login', seq%7/3 FROM seq_1_to_{small}",
        f"INSERT INTO accounts SELECT seq, 1000 FROM seq_1_to_{ACCOUNTS}",
        f"INSERT INTO ledger SELECT seq, 0 FROM seq_1_to_{ACCOUNTS}",
    ]
    if server.kind == "mysql":
        statements = ["SET cte_max_recursion_depth=100000000"] + [for_mysql(s) for s in statements]
    server.sql("SET GLOBAL innodb_stats_persistent=1", *statements)
    return sum(server.count(f"{db}.{t}") for t in TABLES)


class Load:
    """Writers at a chosen rate: inserts, updates, deletes, key changes, transactions over several tables."""

    def __init__(self, server, db="shop", threads=2, per_second=200, seed=1):
        self.server, self.db, self.threads_n, self.per_second, self.seed = server, db, threads, per_second, seed
        self.stop_now = threading.Event()
        self.lock = threading.Lock()
        self.transactions = self.rows = 0
        self.error = None
        self.threads = []

    def start(self):
        self.top = self.server.one(f"SELECT MAX(id) FROM {self.db}.orders")
        self.customers = self.server.one(f"SELECT MAX(id) FROM {self.db}.customers")
        for n in range(self.threads_n):
            t = threading.Thread(target=self._run, args=(n,), daemon=True)
            t.start()
            self.threads.append(t)
        return self

    def stop(self):
        self.stop_now.set()
        for t in self.threads:
            t.join(30)
        if self.error:
            raise self.error

    def _run(self, n):
        rnd = random.Random(self.seed * 1000 + n)
        every = self.threads_n / self.per_second
        due = time.monotonic()
        try:
            c = self.server.connect(self.db)
            c.autocommit(False)
            while not self.stop_now.is_set():
                rows = self._transaction(c, rnd, n)
                with self.lock:
                    self.transactions += 1
                    self.rows += rows
                due += every
                poll.pause(min(due - time.monotonic(), 0.5))
            c.close()
        except Exception as e:  # shown by stop(): a load that died makes the whole run worthless
            self.error = e

    def _transaction(self, c, rnd, n):
        work = rnd.choice([self._order, self._order, self._pay, self._customer, self._forget, self._keys, self._audit,
                           self._transfer, self._transfer])
        for _ in range(20):
            try:
                with c.cursor() as q:
                    rows = work(q, rnd, n)
                c.commit()
                return rows
            except pymysql.err.OperationalError as e:
                c.rollback()
                if e.args[0] not in (1213, 1205):
                    raise
            except pymysql.err.IntegrityError:
                c.rollback()
        return 0

    def _order(self, q, rnd, n):
        q.execute("INSERT INTO orders (customer_id,status,total,note,created) VALUES (%s,'new',%s,%s,NOW(6))",
                  (rnd.randint(1, self.customers), rnd.randint(1, 99999) / 100, rnd.choice([None, "späte Bestellung 😀", "x "])))
        order = q.lastrowid
        lines = rnd.randint(1, 4)
        for line in range(lines):
            q.execute("INSERT INTO items VALUES (%s,%s,%s,%s,%s,%s)",
                      (order, line, f"SKU-{rnd.randint(1, 9999)}", rnd.randint(1, 9), rnd.randint(1, 10**6) / 37, rnd.random() / 3))
        return 1 + lines

    def _pay(self, q, rnd, n):
        return q.execute("UPDATE orders SET status='paid', total=total+0.01 WHERE id=%s", (rnd.randint(1, self.top),))

    def _customer(self, q, rnd, n):
        return q.execute("UPDATE customers SET balance=balance+1.25, rating=rating*1.1, seen=NOW(3), flags=%s, prefs=%s, photo=%s "
                         "WHERE id=%s", (rnd.randint(0, 1023), '{"n":%d}' % rnd.randint(1, 99), rnd.randbytes(rnd.randint(0, 200)),
                                         rnd.randint(1, self.customers)))

    def _forget(self, q, rnd, n):
        order = rnd.randint(1, self.top)
        return q.execute("DELETE FROM items WHERE order_id=%s", (order,)) + q.execute("DELETE FROM orders WHERE id=%s", (order,))

    def _keys(self, q, rnd, n):
        rows = q.execute("UPDATE sessions SET token=%s, state=%s WHERE customer_id=%s",
                         (rnd.randbytes(15) + bytes([rnd.choice([0, 32, 7])]), rnd.randbytes(9) + b"\0", rnd.randint(1, 20000)))
        return rows + q.execute("UPDATE items SET line_no=line_no+100 WHERE order_id=%s AND line_no<100",
                                (rnd.randint(1, self.top),))

    def _audit(self, q, rnd, n):
        what = rnd.random()
        if what < 0.6:
            return q.execute("INSERT INTO audit VALUES ('2025-01-01',%s,'twice',0.1),('2025-01-01','same','twice',0.1)",
                             (f"u{rnd.randint(1, 5)}",))
        if what < 0.8:
            return q.execute("UPDATE audit SET amount=amount+1 WHERE who=%s LIMIT 1", (f"u{rnd.randint(1, 5)}",))
        return q.execute("DELETE FROM audit WHERE who='same' LIMIT 1")

    def _transfer(self, q, rnd, n):
        a, b, amount = rnd.randint(1, ACCOUNTS), rnd.randint(1, ACCOUNTS), rnd.randint(1, 10)
        q.execute("UPDATE accounts SET amount=amount-%s WHERE id=%s", (amount, a))
        q.execute("UPDATE ledger SET amount=amount+%s WHERE id=%s", (amount, b))
        return 2


def money(server, db):
    """The sum that every transaction keeps, in one snapshot."""
    connection = server.connect(db)
    try:
        with connection.cursor() as c:
            c.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            c.execute("SELECT (SELECT SUM(amount) FROM accounts) + (SELECT SUM(amount) FROM ledger)")
            return c.fetchone()[0]
    finally:
        connection.close()
