"""Writers with a model. A seed decides schema, statements and their order within a writer; how writers interleave, the server decides.

Every transaction of a writer raises its row in `seqs`, adds its row to `journal`, moves money, and does what chance says to the
random tables. What a writer knows of its own rows is kept in Python (`Model`) and goes through commit, rollback, savepoints
and lost answers like the server's. switches: "cascade" (foreign keys that act), "xa", "ddl" (from change_tables() on), "early"
(DDL within the copy, too).
"""
import random
import threading

import pymysql

import schema
from changes import Changer, Changes
from omslab import poll

GONE = (2003, 2006, 2013, 1927, 1053, 0)  # the server, or the way to it
AGAIN = (1213, 1205, 1020)
MOVED = (1054, 1136, 1146, 1412)  # a DDL of somebody else came between


class Model:
    """Rows of one writer in `own`: key -> (u, v); n transactions committed."""

    def __init__(self):
        self.n, self.rows = 0, {}

    def copy(self):
        m = Model()
        m.n, m.rows = self.n, dict(self.rows)
        return m


class Writer(threading.Thread):
    def __init__(self, work, number):
        super().__init__(daemon=True)
        self.work, self.number = work, number
        self.rnd = random.Random(work.seed * 1009 + number)
        self.model = Model()
        self.connection, self.error, self.done = None, None, threading.Event()
        self.xid = None  # of the XA transaction that runs
        self.last = []  # statements of the transaction that runs, for the report of a failure

    # --- connection -------------------------------------------------------------------------------
    def connect(self):
        """Waits for the server; a restarted one may be away for long."""
        def one():
            try:
                c = self.work.source.connect(self.work.db)
            except pymysql.err.OperationalError:
                return None
            with c.cursor() as q:
                q.execute("SET sql_mode='', innodb_lock_wait_timeout=2, lock_wait_timeout=20, time_zone='%s'"
                          % random.Random(self.number).choice(["+00:00", "+08:00", "-11:30"]))
            c.autocommit(False)
            return c
        self.connection = poll.until(one, 120, "the source to answer")

    def run(self):
        try:
            self.connect()
            while not self.done.is_set():
                self.transaction()
                self.done.wait(self.rnd.expovariate(self.work.per_second / self.work.writers))
            self.connection.close()
        except BaseException as e:
            self.error = e

    def execute(self, statement):
        self.last.append(statement)
        with self.connection.cursor() as q:
            q.execute(statement)
            return q.fetchall()

    def attempt(self, statement):
        """A statement that may fail by itself: a duplicate, a value that does not fit."""
        try:
            return self.execute(statement)
        except (pymysql.err.IntegrityError, pymysql.err.DataError):
            return ()
        except (pymysql.err.OperationalError, pymysql.err.InternalError, pymysql.err.ProgrammingError) as e:
            if e.args[0] in GONE or e.args[0] in AGAIN:
                raise
            if e.args[0] in (1264, 1690, 1292, 1366, 1048, 1364, 3819, 4025, 1467, 3140, 1451, 1452, 1761):
                return ()
            if not self.work.changing:  # else it may have met another definition
                raise
            return ()

    # --- one transaction --------------------------------------------------------------------------
    def transaction(self):
        self.last, self.xid = [], None
        after = self.model.copy()
        after.n += 1
        how = self.rnd.random()
        try:
            if self.work.on("xa") and how < 0.08:
                return self.xa(after)
            self.execute("SET foreign_key_checks=1")
            self.connection.begin()
            self.body(after)
            if how > 0.97 and self.work.changing:
                self.work.changes.one(self.rnd, self.execute)  # which commits
            elif how > 0.9:
                self.connection.rollback()
                return
            self.connection.commit()
            self.model = after
            self.work.count()
        except pymysql.err.Error as e:
            if (e.args[0] in AGAIN or e.args[0] in MOVED and self.work.changing) and not self.xid:
                self.connection.rollback()
                return
            if self.xid and e.args[0] in (*AGAIN, 1412, 1613, 1614):  # its branch is over, or waits to be ended
                self.connection.close()
                return self.resolve(after)
            if e.args[0] not in GONE and not isinstance(e, pymysql.err.InterfaceError):
                raise
            self.resolve(after)

    def resolve(self, after):
        """The answer was lost: the row of this writer tells what became of it."""
        self.connect()
        if self.xid:
            poll.until(lambda: self.end_prepared(self.xid), 60, f"the end of XA transaction '{self.xid}'")
        n = self.execute(f"SELECT n FROM seqs WHERE w={self.number}")[0][0]
        self.connection.rollback()
        if n not in (self.model.n, after.n):
            raise RuntimeError(f"writer {self.number}: the source says {n} after {self.model.n}")
        if n == after.n:
            self.model = after
            self.work.count()

    def end_prepared(self, xid):
        """Commits or rolls back what an earlier connection left prepared; False while the server still holds it for that one."""
        try:
            if any(xid in str(r) for r in self.work.source.sql("XA RECOVER")):
                self.work.source.sql(f"XA {self.rnd.choice(['COMMIT', 'COMMIT', 'ROLLBACK'])} '{xid}'")
            return True
        except pymysql.err.MySQLError as e:
            if e.args[0] not in (1397, 1399, 1402, *GONE):
                raise
            return False

    def body(self, after):
        parts = [lambda: self.sign(after)]
        if self.rnd.random() < 0.7:
            parts.append(self.transfer)
        if self.rnd.random() < 0.5:
            parts.append(lambda: self.own(after))
        for _ in range(self.rnd.choice([0, 1, 1, 2, 3, 5, 12, 60 if self.rnd.random() < 0.1 else 4])):
            parts.append(self.random_part)
        if self.work.on("cascade") and self.rnd.random() < 0.3:
            parts.append(self.family)
        if self.rnd.random() < self.work.bulk:
            parts.append(self.bulk)
        self.rnd.shuffle(parts)
        for part in parts:
            part()

    def xa(self, after):
        """Prepared, held for a moment, and ended; sometimes by another connection."""
        self.xid = f"{self.work.seed}-{self.number}-{after.n}-{self.rnd.randint(0, 10**9)}"
        self.execute(f"XA START '{self.xid}'")
        self.body(after)
        self.execute(f"XA END '{self.xid}'")
        if self.rnd.random() < 0.15:
            self.execute(f"XA ROLLBACK '{self.xid}'")
            return
        self.execute(f"XA PREPARE '{self.xid}'")
        self.done.wait(self.rnd.random() * 0.2)
        if self.rnd.random() < 0.2:
            self.connection.close()
            self.resolve(after)
        elif self.rnd.random() < 0.2:
            self.execute(f"XA ROLLBACK '{self.xid}'")
        else:
            self.execute(f"XA COMMIT '{self.xid}'")
            self.model = after
            self.work.count()

    def sign(self, after):
        w, n = self.number, after.n
        seen = self.execute("SELECT GROUP_CONCAT(w, '=', n ORDER BY w) FROM seqs")[0][0]  # what was committed before
        self.execute(f"UPDATE seqs SET n=n+1 WHERE w={w}")
        self.execute(f"INSERT INTO journal VALUES ({w},{n},'{seen}')")
        if n % 5 == 0:
            self.execute(f"INSERT INTO tally (w,n,amount) VALUES ({w},{n},0),({w},{n},0)")
        elif n % 5 == 2 and n > 5:
            self.execute(f"UPDATE tally SET amount=amount+1 WHERE w={w} AND n={n - 2} LIMIT 1")

    def transfer(self):
        a, b = self.rnd.randrange(schema.ACCOUNTS), self.rnd.randrange(schema.ACCOUNTS)
        amount = self.rnd.randint(-9, 9)
        pair = [f"UPDATE accounts SET amount=amount-{amount} WHERE id={a}", f"UPDATE ledger SET amount=amount+{amount} WHERE id={b}"]
        self.rnd.shuffle(pair)
        for s in pair:
            self.execute(s)

    def own(self, after):
        """Rows that nobody else touches: their content is known to the last value."""
        w, rows = self.number, after.rows
        for _ in range(self.rnd.randint(1, 4)):
            k, what = self.rnd.randint(0, 30), self.rnd.random()
            kept, save = dict(rows), self.rnd.random() < 0.25
            if save:
                self.execute("SAVEPOINT s")
            if k not in rows:
                u = self.rnd.choice([None, 1000 + k])
                if u not in {r[0] for r in rows.values()} or u is None:
                    self.execute(f"INSERT INTO own VALUES ({w},{k},{'NULL' if u is None else u},{after.n})")
                    rows[k] = (u, after.n)
            elif what < 0.3:
                self.execute(f"DELETE FROM own WHERE w={w} AND k={k}")
                del rows[k]
            elif what < 0.5:
                self.swap(w, k, rows)
            elif what < 0.65 and k + 100 not in rows:
                self.execute(f"UPDATE own SET k=k+100 WHERE w={w} AND k={k}")
                rows[k + 100] = rows.pop(k)
                self.execute(f"DELETE FROM own WHERE w={w} AND k={k + 100}")
                del rows[k + 100]
            else:
                for _ in range(self.rnd.choice([1, 1, 7])):
                    self.execute(f"UPDATE own SET v=(v*3+1)%1000003 WHERE w={w} AND k={k}")
                    u, v = rows[k]
                    rows[k] = (u, (v * 3 + 1) % 1000003)
            if save and self.rnd.random() < 0.6:
                self.execute("ROLLBACK TO SAVEPOINT s")
                rows.clear()
                rows.update(kept)

    def swap(self, w, k, rows):
        other = self.rnd.choice(sorted(rows))
        if other == k:
            return
        (u1, v1), (u2, v2) = rows[k], rows[other]
        lit = ["NULL" if u is None else str(u) for u in (u1, u2)]
        self.execute(f"UPDATE own SET u=NULL WHERE w={w} AND k={k}")
        self.execute(f"UPDATE own SET u={lit[0]} WHERE w={w} AND k={other}")
        self.execute(f"UPDATE own SET u={lit[1]} WHERE w={w} AND k={k}")
        rows[k], rows[other] = (u2, v1), (u1, v2)

    def bulk(self):
        """Many rows at once; each writer has its own range."""
        low, n = self.number * 100000, self.rnd.choice([300, 1000, self.work.huge])
        at = low + self.rnd.randint(0, 5000)
        self.rnd.choice([
            lambda: self.execute(f"REPLACE INTO bulk SELECT {at}+a.x, {self.number}, REPEAT(CHAR(65+a.x%26), a.x%250) FROM "
                                 f"(SELECT (@r:=@r+1)-1 AS x FROM journal j1, journal j2, (SELECT @r:=0) z LIMIT {n}) a"),
            lambda: self.execute(f"DELETE FROM bulk WHERE w={self.number} AND id BETWEEN {at} AND {at + n}"),
            lambda: self.execute(f"UPDATE bulk SET pad=CONCAT(LEFT(pad,100),'\\0') WHERE w={self.number} AND id BETWEEN {at} AND {at + n}"),
            lambda: self.attempt(f"UPDATE bulk SET id=id+1 WHERE w={self.number} AND id BETWEEN {at} AND {at + n} ORDER BY id DESC"),
        ])()

    def family(self):
        """Rows whose keys act on other rows: deleted, changed, made again, with checks and without."""
        r, other, n = self.rnd.randint(0, 59), self.rnd.randint(0, 59), self.rnd.randint(1, 4)
        unchecked = self.rnd.random() < 0.1
        if unchecked:
            self.execute("SET foreign_key_checks=0")
        for s in self.rnd.choice([
            [f"DELETE FROM f_root WHERE id={r}"], [f"DELETE FROM f_node WHERE id={r}"],
            [f"DELETE FROM f_root WHERE id IN ({r},{other})", f"INSERT IGNORE INTO f_root VALUES ({r},'c{r}',{n})",
             f"INSERT IGNORE INTO f_kid VALUES ({r},{n},'c{r}')"],
            [f"INSERT IGNORE INTO f_root VALUES ({r},'c{r}',1)", f"INSERT IGNORE INTO f_kid VALUES ({r},{n},NULL)",
             f"INSERT INTO f_leaf (root,n,note) SELECT root,n,'more' FROM f_kid WHERE root={r}"],
            [f"UPDATE IGNORE f_root SET id=id+1000 WHERE id={r}"], [f"UPDATE IGNORE f_root SET id=id-1000 WHERE id={r + 1000}"],
            [f"UPDATE IGNORE f_root SET code=CONCAT('n', id) WHERE id={r}"], [f"UPDATE f_root SET code=UPPER(code), v=v+1 WHERE id={r}"],
            [f"UPDATE f_kid SET n=n+10 WHERE root={r} AND n={n}", f"DELETE FROM f_kid WHERE root={r} AND n > 20"],
            [f"INSERT IGNORE INTO f_node VALUES ({r},NULL)", f"INSERT IGNORE INTO f_node VALUES ({other},{r})"]]):
            self.attempt(s)
        if unchecked:
            self.execute("SET foreign_key_checks=1")

    # --- random tables ----------------------------------------------------------------------------
    def random_part(self):
        t = self.rnd.choice(self.work.tables)
        save = self.rnd.random() < 0.15
        if save:
            self.execute("SAVEPOINT p")
        for _ in range(self.rnd.choice([1, 1, 1, 3])):
            self.rnd.choices(self.MOVES, weights=self.WEIGHTS)[0](self, t)
        if save and self.rnd.random() < 0.7:
            self.execute("ROLLBACK TO SAVEPOINT p")

    def insert(self, t):
        rows = ", ".join(t.row(self.rnd) for _ in range(self.rnd.choice([1, 1, 2, 8])))
        verb = self.rnd.choice(["INSERT", "INSERT", "INSERT IGNORE", "REPLACE"])
        more = ""
        if verb == "INSERT" and self.rnd.random() < 0.4:
            c = self.rnd.choice(t.written)
            more = f" ON DUPLICATE KEY UPDATE {c.q} = {c.literal(self.rnd, 0)}"
        self.attempt(f"{verb} INTO {schema.quote(t.name)} ({t.names()}) VALUES {rows}{more}")

    def update(self, t):
        free = t.free()
        if not free:
            return
        sets = ", ".join(f"{c.q} = {c.literal(self.rnd)}" for c in self.rnd.sample(free, self.rnd.randint(1, len(free))))
        self.attempt(f"UPDATE {schema.quote(t.name)} SET {sets} WHERE {t.where(self.rnd)}")

    def again(self, t):
        where = t.where(self.rnd)
        for i in range(self.rnd.randint(2, 6)):
            self.attempt(f"UPDATE {schema.quote(t.name)} SET `n` = COALESCE(`n`,0) + {i} WHERE {where}")

    def rekey(self, t):
        c = self.rnd.choice(t.key + t.uniques)
        self.attempt(f"UPDATE {schema.quote(t.name)} SET {c.q} = {c.literal(self.rnd, 0.1)} WHERE {t.where(self.rnd)}")

    def chain(self, t):
        """Keys of many rows move by one, so that each takes the place of the next."""
        c = t.key[-1]
        if c.definition in ("INT", "SMALLINT"):
            self.attempt(f"UPDATE {schema.quote(t.name)} SET {c.q} = {c.q} + 1 WHERE {c.q} < 60 ORDER BY {c.q} DESC LIMIT 9")

    def remove(self, t):
        self.attempt(f"DELETE FROM {schema.quote(t.name)} WHERE {t.where(self.rnd)}")

    def anew(self, t):
        where = t.where(self.rnd)
        name = schema.quote(t.name)
        self.attempt(f"DELETE FROM {name} WHERE {where}")
        self.attempt(f"INSERT INTO {name} ({t.names()}) VALUES {t.row(self.rnd)}")

    def many(self, t):
        c = t.key[0]
        name = schema.quote(t.name)
        self.attempt(self.rnd.choice([
            f"UPDATE {name} SET `n` = COALESCE(`n`,0) + 1 WHERE {c.q} <= {c.value(self.rnd)}",
            f"DELETE FROM {name} WHERE {c.q} >= {c.value(self.rnd)} LIMIT {self.rnd.randint(1, 12)}",
            f"DELETE FROM {name} ORDER BY {c.q} DESC LIMIT 3"]))

    def select_into(self, t):
        c = t.key[-1]
        if c.definition not in ("INT", "SMALLINT") or self.rnd.random() < 0.5:
            return
        rest = [f"LEAST({x.q} + 7, 200)" if x is c else x.q for x in t.written]
        self.attempt(f"INSERT IGNORE INTO {schema.quote(t.name)} ({t.names()}) SELECT {', '.join(rest)} FROM {schema.quote(t.name)} LIMIT 10")

    def exchange(self, t):
        """Two rows exchange the values of a unique key."""
        columns = [u for u in t.uniques if u.nullable]
        if not columns or not t.primary:
            return
        c, name = self.rnd.choice(columns), schema.quote(t.name)
        one, two = t.where(self.rnd), t.where(self.rnd)
        self.attempt(f"SELECT (SELECT {c.q} FROM {name} WHERE {one}), (SELECT {c.q} FROM {name} WHERE {two}) INTO @a, @b")
        for s in (f"{c.q}=NULL WHERE {one}", f"{c.q}=NULL WHERE {two}", f"{c.q}=@a WHERE {two}", f"{c.q}=@b WHERE {one}"):
            self.attempt(f"UPDATE {name} SET {s}")

    MOVES = [insert, update, again, rekey, chain, remove, anew, many, select_into, exchange]
    WEIGHTS = [6, 5, 2, 4, 1, 2, 2, 1, 1, 2]


class Work:
    """A database `db` on `source`, filled; start() lets the writers go, stop() ends them and raises what went wrong."""

    def __init__(self, source, db, seed, writers=3, per_second=60, bulk=0.02, huge=4000, rows=40, switches=(), shapes=None):
        self.source, self.db, self.seed, self.writers, self.per_second = source, db, seed, writers, per_second
        self.bulk, self.huge, self.rows, self.switches, self.shapes = bulk, huge, rows, set(switches), shapes
        self.flavour = source.kind
        self.lock, self.committed = threading.Lock(), 0
        self.threads = [Writer(self, w) for w in range(writers)]
        self.changes, self.changers, self.changing = Changes(self), [], False

    def on(self, switch):
        return switch in self.switches

    def count(self):
        with self.lock:
            self.committed += 1

    def create(self):
        rnd = random.Random(self.seed)
        self.tables = schema.make(rnd, self.flavour, self.shapes or schema.SHAPES[self.flavour])
        self.source.sql(f"CREATE DATABASE IF NOT EXISTS {self.db} CHARACTER SET utf8mb4", f"USE {self.db}", *schema.known(self.flavour),
                        *schema.fill_known(self.writers), *[t.create() for t in self.tables], *(schema.FAMILY if self.on("cascade") else []))
        filler = Writer(self, 0)
        filler.connect()
        filler.rnd = rnd
        for t in self.tables:
            for _ in range(self.rows):
                filler.attempt(f"INSERT IGNORE INTO {schema.quote(t.name)} ({t.names()}) VALUES {t.row(rnd)}")
        filler.connection.commit()
        filler.connection.close()
        return self

    def start(self):
        for t in self.threads:
            t.start()
        return self

    def change_tables(self, per_second=4, changers=2, kinds=None):
        """From now on DDL, too, if it is switched on; of these kinds, or all."""
        if self.on("ddl"):
            self.changes.kinds = kinds or list(self.changes.KINDS)
        if self.on("ddl") and not self.changers:
            self.changers = [Changer(self, random.Random(self.seed * 2003 + i), per_second / changers) for i in range(changers)]
            self.changing = True
            for t in self.changers:
                t.start()

    def check(self):
        for t in self.threads + self.changers:
            if t.error:
                raise RuntimeError(f"seed {self.seed}, writer {t.number}: {t.error!r}\nat {t.last[-1:]}") from t.error

    def stop(self):
        for t in self.threads + self.changers:
            t.done.set()
        for t in self.threads + self.changers:
            if t.is_alive():
                t.join(130)
        self.check()

    def names(self):
        return ["accounts", "ledger", "seqs", "journal", "tally", "own", "bulk",
                *(schema.FAMILY_TABLES if self.on("cascade") else []), *[t.name for t in self.tables]]

    def own_rows(self):
        return {(t.number, k): row for t in self.threads for k, row in t.model.rows.items()}
