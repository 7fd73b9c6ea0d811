"""A random workload under random faults: at the end both sides are equal to the byte, and the target is never torn.

The seed follows from the commit (test/proof/seeds.py); `make chaos` draws seeds and runs the same for as long as one likes; OMS_SEED=n repeats a
run.
"""
import contextlib
import os
import shutil
import tempfile

import pytest

import settings
from chaos import Chaos, Servers, started
from hand import Hand
from omslab.servers import MySQL, mysql_absent
from seeds import seed_of
from sides import definitions, differences, tables
from wire import Wires


@pytest.fixture(scope="module")
def servers():
    directory = tempfile.mkdtemp(prefix="oms-chaos-")
    os.chmod(directory, 0o755)
    s = Servers(directory)
    try:
        yield s
    finally:
        s.stop()
        keep = os.environ.get("OMS_KEEP_LOGS")
        if keep:
            shutil.copytree(directory, os.path.join(keep, "chaos"), dirs_exist_ok=True,
                            ignore=lambda d, names: [n for n in names if n in ("source", "target", "source.tmp", "target.tmp")])
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def one_mysql(name, number):
    if mysql_absent():
        pytest.skip("no MySQL server here: " + mysql_absent())
    directory = tempfile.mkdtemp(prefix="oms-chaos-")
    os.chmod(directory, 0o755)
    s = started(directory, name, number, MySQL)
    try:
        yield s
    finally:
        s.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def mysql_source():
    with one_mysql("mysql-source", 11) as s:
        yield s


@pytest.fixture(scope="module")
def mysqls(servers, mysql_source):
    with one_mysql("mysql-target", 12) as s:
        yield Servers.of(servers.dir, mysql_source, s)


@pytest.fixture
def from_mysql(servers, mysql_source):
    return Servers.of(servers.dir, mysql_source, servers.target)


@pytest.fixture
def by_hand():
    """A project without a CM: source database `odd`, target database `even`."""
    wires, made = Wires(), []

    def make(pair, *statements):
        pair.target.sql("DROP DATABASE IF EXISTS oms_meta", "DROP DATABASE IF EXISTS even")
        pair.source.sql("DROP DATABASE IF EXISTS odd", "CREATE DATABASE odd", "USE odd", *statements)
        made.append(Hand(tempfile.mkdtemp(dir=pair.dir), pair.source, pair.target, "odd", "even", wires))
        return made[-1]
    yield make
    for hand in made:
        hand.stop()
    wires.close()


def test_a_random_workload_survives_everything_that_can_die(servers, seed):
    Chaos(servers, seed).run(copy_faults=3, faults=10)


def test_a_random_workload_survives_cut_ways_and_lost_commits(servers, seed):
    Chaos(servers, seed, faults=["cut", "freeze", "lose_commits", "kill_incremental"]).run(copy_faults=3, faults=12, pause=0.5)


def test_a_random_workload_of_mysql_survives_everything_that_can_die(from_mysql, seed):
    Chaos(from_mysql, seed).run(copy_faults=3, faults=8)


def test_ddl_between_and_during_transactions_is_followed_while_processes_die(servers, seed):
    chaos = Chaos(servers, seed, {"switches": ["cascade", "xa", "ddl"]},
                  ["kill_incremental", "kill_store", "at_point", "cut", "lose_commits"])
    chaos.run(copy_faults=0, faults=6, pause=1.5)
    assert sum(chaos.work.changes.done.values()) >= 5, chaos.work.changes.refused


def test_ddl_of_mysql_is_followed_while_processes_die(mysqls, seed):
    chaos = Chaos(mysqls, seed, {"switches": ["ddl"]}, ["kill_incremental", "kill_store", "at_point", "lose_commits"])
    chaos.run(copy_faults=0, faults=3, pause=1)
    assert sum(chaos.work.changes.done.values()) >= 3, chaos.work.changes.refused


def followed_with_its_settings(pair, make):
    """Every setting of a session that changes what a DDL makes, on the target as on the source."""
    hand = make(pair, *settings.TABLE, "CREATE TABLE last (id INT PRIMARY KEY)")
    hand.incremental.fixed["ddl"] = {"sync": True}
    hand.task("schema")
    hand.store.start()
    hand.until(lambda: hand.store.said("store.connected"), 60, "the Store to connect")
    full = hand.full.start()
    hand.until(lambda: not full.wanted, 60, "the copy to be done")
    hand.incremental.start()
    with pair.source.connect("odd") as connection:
        for told, statements in settings.SETTINGS[pair.source.kind]:
            settings.run(connection, told, statements)
    names = tables(pair.source, "odd")
    rest = []

    def equal():
        rest[:] = definitions(pair.source, "odd", pair.target, "even", names) or differences(pair.source, "odd", pair.target, "even", names)
        return not rest
    try:
        hand.until(equal, 60, "both sides to be equal")
    except TimeoutError as e:
        raise AssertionError("\n".join(rest)) from e


def test_a_ddl_has_the_settings_of_its_session(servers, by_hand):
    followed_with_its_settings(servers, by_hand)


def test_a_ddl_of_mysql_has_the_settings_of_its_session(mysqls, by_hand):
    followed_with_its_settings(mysqls, by_hand)


def test_two_incremental_writers_and_sleepers_leave_one_writer(servers, seed):
    Chaos(servers, seed, faults=["second", "zombie"]).run(copy_faults=1, faults=6, pause=0.5)


def test_in_strict_order_what_a_transaction_saw_is_there_before_it(servers, seed):
    Chaos(servers, seed, {"per_second": 100}, ["kill_incremental", "lose_commits", "cut"], consistency="strict").run(copy_faults=1, faults=6)


def test_a_commit_is_given_the_same_workload_again(monkeypatch):
    monkeypatch.setattr("seeds.head", lambda: "c1")
    monkeypatch.delenv("OMS_SEED", raising=False)
    first = seed_of("a")
    assert first == seed_of("a") and first != seed_of("b")
    monkeypatch.setattr("seeds.head", lambda: "c2")
    assert seed_of("a") != first
    monkeypatch.setenv("OMS_SEED", "7")
    assert seed_of("a") == 7
    monkeypatch.setenv("OMS_SEED", "random")
    assert seed_of("a") != seed_of("a")


def test_a_table_whose_name_needs_quotes_is_followed_from_its_own_begin(servers, by_hand):
    """A change between the copy's common begin and the begin of this table is in the copy, and may not be done twice."""
    hand = by_hand(servers, "CREATE TABLE `a.b``c` (id INT PRIMARY KEY, v INT)", "INSERT INTO `a.b``c` VALUES (1,1)")
    hand.task("schema")
    hand.store.start()
    hand.until(lambda: hand.store.said("store.connected"), 60, "the Store to connect")
    full = hand.full.start(fault="FULL_AFTER_COMMON")
    full.process.wait(60)
    servers.source.sql("USE odd", "INSERT INTO `a.b``c` VALUES (2,2)", "DELETE FROM `a.b``c` WHERE id=1")
    hand.until(lambda: not full.wanted, 60, "the copy to be done")
    hand.incremental.start()
    servers.source.sql("USE odd", "INSERT INTO `a.b``c` VALUES (3,3)")
    hand.until(lambda: servers.target.count("even.a.b``c") == 2, 60, "the row that came last")
    assert not differences(servers.source, "odd", servers.target, "even", ["a.b`c"])


def test_a_copy_whose_target_restarts_is_taken_over_and_ends(servers, by_hand):
    hand = by_hand(servers, "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40))", "INSERT INTO t SELECT seq, MD5(seq) FROM seq_1_to_20000")
    hand.task("schema")
    hand.store.start()
    hand.until(lambda: hand.store.said("store.connected"), 60, "the Store to connect")
    hand.full.live = {"max_rows_per_second": 4000}
    full = hand.full.start()
    hand.until(lambda: servers.target.count("even.t") > 0, 60, "the first rows")
    servers.restart(servers.target)
    hand.until(lambda: not full.wanted, 60, "the copy to be done")
    assert not differences(servers.source, "odd", servers.target, "even", ["t"])
