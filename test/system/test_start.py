"""A project without a copy: the target holds the rows of a moment, and the project says from where the log is followed."""
import os
import signal
import subprocess


from omslab import poll


def second_between(case):
    """A second of the source's clock that began after all that was done, and before all that comes."""
    def now():
        return int(case.source.sql("SELECT UNIX_TIMESTAMP()")[0][0])
    was = now()
    poll.until(lambda: now() > was, 30, "the next second")
    return now()


def time_text(case, second):
    return case.source.sql(f"SET time_zone='+00:00'", f"SELECT DATE_FORMAT(FROM_UNIXTIME({second}), '%Y-%m-%dT%H:%i:%sZ')")[0][0]


def dump_to_target(case):
    dump = subprocess.run(["mariadb-dump", "--no-defaults", "-uroot", "-S", case.source.socket, "--single-transaction", case.db],
                          check=True, stdout=subprocess.PIPE)
    case.target.sql(f"CREATE DATABASE `{case.to}` CHARACTER SET utf8mb4")
    subprocess.run(["mariadb", "--no-defaults", "-uroot", "-S", case.target.socket, case.to], input=dump.stdout, check=True)


def fill(case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), u INT, UNIQUE KEY (u), KEY (v))",
             "CREATE TABLE plain (a INT, b TEXT)",
             "INSERT INTO t SELECT seq, CONCAT('row', seq), seq FROM seq_1_to_500", "INSERT INTO plain VALUES (1,'x'), (1,'x'), (2, NULL)")
    case.sql("FLUSH BINARY LOGS", "UPDATE t SET v='before' WHERE id <= 100")


def change(case, n):
    case.sql("BEGIN", f"UPDATE t SET v='round {n}' WHERE id % 7 = {n % 7}", f"DELETE FROM t WHERE id = {n + 1}",
             f"INSERT INTO t VALUES ({1000 + n}, 'new', {1000 + n})", "COMMIT",
             "DELETE FROM plain WHERE a=1 LIMIT 1", f"INSERT INTO plain VALUES (1, 'x'), ({n}, 'y')")


def with_start(case, start, more=""):
    case.more = f"full: {{enabled: false}}\nincremental: {{start: {start}}}\n{more}"
    return case


def test_a_project_begins_at_a_moment_and_both_sides_end_equal_through_kills(make_case):
    case = make_case()
    fill(case)
    dump_to_target(case)
    moment = second_between(case)
    change(case, 0)
    case.sql("FLUSH BINARY LOGS")
    change(case, 1)
    with_start(case, f"{{time: {time_text(case, moment)}}}").start()
    for n, part in enumerate((".store", ".incremental")):
        poll.until(lambda: case.oms.pid(case.project + part), 60, f"a process {part}")
        change(case, 2 + n)
        os.kill(case.oms.pid(case.project + part), signal.SIGKILL)
    case.wait_caught_up()
    change(case, 5)
    case.wait_applied()
    case.assert_equal()
    view = case.wait_step("verification", "done", 90)
    assert case.step("full", view)["state"] == "skipped"
    assert {t["verification"] for t in view["tables"]} == {"equal"}, view["tables"]
    assert [c["verdict"] for c in view["checks"] if c["id"] == "source.start"] == ["ok"], view["checks"]
    case.oms.run("project", "release", case.project)
    case.wait(lambda v: v["state"] == "released", 60, "released")


def test_what_a_dump_says_of_its_place_is_exact_and_an_older_one_is_a_conflict(make_case):
    case, early = make_case(), make_case()
    fill(case)
    gtid = case.source.sql("SELECT @@global.gtid_binlog_pos")[0][0]
    dump_to_target(case)
    change(case, 0)
    with_start(case, f'{{gtid: "{gtid}"}}', "verification: {enabled: false}\n").start()
    early.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    file, offset = case.source.sql("SHOW MASTER STATUS")[0][:2]
    early.sql("INSERT INTO t VALUES (1)")
    dump_to_target(early)
    with_start(early, f"{{file: {file}, offset: {offset}}}").start()
    conflict = early.wait_incident("TARGET_CONFLICT")
    assert "id=1" in conflict["evidence"], conflict
    early.oms.run("incident", "resolve", str(conflict["id"]), "--choice", "skip")
    early.wait_caught_up()
    early.assert_equal()
    case.wait_applied()
    case.assert_equal()


def test_precheck_names_what_a_project_without_a_copy_lacks(make_case):
    case = make_case()
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE missing (id INT PRIMARY KEY)")
    case.target.sql(f"CREATE DATABASE `{case.to}`", f"CREATE TABLE `{case.to}`.t (id INT PRIMARY KEY)")
    with_start(case, "{time: 2100-01-01T00:00:00Z}").start()
    failed = {c["id"]: c for c in case.wait_failed()["checks"] if c["verdict"] == "failed"}
    assert sorted(failed) == ["source.start", "target.table_missing"], failed
    assert "START" in failed["source.start"]["reason"] and "lies ahead" in failed["source.start"]["reason"]
    assert failed["target.table_missing"]["object"] == f"{case.db}.missing"
    assert not case.target.sql(f"SELECT 1 FROM information_schema.tables WHERE table_schema='{case.to}' AND table_name='missing'")
