"""Both sides compared byte by byte, and what must hold on the target at every moment."""
import collections
import re

import schema

FLOATS = ("float", "double")


def _expression(name, kind):
    q = schema.quote(name)
    if kind in FLOATS:
        return f"{q}+0e0"  # every bit of it, as the shortest text of a double
    if kind in ("bit",):
        return f"HEX({q}+0)"
    if kind in ("enum", "set"):
        return f"CONCAT({q}+0,'=',HEX({q}))"
    if any(k in kind for k in ("char", "text", "blob", "binary", "geometry", "point", "json")):
        return f"HEX({q})"
    return f"CAST({q} AS CHAR)"


def dump(server, db, table):
    """Every row as a tuple of exact texts, counted: order is nobody's, number is."""
    columns = server.sql("SELECT column_name, data_type FROM information_schema.columns WHERE table_schema='%s' AND BINARY table_name='%s' "
                         "ORDER BY ordinal_position" % (db, table.replace("'", "''")))
    if not columns:
        return None, None
    parts = [_expression(n, k) for n, k in columns]
    connection = server.connect(db)
    try:
        with connection.cursor() as c:
            c.execute("SET time_zone='+00:00'")
            c.execute(f"SELECT {', '.join(parts)} FROM {schema.quote(table)}")
            return [n for n, _ in columns], collections.Counter(c.fetchall())
    finally:
        connection.close()


def definition(server, db, table):
    """Its columns in order, then its keys and options; a key that was made later stands behind."""
    connection = server.connect(db)
    connection.encoding = "latin1"  # each byte: a default may be no text
    with connection, connection.cursor() as c:
        c.execute(f"SHOW CREATE TABLE {schema.quote(table)}".encode())
        lines = c.fetchone()[1].split("\n")
    lines = [re.sub(r" AUTO_INCREMENT=\d+", "", line) if line.startswith(")") else line.rstrip(",") for line in lines]
    return [line for line in lines if line.startswith("  `")] + sorted(line for line in lines if not line.startswith("  `"))


def tables(server, db):
    return sorted(r[0] for r in server.sql(f"SELECT table_name FROM information_schema.tables WHERE table_schema='{db}' AND table_type='BASE TABLE'"))


def definitions(source, db, target, to, names):
    """What differs in definitions, where DDL is followed."""
    if tables(source, db) != tables(target, to):
        return [f"tables {tables(source, db)} became {tables(target, to)}"]
    found = []
    for t in names:
        a, b = definition(source, db, t), definition(target, to, t)
        if a != b:
            found.append(f"{t}: source has {[x for x in a if x not in b]}, target {[x for x in b if x not in a]}, or in another order")
    return found


def difference(source, db, target, to, table):
    """None, or what differs in one line and a few rows."""
    names, a = dump(source, db, table)
    other, b = dump(target, to, table)
    if names != other:
        return f"{table}: columns {names} became {other}"
    if a == b:
        return None
    missing, extra = a - b, b - a
    lines = [f"{table} ({names}): source {sum(a.values())} rows, target {sum(b.values())}; {sum(missing.values())} missing, "
             f"{sum(extra.values())} extra"]
    lines += [f"  missing {n}x {r}" for r, n in list(missing.items())[:4]]
    lines += [f"  extra   {n}x {r}" for r, n in list(extra.items())[:4]]
    return "\n".join(lines)


def differences(source, db, target, to, tables):
    return [d for d in (difference(source, db, target, to, t) for t in tables) if d]


def check_model(work, server, db):
    """What writers know they have committed is what is there."""
    rows = {(w, k): (u, v) for w, k, u, v in server.sql(f"SELECT w,k,u,v FROM `{db}`.own")}
    assert rows == work.own_rows(), f"own: {set(rows.items()) ^ set(work.own_rows().items())}"
    seqs = dict(server.sql(f"SELECT w,n FROM `{db}`.seqs"))
    assert seqs == {t.number: t.model.n for t in work.threads}, seqs
    torn(server, db)


def torn(server, db, floor=None, strict=False):
    """One snapshot in which every promise is checked; the writers' numbers, which must never fall below `floor`. strict: what a
    transaction saw on the source is there before it, whoever wrote it."""
    connection = server.connect(db)
    try:
        with connection.cursor() as c:
            c.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            c.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            c.execute("SELECT (SELECT SUM(amount) FROM accounts) + (SELECT SUM(amount) FROM ledger)")
            total = c.fetchone()[0]
            assert total == schema.SUM, f"the sum is {total}, not {schema.SUM}"
            c.execute("SELECT s.w, s.n, (SELECT COUNT(*) FROM journal j WHERE j.w=s.w), (SELECT COALESCE(MAX(n),0) FROM journal j WHERE j.w=s.w),"
                      " (SELECT COUNT(*) FROM tally t WHERE t.w=s.w), (SELECT COALESCE(SUM(amount),0) FROM tally t WHERE t.w=s.w) FROM seqs s")
            rows = c.fetchall()
            c.execute("SELECT j.w, j.n, j.what FROM journal j JOIN seqs s ON j.w=s.w AND j.n=s.n")
            last = c.fetchall()
    finally:
        connection.close()
    there = {r[0]: r[1] for r in rows}
    for w, n, seen in last if strict else ():
        for other, needs in (map(int, part.split("=")) for part in seen.split(",")):
            assert there[other] >= needs, f"transaction {n} of writer {w} saw {needs} of writer {other}, the target has {there[other]}"
    for w, n, count, top, tally, raised in rows:
        seen = (n, count, top, tally, int(raised))
        assert seen == (n, n, n, n // 5 * 2, max(0, (n - 2) // 5)), f"writer {w} is torn: number, rows, last, tallies, raised = {seen}"
        assert n >= (floor or {}).get(w, 0), f"writer {w} went back from {floor[w]} to {n}"
    return there
