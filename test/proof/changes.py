"""Random DDL and its model: what each statement makes of the tables it touches; when its answer is lost, the catalog tells.

Nothing is made here that OMS rightly leaves to a person (data that each server makes up, foreign keys that act, other engines).
"""
import contextlib
import threading

import pymysql

import schema
from omslab import poll
from values import keys, plain

GONE = (2003, 2006, 2013, 1927, 1053, 0)
LEAST, MOST = 5, 14  # tables there are
MODES = ["", "", "STRICT_TRANS_TABLES", "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"]
MORE_MODES = {"mariadb": ["TIME_ROUND_FRACTIONAL", "EMPTY_STRING_IS_NULL,ANSI_QUOTES", "ORACLE", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"],
              "mysql": ["TIME_TRUNCATE_FRACTIONAL", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"]}
SETTINGS = {"mariadb": ["binlog_alter_two_phase=1"], "mysql": ["default_collation_for_utf8mb4=utf8mb4_general_ci"]}
COMMON = ["explicit_defaults_for_timestamp=0", "sql_quote_show_create=0", "foreign_key_checks=0", "collation_connection=latin1_swedish_ci"]
CHARSETS = {"latin1": "cp1252", "sjis": "cp932", "gbk": "gbk", "binary": "utf8"}  # a client's, and its name here
PREFIXES = ["c", "v`", "ä ", "Col.", "select ", "a,b", "x)", "q'", "表"]
NAMES = ["t", "T ", "tä`", "order ", "a.b ", "--", "表 "]
SWAPPED = ["RENAME TABLE accounts TO x_money, ledger TO accounts, x_money TO ledger"]  # a bank with two halves does not mind
KNOWN = ["ALTER TABLE journal ADD KEY more (what)", "ALTER TABLE journal DROP KEY more", "ALTER TABLE bulk ADD COLUMN later INT INVISIBLE DEFAULT 5",
         "ALTER TABLE bulk DROP COLUMN later", "CREATE UNIQUE INDEX once ON own (w, k, u)", "DROP INDEX once ON own", "OPTIMIZE TABLE tally",
         "ALTER TABLE accounts COMMENT 'tab\\\\t, quote '' and ö'"]


# Within the copy: no exchange of names, which is left to a person where one of both is copied anew.
WITHIN_COPY = ["alter", "index", "create", "drop", "truncate", "upkeep"]


class Change:
    """A statement, and what its tables are afterwards: name -> Table, or None: there is none."""

    def __init__(self, kind, sql, after, before=None):
        self.kind, self.sql, self.after, self.before = kind, sql, after, before or {}


class Changes:
    """What DDL there is for the tables of one Work. Each table has one change at a time."""

    def __init__(self, work):
        self.work, self.lock, self.busy, self.serial = work, threading.Lock(), set(), 100
        self.freed, self.done, self.refused = [], {}, {}
        self.running, self.stopped, self.kinds = 0, False, list(self.KINDS)

    @contextlib.contextmanager
    def still(self):
        """No DDL runs meanwhile."""
        with self.lock:
            self.stopped = True
        try:
            poll.until(lambda: not self.running, 60, "the DDL that runs to end")
            yield
        finally:
            self.stopped = False

    # --- doing one ----------------------------------------------------------------------------------
    def one(self, rnd, execute):
        """execute runs a statement on a connection of the caller, whose transaction ends with it. Raises when the way is lost."""
        with self.lock:
            if self.stopped:
                return
            self.running += 1
        try:
            self.do(rnd, execute)
        finally:
            with self.lock:
                self.running -= 1

    def do(self, rnd, execute):
        change = self.pick(rnd)
        if change is None:
            return
        text, before, behind = self.session(rnd, change.sql)
        try:
            for s in (*before, change.sql if text is None else text):
                execute(s)
            self.note(self.done, change.kind)
        except pymysql.err.Error as e:
            self.note(self.refused, f"{change.kind} {e.args[0]}")
            if e.args[0] in GONE or isinstance(e, pymysql.err.InterfaceError):
                raise
            execute("SELECT 1")
        finally:
            self.settle(change)
        for s in behind:
            execute(s)

    def session(self, rnd, sql):
        """The statement in the bytes of a client's charset, or None; what sets the session up; what sets it back."""
        before = [f"SET sql_mode='{rnd.choice(MODES + MORE_MODES[self.work.flavour])}'", "SET lock_wait_timeout=3"]
        behind = ["SET sql_mode=''", "SET lock_wait_timeout=20"]
        if rnd.random() < 0.4:
            setting = rnd.choice(COMMON + SETTINGS[self.work.flavour])
            name = setting.split("=")[0]
            if name == "explicit_defaults_for_timestamp":  # which MySQL does not set within a transaction
                before.append("COMMIT")
                behind.append("COMMIT")
            before.append(f"SET {setting}")
            behind.append(f"SET {name}={'@@collation_database' if name == 'collation_connection' else 'DEFAULT'}")
        charset = rnd.choice([None, None, *CHARSETS])
        if charset is None or charset == "binary" and any("collation_conn" in s for s in before):  # the last is a person's
            return None, before, behind
        try:
            text = sql.encode(CHARSETS[charset])
        except UnicodeEncodeError:
            return None, before, behind
        before += ["SET @client=@@character_set_client", f"SET character_set_client={charset}"]
        return text, before, ["SET character_set_client=@client", *behind]

    def note(self, counts, what):
        with self.lock:
            counts[what] = counts.get(what, 0) + 1

    def number(self):
        with self.lock:
            self.serial += 1
            return self.serial

    def pick(self, rnd):
        """Its tables are busy until it is settled."""
        kinds = self.kinds
        kind = rnd.choices(kinds, weights=[self.KINDS[k][1] for k in kinds])[0]
        with self.lock:
            free = [t for t in self.work.tables if t.name not in self.busy]
        change = self.KINDS[kind][0](self, rnd, free)
        if change is None:
            return None
        change.kind, seen = kind, {t.name: t for t in free}
        with self.lock:
            there = {t.name: t for t in self.work.tables}
            if self.busy & set(change.after) or any(there.get(n) is not seen.get(n) for n in change.after):
                return None
            self.busy |= set(change.after)
        change.before = {n: there.get(n) for n in change.after}
        return change

    def settle(self, change):
        """What became of it is in the source's catalog, table by table."""
        found = poll.until(lambda: self.look(change.after), 120, "the catalog of the source") if change.after else {}
        now = {}
        for name, there in found.items():
            fits = [t for t in (change.after[name], change.before[name]) if (t.outline() if t else None) == (there and there[:2])]
            if not fits:
                raise RuntimeError(f"after '{change.sql}' the source's '{name}' is {there}, expected "
                                   f"{[t and t.outline() for t in (change.after[name], change.before[name])]}")
            now[name] = fits[0]
            if fits[0]:
                now[name] = fits[0].named(name)
                now[name].columns.sort(key=lambda c: there[2].index(c.name))
        with self.lock:
            self.work.tables = [t for t in self.work.tables if t.name not in now] + [t for t in now.values() if t]
            self.freed = [n for n in self.freed if not now.get(n)] + [n for n, t in now.items() if not t and n not in self.freed]
            self.busy -= set(now)

    def look(self, names):
        """None: the source is away. name -> (columns, keys, columns in order) or None."""
        def text(n):
            return "'" + n.replace("'", "''") + "'"
        try:
            within = f"table_schema='{self.work.db}' AND BINARY table_name IN ({', '.join(text(n) for n in names)})"
            columns = self.work.source.sql(f"SELECT table_name, column_name FROM information_schema.columns WHERE {within} ORDER BY ordinal_position")
            key_rows = self.work.source.sql(f"SELECT table_name, index_name FROM information_schema.statistics WHERE {within}")
        except pymysql.err.MySQLError as e:
            if e.args[0] in GONE or self.work.source.restarting:
                return None
            raise
        order = {n: [c for t, c in columns if t == n] for n in names}
        return {n: (set(order[n]), {k for t, k in key_rows if t == n}, order[n]) if order[n] else None for n in names}

    # --- parts of ALTER TABLE: each gives its clause and the table it leads to, or None ------------------
    def place(self, rnd, t):
        return rnd.choice(["", "", " FIRST", f" AFTER {rnd.choice(t.columns).q}"])

    def column(self, rnd):
        definition, value = rnd.choice(plain(self.work.flavour))
        shape = definition in ("POINT", "GEOMETRY")  # what a filled table gets there cannot be written by any statement
        c = schema.Column(rnd.choice(PREFIXES) + str(self.number()), definition, value, nullable=shape or rnd.random() < 0.6)
        literal = value(rnd)
        if rnd.random() < 0.5 and "DEFAULT" not in definition and "(" not in literal.split("'")[0]:
            heavy = any(k in definition for k in ("TEXT", "BLOB", "JSON"))
            return c, f"{c.sql()} DEFAULT {'(' + literal + ')' if heavy else literal}"
        return c, c.sql()

    def add_column(self, rnd, t):
        c, sql = self.column(rnd)
        return f"ADD COLUMN {sql}{self.place(rnd, t)}", t.changed((None, c))

    def drop_column(self, rnd, t):
        free = [c for c in t.free() if c.name != "n"]
        if len(free) < 2:
            return None
        c = rnd.choice(free)
        return f"DROP COLUMN {c.q}", t.changed((c, None))

    def modify_column(self, rnd, t):
        free = [c for c in t.free() if c.name != "n"]
        if not free:
            return None
        old, (new, sql) = rnd.choice(free), self.column(rnd)
        how = rnd.random()
        if how < 0.4:  # the same in another place, or with another default
            new = old.renamed(old.name)
            sql = new.sql()
        elif how < 0.7:
            sql = old.q + sql[len(new.q):]
            new = new.renamed(old.name)
        else:
            return f"CHANGE {old.q} {sql}{self.place(rnd, t)}", t.changed((old, new))
        return f"MODIFY COLUMN {sql}{self.place(rnd, t)}", t.changed((old, new))

    def modify_key(self, rnd, t):
        old = rnd.choice(t.key + t.uniques)
        family = {"INT": "INT", "SMALLINT": "INT", "BIGINT": "INT", "VARCHAR": "CHAR", "CHAR": "CHAR"}
        word = old.definition.split()[0].split("(")[0]
        like = [(d, v) for d, v in keys(self.work.flavour) if family.get(d.split()[0].split("(")[0], d) == family.get(word, word)]
        if not like:
            return None
        definition, value = rnd.choice(like)
        new = schema.Column(old.name, definition, value, old.nullable)
        return f"MODIFY {new.sql()}", t.changed((old, new))

    def rename_column(self, rnd, t):
        c = rnd.choice([x for x in t.columns if not x.generated and x.name != "n"])
        new = c.renamed(rnd.choice(PREFIXES) + str(self.number()))
        return f"RENAME COLUMN {c.q} TO {new.q}", t.changed((c, new))

    def swap_columns(self, rnd, t):
        free = [c for c in t.free() if c.name != "n"]
        if len(free) < 2:
            return None
        a, b = rnd.sample(free, 2)
        return f"RENAME COLUMN {a.q} TO {b.q}, RENAME COLUMN {b.q} TO {a.q}", t.changed((a, a.renamed(b.name)), (b, b.renamed(a.name)))

    def index(self, rnd, t, unique=None):
        parts = []
        for c in rnd.sample(t.columns, rnd.randint(1, min(3, len(t.columns)))):
            if any(k in c.definition for k in ("TEXT", "BLOB", "VARBINARY(300)", "VARCHAR(300)", "COMPRESSED")):
                parts.append((c, f"({rnd.randint(3, 40)})"))
            elif not any(k in c.definition for k in ("JSON", "POINT", "GEOMETRY")):
                parts.append((c, ""))
        unique = rnd.random() < 0.3 if unique is None else unique
        return schema.Index(rnd.choice(["i", "ü`"]) + str(self.number()), parts, unique) if parts else None

    def add_index(self, rnd, t):
        i = self.index(rnd, t)
        if i is None or len(t.indexes) > 5:
            return None
        after = t.named(t.name)
        after.indexes.append(i)
        return f"ADD {i.sql()}", after

    def drop_index(self, rnd, t):
        if not t.indexes:
            return None
        after = t.named(t.name)
        i = after.indexes.pop(rnd.randrange(len(after.indexes)))
        return f"DROP KEY {schema.quote(i.name)}", after

    def rename_index(self, rnd, t):
        if not t.indexes:
            return None
        after = t.named(t.name)
        k = rnd.randrange(len(after.indexes))
        old = after.indexes[k]
        after.indexes[k] = schema.Index(f"r{self.number()}", old.parts, old.unique)
        return f"RENAME KEY {schema.quote(old.name)} TO {schema.quote(after.indexes[k].name)}", after

    def other_primary(self, rnd, t):
        """Another primary key, or the first, or none any more."""
        after = t.named(t.name)
        n = next(c for c in t.columns if c.name == "n")
        if not t.primary:
            after.primary = True
            for k in [c for c in after.key if c.nullable]:
                after = after.changed((k, k.renamed(k.name)))
                next(c for c in after.key if c.name == k.name).nullable = False
            return f"ADD PRIMARY KEY ({', '.join(c.q for c in after.key)})", after
        if rnd.random() < 0.3 and self.work.flavour == "mariadb":
            after.primary, after.shape = False, "none"
            return "DROP PRIMARY KEY", after
        if rnd.random() < 0.5 and n not in t.key:
            new = n.renamed("n")
            new.nullable = False
            after = after.changed((n, new))
            after.key.insert(0, new)
        else:
            rnd.shuffle(after.key)
        return f"DROP PRIMARY KEY, ADD PRIMARY KEY ({', '.join(c.q for c in after.key)})", after

    def dull(self, rnd, t):
        return rnd.choice([f"COMMENT 'it''s {rnd.randint(0, 99)} of ö'", "FORCE", "ENGINE=InnoDB", "ROW_FORMAT=DYNAMIC", "AUTO_INCREMENT=77",
                           f"ALTER COLUMN `n` SET DEFAULT {rnd.randint(0, 9)}", "ALTER COLUMN `n` DROP DEFAULT", "DEFAULT CHARSET=latin1",
                           "DEFAULT CHARSET=utf8mb4 COLLATE utf8mb4_unicode_ci", "STATS_PERSISTENT=1"]), t.named(t.name)

    PARTS = [add_column, drop_column, modify_column, modify_key, rename_column, swap_columns, add_index, drop_index, rename_index,
             other_primary, dull]
    PART_WEIGHTS = [6, 4, 5, 2, 3, 1, 3, 3, 1, 1, 1]

    # --- statements ---------------------------------------------------------------------------------------
    def alter(self, rnd, free):
        if not free:
            return None
        t = rnd.choice(free)
        after, clauses = t, []
        for _ in range(rnd.choice([1, 1, 1, 2, 3])):
            made = rnd.choices(self.PARTS, weights=self.PART_WEIGHTS)[0](self, rnd, after)
            if made:
                clauses.append(made[0])
                after = made[1]
        if not clauses:
            return None
        if rnd.random() < 0.3:
            clauses.append(rnd.choice(["ALGORITHM=INSTANT", "ALGORITHM=INPLACE", "ALGORITHM=COPY", "ALGORITHM=NOCOPY, LOCK=NONE"]
                                      if self.work.flavour == "mariadb" else ["ALGORITHM=INSTANT", "ALGORITHM=INPLACE", "ALGORITHM=COPY"]))
        return Change(None, f"ALTER TABLE {schema.quote(t.name)} {', '.join(clauses)}", {t.name: after})

    def index_alone(self, rnd, free):
        if not free:
            return None
        t = rnd.choice(free)
        name = schema.quote(t.name)
        if t.indexes and rnd.random() < 0.5:
            clause, after = self.drop_index(rnd, t)
            return Change(None, f"DROP INDEX {clause[9:]} ON {name}", {t.name: after})
        i = self.index(rnd, t)
        if i is None or len(t.indexes) > 5:
            return None
        after = t.named(t.name)
        after.indexes.append(i)
        return Change(None, f"CREATE {'UNIQUE ' if i.unique else ''}INDEX {schema.quote(i.name)} ON {name} {i.columns()}", {t.name: after})

    def name(self, rnd):
        if self.freed and rnd.random() < 0.6:
            return rnd.choice(self.freed)
        return rnd.choice(NAMES) + str(self.number())

    def rename(self, rnd, free):
        if not free:
            return None
        t, to = rnd.choice(free), self.name(rnd)
        if to == t.name:
            return None
        q = schema.quote
        sql = rnd.choice([f"RENAME TABLE {q(t.name)} TO {q(to)}", f"ALTER TABLE {q(t.name)} RENAME TO {q(to)}",
                          f"RENAME TABLE {q(t.name)} TO `{self.work.db}`.{q(to)}"])
        return Change(None, sql, {t.name: None, to: t.named(to)})

    def swap(self, rnd, free):
        if len(free) < 3:
            return None
        q, (a, b, c) = schema.quote, rnd.sample(free, 3)
        if rnd.random() < 0.3:  # three in a ring
            ring = f"{q(a.name)} TO `x 3`, {q(b.name)} TO {q(a.name)}, {q(c.name)} TO {q(b.name)}, `x 3` TO {q(c.name)}"
            return Change(None, f"RENAME TABLE {ring}",
                          {a.name: b.named(a.name), b.name: c.named(b.name), c.name: a.named(c.name), "x 3": None})
        return Change(None, f"RENAME TABLE {q(a.name)} TO `x 2`, {q(b.name)} TO {q(a.name)}, `x 2` TO {q(b.name)}",
                      {a.name: b.named(a.name), b.name: a.named(b.name), "x 2": None})

    def create(self, rnd, free):
        if len(self.work.tables) >= MOST:
            return None
        name, how = self.name(rnd), rnd.random()
        if how < 0.5 or not free:
            t = schema.Table(rnd, name, rnd.choice(schema.SHAPES[self.work.flavour]), self.work.flavour)
            sql = t.create()
            if rnd.random() < 0.2:
                sql = sql.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1)
            return Change(None, sql, {name: t})
        model = rnd.choice(free)
        if how < 0.8:
            return Change(None, f"CREATE TABLE {schema.quote(name)} LIKE {schema.quote(model.name)}", {name: model.named(name), model.name: model})
        t = model.named(name)  # with its rows, which are in the log
        t.columns = [c.renamed(c.name) for c in model.written]
        t.key = [c for c in t.columns if c.name in {k.name for k in model.key}]
        t.indexes, t.primary, t.shape = [], False, "none"
        if self.work.flavour == "mysql" or rnd.random() < 0.5:
            t.primary = model.primary
        if self.work.flavour == "mysql" and not t.primary:
            return None
        keys_sql = f" (PRIMARY KEY ({', '.join(c.q for c in t.key)}))" if t.primary else ""
        return Change(None, f"CREATE TABLE {schema.quote(name)}{keys_sql} AS SELECT {t.names()} FROM {schema.quote(model.name)}",
                      {name: t, model.name: model})

    def drop(self, rnd, free):
        if len(self.work.tables) <= LEAST or not free:
            return None
        t = rnd.choice(free)
        q, more = schema.quote(t.name), rnd.random()
        if more < 0.2 and self.work.flavour == "mariadb":
            return Change(None, f"DROP TABLE {q}, no_such_table", {t.name: None})  # an error, and the table is gone
        return Change(None, f"DROP TABLE IF EXISTS no_such_table, {q}" if more < 0.4 else f"DROP TABLE {q}", {t.name: None})

    def truncate(self, rnd, free):
        if not free:
            return None
        t = rnd.choice(free)
        return Change(None, f"TRUNCATE {rnd.choice(['', 'TABLE '])}{schema.quote(t.name)}", {t.name: t})

    def upkeep(self, rnd, free):
        if not free:
            return None
        t = rnd.choice(free)
        return Change(None, f"{rnd.choice(['OPTIMIZE', 'ANALYZE'])} TABLE {schema.quote(t.name)}", {t.name: t})

    def known(self, rnd, free):
        return Change(None, rnd.choice(SWAPPED + KNOWN), {})

    KINDS = {"alter": (alter, 30), "index": (index_alone, 6), "rename": (rename, 5), "swap": (swap, 6), "create": (create, 9), "drop": (drop, 5),
             "truncate": (truncate, 3), "upkeep": (upkeep, 1), "known": (known, 6)}


class Changer(threading.Thread):
    """Nothing but DDL, between and during the writers' transactions."""

    def __init__(self, work, rnd, per_second):
        super().__init__(daemon=True)
        self.work, self.rnd, self.per_second = work, rnd, per_second
        self.number, self.error, self.done, self.last, self.connection = "of DDL", None, threading.Event(), [], None

    def connect(self):
        def one():
            try:
                return self.work.source.connect(self.work.db)
            except pymysql.err.OperationalError:
                return None
        self.connection = poll.until(one, 120, "the source to answer")
        self.execute(f"SET time_zone='{self.rnd.choice(['+00:00', '+08:00', '-11:30'])}'")

    def execute(self, statement):
        self.last.append(statement)
        with self.connection.cursor() as q:
            q.execute(statement)
            return q.fetchall()

    def run(self):
        try:
            self.connect()
            while not self.done.is_set():
                self.last = []
                try:
                    if self.rnd.random() < 0.03:
                        self.hide()
                    self.work.changes.one(self.rnd, self.execute)
                except pymysql.err.Error as e:
                    if e.args[0] not in GONE and not isinstance(e, pymysql.err.InterfaceError):
                        raise
                    self.connect()
                self.done.wait(self.rnd.expovariate(self.per_second))
            self.connection.close()
        except BaseException as e:
            self.error = e

    def hide(self):
        """A temporary table hides one of that name: what is truncated, filled and dropped now is not what the target has."""
        q = schema.quote(self.rnd.choice(self.work.tables).name)
        for s in (f"CREATE TEMPORARY TABLE {q} (id INT PRIMARY KEY)", f"INSERT INTO {q} VALUES (1)", f"ALTER TABLE {q} ADD COLUMN x INT",
                  f"TRUNCATE TABLE {q}", f"DROP {self.rnd.choice(['TEMPORARY ', ''])}TABLE {q}"):
            self.execute(s)
