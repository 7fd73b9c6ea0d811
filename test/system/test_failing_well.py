"""Each failure stops the right project, shows one clear error with a code, and resumes with nothing lost."""
import pytest

from omslab import poll
from omslab.client import Failed


def explained(lab, code):
    text = lab.oms.run("explain", code).stdout
    assert code in text and len(text) > 40
    return text


def test_an_unknown_key_is_refused_with_line_and_nearest_key(lab, case):
    case.more = "incremental:\n  slotz: 4\n"
    with pytest.raises(Failed) as e:
        case.create()
    assert "slotz" in str(e.value) and "slots" in str(e.value)


def test_a_bad_pattern_is_refused_with_its_place(lab, make_case):
    case = make_case(objects='  include: ["shop.[ab"]\n')
    with pytest.raises(Failed) as e:
        case.create()
    assert "include" in str(e.value) and "[" in str(e.value)


@pytest.mark.parametrize("more", ["where: \"id > 5\"\n", "columns: \"id\"\n"])
def test_filters_are_refused_clearly(lab, case, more):
    case.more = more
    with pytest.raises(Failed) as e:
        case.create()
    assert more.split(":")[0] in str(e.value)


def test_an_unknown_datasource_is_refused(lab, case):
    with pytest.raises(Failed) as e:
        lab.oms.create_project(case.project, case.yaml().replace("lab-source", "nowhere"))
    assert "nowhere" in str(e.value)


def test_a_wrong_password_stops_one_project_and_is_mended(lab, case, make_case):
    other = make_case()
    other.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    other.start()
    other.wait_caught_up()
    lab.source.add_user("mover", "right")
    lab.oms.add_datasource("bad-password", lab.source, user="mover", password="wrong")
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    lab.oms.create_project(case.project, case.yaml().replace("lab-source", "bad-password"))
    lab.oms.run("project", "start", case.project)
    view = case.wait_failed()
    assert view["error"]["code"]
    assert "wrong" not in str(view)
    explained(lab, view["error"]["code"])
    other.sql("INSERT INTO t VALUES (2)")
    other.wait_applied()
    lab.source.sql("ALTER USER mover IDENTIFIED BY 'wrong'")
    lab.oms.run("project", "resume", case.project)
    case.wait_caught_up()
    case.assert_equal()
    case.end()
    lab.oms.run("datasource", "remove", "bad-password", check=False)


def test_a_target_table_of_another_shape_fails_with_its_first_difference(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(50))", "INSERT INTO t VALUES (1,'x')")
    lab.target.sql(f"CREATE DATABASE `{case.to}`", f"CREATE TABLE `{case.to}`.t (id INT PRIMARY KEY, v VARCHAR(10))")
    case.start()
    view = case.wait_failed()
    assert view["error"]["code"]
    lab.target.sql(f"DROP TABLE `{case.to}`.t")
    lab.oms.run("project", "resume", case.project)
    case.wait_caught_up()
    case.assert_equal()


def test_a_duplicate_on_the_target_is_found_and_mended(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY, v INT)", "INSERT INTO t VALUES (1,1)")
    case.start()
    case.wait_caught_up()
    case.target_sql("INSERT INTO t VALUES (5,55)")
    case.sql("INSERT INTO t VALUES (5,5)", "INSERT INTO t VALUES (6,6)")

    def shown():
        v = case.show()
        return v["state"] == "failed" or any(i["state"] == "open" for i in v["incidents"]) or None
    poll.until(shown, 60, "the conflict to be shown")
    view = case.show()
    case.target_sql("DELETE FROM t WHERE id=5")
    if view["state"] == "failed":
        lab.oms.run("project", "resume", case.project)
    else:
        i = next(i for i in view["incidents"] if i["state"] == "open")
        assert "t" in str(i["evidence"])
        lab.oms.run("incident", "resolve", str(i["id"]), "--choice", "retry")
    case.wait_applied()
    case.assert_equal()


def test_a_source_that_is_down_is_waited_for(lab, case):
    case.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    case.start()
    case.wait_caught_up()
    lab.source.kill()
    try:
        case.wait(lambda v: v["lag_ms"] is None, 30, "the lag to be unknown")
    finally:
        lab.source.start()
    case.sql("INSERT INTO t VALUES (2)")
    case.wait_applied(90)
    case.assert_equal()


def test_a_precheck_that_fails_names_item_reason_and_remedy(lab, case):
    case.sql("CREATE TABLE p (id INT PRIMARY KEY)", "CREATE SEQUENCE numbers")
    case.start()
    view = case.wait_failed()
    failed = [x for x in view["checks"] if x["verdict"] == "failed"]
    assert failed and all(x["reason"] and x["remedy"] for x in failed)
    assert any("sequence" in x["id"] for x in failed)
