"""The main job on real servers: copy, follow, kill everything, verify, release."""
import os
import random
import signal

from omslab import poll, shop


def pids_of(lab, project):
    return {i: (c.get("status") or {}).get("pid") or 0 for i, c in lab.oms.components().items() if i.startswith(project + ".")}


def supervisor_pid(lab):
    with open(os.path.join(lab.dir, "var", "supervisor", "pid")) as f:
        return int(f.read())


def cm_pid(lab):
    return lab.oms.json("status")["pid"]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def test_a_live_database_moves_and_survives_kills_of_every_process(lab, make_case, seed):
    """Bank sum constant on the target whenever it is read after the consistent point; equal at the end."""
    rnd = random.Random(seed)
    case = make_case()
    lab.source.sql(f"DROP DATABASE `{case.db}`")
    shop.fill(lab.source, case.db, rows=60_000)
    load = shop.Load(lab.source, case.db, per_second=80, seed=seed).start()
    try:
        case.start()
        case.wait(lambda v: case.step("full", v).get("state") in ("running", "done"), 60, "the copy to begin")
        for _ in range(3):
            pids = [p for p in pids_of(lab, case.project).values() if p]
            for p in rnd.sample(pids, min(len(pids), 2)):
                kill(p)
        kill(supervisor_pid(lab))
        lab.oms.up()
        case.wait_step("full", "done", 120)
        case.wait_caught_up(90)
        for round_no in range(2):
            pids = pids_of(lab, case.project)
            kill(pids[case.project + ".incremental"])
            kill(pids[case.project + ".store"])
            if round_no:
                kill(cm_pid(lab))
                kill(supervisor_pid(lab))
            lab.oms.up()
            case.wait_applied(90)
            assert shop.money(lab.target, case.to) == shop.SUM
    finally:
        load.stop()
    case.wait_applied(90)
    case.assert_equal(shop.TABLES)
    verdicts = case.verify()
    assert verdicts == {t: "equal" for t in shop.TABLES}


def test_the_sum_is_never_torn_on_the_target(lab, case):
    case.sql("CREATE TABLE accounts (id INT PRIMARY KEY, amount BIGINT NOT NULL)",
             "CREATE TABLE ledger (id INT PRIMARY KEY, amount BIGINT NOT NULL)",
             f"INSERT INTO accounts SELECT seq, 1000 FROM seq_1_to_{shop.ACCOUNTS}",
             f"INSERT INTO ledger SELECT seq, 0 FROM seq_1_to_{shop.ACCOUNTS}",
             "CREATE TABLE orders (id BIGINT PRIMARY KEY)", "INSERT INTO orders VALUES (1)",
             "CREATE TABLE customers (id BIGINT PRIMARY KEY)", "INSERT INTO customers VALUES (1)")
    case.start()
    case.wait_caught_up()
    load = shop.Load(lab.source, case.db, per_second=300)
    load._transaction = lambda c, rnd, n: _transfer(load, c, rnd, n)
    load.start()
    try:
        for _ in range(200):
            assert shop.money(lab.target, case.to) == shop.SUM
    finally:
        load.stop()
    case.wait_applied()
    case.assert_equal(["accounts", "ledger"])


def _transfer(load, c, rnd, n):
    with c.cursor() as q:
        rows = load._transfer(q, rnd, n)
    c.commit()
    return rows


def test_pause_stops_the_flow_and_resume_goes_on(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t SELECT seq, seq FROM seq_1_to_1000")
    case.start()
    case.wait_caught_up()
    lab.oms.run("project", "pause", case.project)
    case.wait(lambda v: v["state"] == "paused", 30, "paused")
    poll.until(lambda: not any(p for p in pids_of(lab, case.project).values()), 30, "its processes to end")
    case.sql("UPDATE t SET v=v+1")
    lab.oms.run("project", "resume", case.project)
    case.wait_applied()
    case.assert_equal()


def test_a_project_runs_without_the_cluster_manager(lab, case):
    """C5, C9: the CM dies and stays away; a crashed component comes back and rows go on."""
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1)")
    case.start()
    case.wait_caught_up()
    incremental = pids_of(lab, case.project)[case.project + ".incremental"]
    kill(cm_pid(lab))
    kill(incremental)
    case.sql("INSERT INTO t VALUES (2,2)")
    poll.until(lambda: lab.target.count(f"{case.to}.t") == 2, 60, "the row to arrive without the CM")
    lab.oms.up()
    case.wait_applied()
    case.assert_equal()
