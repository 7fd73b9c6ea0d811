"""The operator's side: help, examples, exit codes, logs, up and down."""
import glob
import os
import pty

import pytest

from omslab import poll
from conftest import ROOT
from omslab.client import Failed, Oms


def test_every_command_has_help_with_an_example(lab):
    top = lab.oms.run("--help").stdout
    for words in (["datasource", "add"], ["project", "create"], ["project", "watch"], ["component", "logs"], ["verify", "start"],
                  ["incident", "resolve"], ["events"], ["explain"], ["up"], ["down"], ["host", "list"]):
        assert words[0] in top
        text = lab.oms.run(*words, "--help").stdout
        assert "oms " + " ".join(words) in text, words


def test_examples_are_files_that_are_accepted(lab, tmp_path):
    text = lab.oms.run("project", "create", "--example").stdout
    assert "#" in text and "name:" in text
    assert "name:" in lab.oms.run("datasource", "add", "--example").stdout


def test_exit_codes_tell_usage_from_refusal_from_absence(lab, tmp_path):
    assert lab.oms.run("project", "frobnicate", check=False).returncode == 2
    assert lab.oms.run("project", "show", "no-such", check=False).returncode == 1
    alone = Oms(str(tmp_path), lab.oms.bin)
    assert alone.run("--cm", "tcp://127.0.0.1:1", "host", "list", check=False,
                     env={"OMS_TOKEN_FILE": os.path.join(lab.dir, "var", "secret", "admin.token")}).returncode == 3


def test_hosts_components_logs_and_events_are_shown(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    case.start()
    case.wait_caught_up()
    hosts = lab.oms.json("host", "list")["hosts"]
    assert len(hosts) == 1 and hosts[0]["state"] == "up"
    ids = set(lab.oms.components())
    assert {case.project + ".store", case.project + ".incremental"} <= ids
    logs = lab.oms.run("component", "logs", case.project + ".store").stdout
    assert "store.connected" in logs
    assert "store.connected" in lab.oms.json("component", "logs", case.project + ".store")["text"]
    events = lab.oms.json("events")["events"]
    assert any(case.project in (e.get("subject") or "") for e in events)
    show = lab.oms.json("component", "show", case.project + ".store")
    assert show["status"]["pid"] > 0


def test_a_restarted_component_is_another_process(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    case.start()
    case.wait_caught_up()
    name = case.project + ".store"
    before = lab.oms.pid(name)
    lab.oms.run("component", "restart", name)
    poll.until(lambda: lab.oms.pid(name) not in (0, before), 30, "another process")
    case.sql("INSERT INTO t VALUES (1)")
    case.wait_applied()


def test_datasources_are_listed_tested_and_removed(lab):
    lab.oms.add_datasource("spare", lab.source)
    assert "spare" in [s["file"]["name"] for s in lab.oms.json("datasource", "list")["sources"]]
    shown = lab.oms.run("datasource", "show", "spare", "-o", "json").stdout
    assert "oms-password" not in shown
    assert lab.oms.run("datasource", "test", "spare").returncode == 0
    lab.oms.run("datasource", "remove", "spare")
    with pytest.raises(Failed):
        lab.oms.run("datasource", "show", "spare")


def test_a_datasource_that_cannot_be_used_fails_its_test(lab):
    lab.oms.add_datasource("unusable", lab.source, password="wrong")
    try:
        r = lab.oms.run("datasource", "test", "unusable", check=False)
        assert r.returncode == 1 and "SERVER_DENIED" in r.stdout
    finally:
        lab.oms.run("datasource", "remove", "unusable")


def test_a_password_prompt_that_ends_without_an_answer_is_refused(lab, tmp_path):
    path = tmp_path / "asked.yaml"
    path.write_text("name: asked\nkind: mariadb\nhost: 127.0.0.1\nport: 3306\nuser: oms\n")
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(os.path.join(lab.oms.bin, "oms"), ["oms", "datasource", "add", "-f", str(path)], lab.oms.env)
    shown = b""
    while b"password of" not in shown:
        shown += os.read(fd, 1000)
    os.write(fd, b"\x04")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert "asked" not in [s["file"]["name"] for s in lab.oms.json("datasource", "list")["sources"]]
    os.close(fd)


def test_every_error_code_is_explained_to_people_and_programs(lab):
    codes = [e["code"] for e in lab.oms.json("explain")["errors"]]
    assert "INVALID" in codes and len(codes) == len(set(codes))
    with open(os.path.join(ROOT, "docs", "reference", "errors.md")) as f:
        documented = {line[3:].strip() for line in f if line.startswith("## ")}
    assert documented == set(codes)
    for code in codes[:3]:
        assert lab.oms.json("explain", code)["remedy"]


def test_a_datasource_in_use_is_not_removed(lab, case):
    case.create()
    with pytest.raises(Failed) as e:
        lab.oms.run("datasource", "remove", "lab-source")
    assert "uses it" in str(e.value)


def test_no_secret_is_on_disk_or_in_metadb(lab):
    """Every file of the installation but the key and token files, the servers' own left out."""
    for root, _, files in os.walk(os.path.join(lab.dir, "var")):
        for path in (os.path.join(root, name) for name in files):
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    assert b"oms-password" not in f.read(), path


def command_lines():
    """Those of every process."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as f:
                yield f.read()
        except OSError:  # it has ended
            pass


def test_up_and_down_leave_nothing_running(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("inst"))
    os.chmod(directory, 0o755)
    path = directory
    while path != "/":
        os.chmod(path, os.stat(path).st_mode | 0o111)
        path = os.path.dirname(path)
    oms = Oms(directory)
    try:
        oms.up()
        again = oms.up().stdout
        assert again
        assert oms.json("status")["hosts_up"] == 1
    finally:
        oms.down()
    assert not [line for line in command_lines() if directory.encode() in line]
