"""Random tables: each shape of key there is, several unique keys beside it, generated columns, strange names."""
import copy

from values import keys, number_keys, plain, text_keys

SHAPES = {"mariadb": ["int", "composite", "random", "random", "unique_only", "nullable_unique", "none", "composite_random", "text",
                      "number"],
          # a table without a key is copied from MySQL, but not among others here
          "mysql": ["int", "composite", "random", "random", "random", "unique_only", "composite_random", "text", "number"]}
ACCOUNTS = 60
SUM = ACCOUNTS * 1000


def quote(name):
    return "`" + name.replace("`", "``") + "`"


class Column:
    def __init__(self, name, definition, value, nullable=True, generated=False):
        self.name, self.definition, self.value, self.nullable, self.generated = name, definition, value, nullable, generated

    @property
    def q(self):
        return quote(self.name)

    def sql(self):
        return f"{self.q} {self.type()}"

    def type(self):
        return self.definition + ("" if self.nullable or " NULL" in self.definition else " NOT NULL")

    def renamed(self, name):
        c = copy.copy(self)
        c.name = name
        return c

    def literal(self, rnd, null=0.15):
        return "NULL" if self.nullable and rnd.random() < null else self.value(rnd)


class Index:
    """parts: (column, length of its prefix as SQL)."""

    def __init__(self, name, parts, unique=False):
        self.name, self.parts, self.unique = name, parts, unique

    def columns(self):
        return "(" + ", ".join(c.q + prefix for c, prefix in self.parts) + ")"

    def sql(self):
        return f"{'UNIQUE ' if self.unique else ''}KEY {quote(self.name)} {self.columns()}"

    def changed(self, place):
        return Index(self.name, [(place.get(id(c), c), prefix) for c, prefix in self.parts], self.unique)


class Table:
    """columns; key: those that find a row; indexes: further keys. A DDL makes another Table of it, so that who has one keeps it."""

    def __init__(self, rnd, name, shape, flavour):
        self.name, self.shape = name, shape
        self.columns, self.key, self.primary, self.indexes = [], [], False, []
        self._key(rnd, flavour)
        for i in range(rnd.randint(2, 9)):
            definition, value = rnd.choice(plain(flavour))
            self.columns.append(Column(rnd.choice(["c", "v`", "ä ", "Col."]) + str(i), definition, value))
        self.columns.append(Column("n", "INT", lambda r: str(r.randint(-100, 100))))
        if shape not in ("none", "unique_only"):
            self._uniques(rnd, flavour)
        if shape in ("unique_only", "nullable_unique"):
            self.indexes.append(Index("only_one", [(c, "") for c in self.key], True))
        self._generated(rnd)
        rest = self.columns[len(self.key):]
        rnd.shuffle(rest)
        if rnd.random() < 0.5:
            self.columns[len(self.key):] = rest
        else:
            self.columns = rest + self.columns[:len(self.key)]

    def _key(self, rnd, flavour):
        pool = keys(flavour)
        exact = ("INT", lambda r: str(r.randint(1, 40)))
        kinds = {"int": [exact], "composite": [exact, ("VARCHAR(8) CHARACTER SET latin1", lambda r: f"'k{r.randint(1, 4)}'")],
                 "random": [rnd.choice(pool)], "unique_only": [rnd.choice(pool)], "nullable_unique": [exact],
                 "none": [exact], "text": [rnd.choice(text_keys(flavour))],
                 "number": [rnd.choice(number_keys(flavour))], "composite_random": [rnd.choice(pool), rnd.choice(pool), exact]}[self.shape]
        for i, (definition, value) in enumerate(kinds):
            self.columns.append(Column(f"k{i}", definition, value, nullable=self.shape in ("nullable_unique", "none")))
        self.key = list(self.columns)
        self.primary = self.shape not in ("unique_only", "nullable_unique", "none")

    def _uniques(self, rnd, flavour):
        pool = {"text": text_keys, "number": number_keys}.get(self.shape, keys)(flavour)
        for i in range(rnd.choice([0, 1, 1, 2, 3]) if pool == keys(flavour) else 2):
            definition, value = rnd.choice(pool)
            column = Column(f"u{i}", definition, value, nullable=rnd.random() < 0.7 and "NOT NULL" not in definition)
            self.columns.append(column)
            parts = [(column, "(2)" if definition.startswith("VARCHAR") and rnd.random() < 0.3 else "")]
            if rnd.random() < 0.3:
                parts.append((rnd.choice(self.key), ""))
            self.indexes.append(Index(f"uk{i}", parts, True))

    def _generated(self, rnd):
        if rnd.random() < 0.5:
            kind = rnd.choice(["VIRTUAL", "STORED"])
            self.columns.append(Column("g", f"BIGINT GENERATED ALWAYS AS (`n` * 3 + 1) {kind}", None, generated=True))
            if kind == "STORED" and rnd.random() < 0.4:
                self.indexes.append(Index("ix0", [(self.columns[-1], "")]))

    def create(self):
        parts = [c.sql() for c in self.columns]
        if self.primary:
            parts.append(f"PRIMARY KEY ({', '.join(c.q for c in self.key)})")
        parts += [i.sql() for i in self.indexes]
        return f"CREATE TABLE {quote(self.name)} (" + ", ".join(parts) + ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"

    @property
    def uniques(self):
        """Columns that are first in further unique keys, and that one can write."""
        return [i.parts[0][0] for i in self.indexes if i.unique and i.name != "only_one" and not i.parts[0][0].generated]

    def named(self, name):
        t = copy.copy(self)
        t.name, t.columns, t.key, t.indexes = name, list(self.columns), list(self.key), list(self.indexes)
        return t

    def changed(self, *pairs):
        """With columns in the place of columns: (old, new), new None: gone, old None: added."""
        t = self.named(self.name)
        place = {id(old): new for old, new in pairs}
        t.columns = [place.get(id(c), c) for c in t.columns] + [new for old, new in pairs if old is None]
        t.columns = [c for c in t.columns if c]
        t.key = [c for c in (place.get(id(c), c) for c in t.key) if c]
        t.indexes = [i.changed(place) for i in t.indexes]
        return t

    def outline(self):
        """What the catalog must say of it: names of columns and of keys."""
        return ({c.name for c in self.columns}, {i.name for i in self.indexes} | ({"PRIMARY"} if self.primary else set()))

    @property
    def written(self):
        return [c for c in self.columns if not c.generated]

    def row(self, rnd):
        return "(" + ", ".join(c.literal(rnd, 0 if c in self.key else 0.15) for c in self.written) + ")"

    def names(self):
        return ", ".join(c.q for c in self.written)

    def where(self, rnd):
        """One row at most by key; without a key those that look like it, at most two."""
        terms = " AND ".join(f"{c.q} = {c.value(rnd)}" for c in self.key)
        return terms if self.primary or self.shape == "unique_only" else f"{terms} LIMIT {rnd.randint(1, 2)}"

    def free(self):
        """Columns in no key."""
        taken = set(self.key) | {c for i in self.indexes for c, _ in i.parts}
        return [c for c in self.written if c not in taken]


# Tables whose content is known: a bank, one row a writer, what each writer did, and two equal rows a fifth transaction.
KNOWN = [
    "CREATE TABLE accounts (id INT PRIMARY KEY, amount BIGINT NOT NULL)",
    "CREATE TABLE ledger (id INT PRIMARY KEY, amount BIGINT NOT NULL)",
    "CREATE TABLE seqs (w INT PRIMARY KEY, n BIGINT NOT NULL)",
    "CREATE TABLE journal (w INT NOT NULL, n BIGINT NOT NULL, what VARCHAR(40), PRIMARY KEY (w, n))",
    "CREATE TABLE tally (w INT NOT NULL, n BIGINT NOT NULL, amount INT)",
    "CREATE TABLE own (w INT NOT NULL, k INT NOT NULL, u INT, v BIGINT NOT NULL, PRIMARY KEY (w, k), UNIQUE KEY (w, u))",
    "CREATE TABLE bulk (id INT PRIMARY KEY, w INT, pad VARBINARY(300), KEY (w))",
]

# A family of foreign keys that act: with the switch "cascade".
FAMILY = [
    "CREATE TABLE f_root (id INT PRIMARY KEY, code VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL, v INT, UNIQUE KEY (code))",
    "CREATE TABLE f_kid (root INT NOT NULL, n INT NOT NULL, code VARCHAR(20) COLLATE utf8mb4_general_ci, PRIMARY KEY (root, n), KEY (code), "
    "CONSTRAINT f1 FOREIGN KEY (root) REFERENCES f_root (id) ON DELETE CASCADE ON UPDATE CASCADE, "
    "CONSTRAINT f2 FOREIGN KEY (code) REFERENCES f_root (code) ON DELETE SET NULL ON UPDATE CASCADE)",
    "CREATE TABLE f_leaf (id INT PRIMARY KEY AUTO_INCREMENT, root INT, n INT, note TEXT, KEY (root, n), "
    "CONSTRAINT f3 FOREIGN KEY (root, n) REFERENCES f_kid (root, n) ON DELETE CASCADE ON UPDATE CASCADE)",
    "CREATE TABLE f_node (id INT PRIMARY KEY, up INT, KEY (up), CONSTRAINT f4 FOREIGN KEY (up) REFERENCES f_node (id) ON DELETE CASCADE)",
    "INSERT INTO f_root SELECT id, CONCAT('c', id), 0 FROM accounts", "INSERT INTO f_node SELECT id, IF(id < 5, NULL, id DIV 3) FROM accounts",
    "INSERT INTO f_kid SELECT id, 1, CONCAT('C', id) FROM accounts", "INSERT INTO f_leaf (root, n, note) SELECT root, n, 'first' FROM f_kid",
]
FAMILY_TABLES = ["f_root", "f_kid", "f_leaf", "f_node"]


def known(flavour):
    return KNOWN if flavour == "mariadb" else [s.replace("amount INT)", "amount INT, id BIGINT AUTO_INCREMENT PRIMARY KEY)") for s in KNOWN]


def fill_known(writers):
    rows = ",".join(f"({i},1000)" for i in range(ACCOUNTS))
    zero = ",".join(f"({i},0)" for i in range(ACCOUNTS))
    return [f"INSERT INTO accounts VALUES {rows}", f"INSERT INTO ledger VALUES {zero}",
            "INSERT INTO seqs VALUES " + ",".join(f"({w},0)" for w in range(writers))]


def make(rnd, flavour, shapes):
    return [Table(rnd, rnd.choice(["t", "T ", "tä`"]) + str(i), shape, flavour) for i, shape in enumerate(shapes)]
