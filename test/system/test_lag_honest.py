"""Lag and "caught up" while a process that they depend on stands still."""
import os
import signal

import pytest

from conftest import contains
from omslab import poll


def blind(view):
    return not view["caught_up"] and view.get("lag_ms") is None


def behind(view):
    return not view["caught_up"] and (view.get("lag_ms") is None or view["lag_ms"] > 5000)


@pytest.mark.parametrize("who", ["store", "source", "target"])
def test_a_stopped_process_is_never_shown_as_caught_up(lab, case, who):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    case.start()
    case.wait_caught_up()
    pid = {"store": lambda: lab.oms.pid(case.project + ".store"),
           "source": lambda: lab.source.process.pid,
           "target": lambda: lab.target.process.pid}[who]()
    os.kill(pid, signal.SIGSTOP)
    try:
        if who != "source":
            case.sql("INSERT INTO t VALUES (2)")
        shows = behind if who == "target" else blind
        poll.until(lambda: shows(case.show()), 15, f"lag to tell that the {who} stands still")
        assert shows(case.show())
    finally:
        os.kill(pid, signal.SIGCONT)
    case.sql("INSERT INTO t VALUES (3)")
    case.wait_applied()
    case.wait_caught_up()
    case.assert_equal()


def test_a_store_that_reads_an_old_log_is_not_caught_up(lab, make_case):
    """All that the Store has is on the target, but the Store itself is far behind its source."""
    case = make_case(more="incremental:\n  caught_up_lag_ms: 2000\n")  # surely less than the Store stands still
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v LONGBLOB)", "INSERT INTO t VALUES (1, '')")
    case.start()
    case.wait_caught_up()
    pid = lab.oms.pid(case.project + ".store")
    os.kill(pid, signal.SIGSTOP)
    try:
        for i in range(2, 30):
            case.sql(f"INSERT INTO t VALUES ({i}, REPEAT('x', 1000000))")
        poll.until(lambda: blind(case.show()), 15, "the lag to be unknown")
    finally:
        os.kill(pid, signal.SIGCONT)
    end = lab.source.gtid()
    view = case.wait_caught_up()
    assert contains(view["position"], end)
    case.assert_equal()
