"""What is refused at once with its place, and what is told without riddles."""
import os

import pytest

from omslab import poll
from omslab.client import Failed


def refused(case, more="", objects=None):
    case.more, case.objects = more, objects
    with pytest.raises(Failed) as e:
        case.create()
    return str(e.value)


def test_a_check_that_does_not_exist_is_refused_with_the_nearest(lab, case):
    text = refused(case, 'skip_checks: ["source.xa", "source.log_bn"]\n')
    assert "skip_checks[2]: there is no check 'source.log_bn'; the nearest is 'source.log_bin'" in text, text


@pytest.mark.parametrize("pattern", ["oms_meta.*", "mysql.user", "SYS.*", "information_schema.*", "performance_schema.x", "oms_heartbeat.*"])
def test_a_system_s_database_is_refused_as_include_with_its_place(lab, case, pattern):
    text = refused(case, objects=f'  include: ["{case.db}.*", "{pattern}"]\n')
    assert "objects.include[2]" in text and "system" in text, text


def test_columns_are_refused_for_what_they_are(lab, case):
    text = refused(case, "columns: [a, b]\n")
    assert "UNSUPPORTED" in text and "column selection is not supported" in text, text


def test_a_datasource_s_test_is_one_document(lab):
    told = lab.oms.json("datasource", "test", "lab-source")
    assert told["state"] == "done" and told["error"] is None
    assert all(c["id"] and c["verdict"] for c in told["result"]["checks"])


def test_precheck_tells_collisions_disk_and_trigger_rights_plainly(lab, make_case):
    case = make_case()
    case.sql("CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)",
             "CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW SET NEW.id = NEW.id")
    lab.target.sql("CREATE OR REPLACE USER plain@'%' IDENTIFIED BY 'oms-password'",
                   "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER ON *.* TO plain@'%'")
    lab.oms.add_datasource("lab-plain", lab.target, user="plain")
    case.objects = f'  include: ["{case.db}.*"]\n  rename:\n'
    case.objects += "".join(f"    - {{from: {case.db}.{t}, to: {case.to}.x}}\n" for t in "ab")
    text = case.yaml().replace("target: lab-target", "target: lab-plain")
    case.yaml = lambda: text
    case.start()
    checks = {c["id"]: c for c in case.wait_failed()["checks"]}
    assert checks["scope.collision"]["reason"].startswith("objects.rename:"), checks["scope.collision"]
    assert "may take 10240 MB" in checks["store.disk"]["reason"], checks["store.disk"]
    rights = checks["target.trigger_rights"]
    assert rights["verdict"] == "warning" and "SET USER" in rights["reason"] and "log_bin_trust" in rights["remedy"], rights


def test_a_takeover_that_fails_says_so_once(lab, make_case):
    lab.target.add_user("changing")
    lab.oms.add_datasource("lab-changing", lab.target, user="changing")
    case = make_case()
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    text = case.yaml().replace("target: lab-target", "target: lab-changing")
    case.yaml = lambda: text
    case.start()
    case.wait_caught_up()
    lab.target.sql("ALTER USER changing@'%' IDENTIFIED BY 'another'")
    lab.oms.run("component", "restart", case.project + ".incremental")

    def word():
        w = (lab.oms.json("component", "show", case.project + ".incremental")["status"] or {}).get("last_word") or {}
        return w if w.get("code") == "SERVER_DENIED" else None
    assert poll.until(word, 30, "the last word")["message"].count("take over task") == 1


def test_a_removed_project_leaves_no_directory_on_the_host(lab, make_case):
    case = make_case()
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)")
    case.start()
    case.wait_caught_up()
    components = os.path.join(lab.dir, "var", "supervisor", "components")

    def mine():
        return [d for d in os.listdir(components) if d.startswith(case.project + ".")]
    assert mine()
    lab.oms.run("project", "release", case.project)
    case.wait(lambda v: v["state"] == "released", 60, "released")
    lab.oms.run("project", "remove", case.project)
    poll.until(lambda: not mine(), 20, "the directories to go")
