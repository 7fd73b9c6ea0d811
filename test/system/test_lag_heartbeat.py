"""Lag by heartbeat: measured through every hop, beside the truth, and never low while rows are late."""
import os
import signal
import time

import pytest

from omslab import poll
from omslab.relay import Relay

BEAT = "heartbeat: {interval_ms: 500}\n"
LATE_BY_S = 3.0  # heartbeat's interval and a half, reports on their way, rounding: never lower than the truth by more


def beating(lab, make_case, more=BEAT, source=None):
    case = make_case(more=more)
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (0)")
    if source:
        text = case.yaml().replace("lab-source", source)
        case.yaml = lambda: text
    case.start()
    case.wait_caught_up()
    return case


def wait_heartbeat(case):
    return case.wait(lambda v: v.get("lag_kind") == "heartbeat" and v.get("lag_ms") is not None, 30, "a lag by heartbeat")


def has_row(case, number):
    try:
        return case.target.one(f"SELECT COUNT(*) FROM {case.to}.t WHERE id={number}") == 1
    except Exception:  # the target stands still
        return False


def test_the_shown_lag_is_what_a_row_needs(lab, make_case):
    case = beating(lab, make_case)
    wait_heartbeat(case)
    worst = 0
    for i in range(1, 6):
        began = time.monotonic()
        case.sql(f"INSERT INTO t VALUES ({i})")
        poll.until(lambda n=i: has_row(case, n), 10, "the row on the target", every_s=0.005)
        worst = max(worst, time.monotonic() - began)
    view = case.show()
    assert view["lag_kind"] == "heartbeat" and view["caught_up"] and view["lag_note"] is None
    assert view["lag_ms"] < 2000 and worst < 2, (view["lag_ms"], worst)
    assert view["backlog_txns"] is not None and view["backlog_bytes"] is not None
    assert "(by heartbeat)" in lab.oms.run("project", "show", case.project).stdout
    assert case.source.one("SELECT COUNT(*) FROM oms_heartbeat.beat WHERE store='%s.store'" % case.project) == 1
    assert not [t for t in view["tables"] if "heartbeat" in t["name"]]
    assert case.target.one("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name LIKE 'oms_heartbeat%'") == 0


@pytest.mark.parametrize("who", ["store", "incremental", "target", "source"])
def test_the_lag_is_never_low_while_rows_are_late(lab, make_case, who):
    case = beating(lab, make_case)
    wait_heartbeat(case)
    pid = {"source": lambda: case.source.process.pid, "target": lambda: case.target.process.pid}.get(
        who, lambda: lab.oms.pid(f"{case.project}.{who}"))()
    os.kill(pid, signal.SIGSTOP)
    try:
        if who != "source":
            case.sql("INSERT INTO t VALUES (1)")
        began, seen = time.monotonic(), []
        while time.monotonic() - began < 8:
            late_s = time.monotonic() - began
            view = case.show()
            lag = view.get("lag_ms")
            seen.append((round(late_s, 1), lag, view.get("backlog_bytes")))
            assert lag is None or lag / 1000 >= late_s - LATE_BY_S, seen
            assert lag is not None or view.get("backlog_bytes") is None, seen
        assert not view["caught_up"], seen
        if who == "target":  # what measures may wait for it, too
            assert lag is None or lag >= 4000, seen
        else:
            assert lag is None and not view["caught_up"], seen
            assert view["lag_unknown_since_us"] / 1e6 <= time.time()
            assert view["lag_unknown_since_us"] / 1e6 > time.time() - 15
            assert "unknown since 20" in lab.oms.run("project", "show", case.project).stdout
    finally:
        os.kill(pid, signal.SIGCONT)
    case.sql("INSERT INTO t VALUES (2)")
    case.wait_applied()
    wait_heartbeat(case)
    case.assert_equal()


def test_a_network_that_is_cut_silently_makes_the_lag_unknown(lab, make_case):
    relay = Relay(lab.source.port)
    try:
        lab.oms.add_datasource("lab-relayed", relay)
        case = beating(lab, make_case, source="lab-relayed")
        wait_heartbeat(case)
        relay.hold()
        case.sql("INSERT INTO t VALUES (1)")
        began = time.monotonic()
        poll.until(lambda: case.show().get("lag_ms") is None, 8, "the lag to be unknown")
        assert time.monotonic() - began < 8 and not case.show()["caught_up"]
        relay.release()
        case.wait_applied()
        wait_heartbeat(case)
        case.assert_equal()
        case.end()
    finally:
        relay.close()


def test_without_the_right_to_write_the_lag_is_by_commit_time_and_says_so(lab, make_case):
    lab.source.sql("CREATE OR REPLACE USER reader@'%' IDENTIFIED BY 'oms-password'",
                   "GRANT SELECT, SHOW VIEW, TRIGGER, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO reader@'%'")
    lab.oms.add_datasource("lab-reader", lab.source, user="reader")
    case = beating(lab, make_case, more="heartbeat: {schema: oms_heartbeat_denied}\n", source="lab-reader")
    view = case.wait(lambda v: v.get("lag_note"), 20, "the reason")
    assert view["lag_kind"] == "commit-time" and "SERVER_DENIED" in view["lag_note"] and view["lag_ms"] is not None
    case.sql("INSERT INTO t VALUES (1)")
    case.wait_applied()
    assert lab.source.one("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='oms_heartbeat_denied'") == 0


def test_nothing_is_written_to_a_source_that_nobody_asked_it_for(lab, make_case):
    case = beating(lab, make_case, more="")
    before = case.source.gtid()
    view = case.show()
    assert view["lag_kind"] == "commit-time" and view["lag_note"] is None
    poll.until(lambda: lab.oms.json("component", "show", case.project + ".store")["status"]["report_age_ms"] is not None, 5, "a report")
    assert case.source.gtid() == before
