"""One installation and two private servers for the whole run; every test has its own database and project."""
import contextlib
import itertools
import os
import shutil
import sys
import tempfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "deploy", "sample"), os.path.join(ROOT, "test", "proof")]
from omslab.client import Oms  # noqa: E402
from omslab.servers import MariaDB  # noqa: E402
from seeds import seed_of  # noqa: E402

SMALL = ["--innodb-buffer-pool-size=128M", "--innodb-log-file-size=64M"]
_numbers = itertools.count(1)


class Lab:
    """What a test works with: servers, the installation, names of its own."""

    def __init__(self, directory, oms, source, target):
        self.dir, self.oms, self.source, self.target = directory, oms, source, target

    def case(self, **options):
        return Case(self, next(_numbers), **options)


class Case:
    """One project: source database `srcN`, target database `dstN`, project `case-N`."""

    def __init__(self, lab, number, objects=None, more="", source=None, target=None):
        self.lab, self.oms, self.source, self.target = lab, lab.oms, source or lab.source, target or lab.target
        self.db, self.to, self.project = f"src{number}", f"dst{number}", f"case-{number}"
        self.objects = objects
        self.more = more
        self.source.sql(f"CREATE DATABASE `{self.db}` CHARACTER SET utf8mb4")

    def sql(self, *statements):
        return self.source.sql(f"USE `{self.db}`", *statements)

    def target_sql(self, *statements):
        return self.target.sql(f"USE `{self.to}`", *statements)

    def yaml(self):
        objects = self.objects or f'  include: ["{self.db}.*"]\n  rename:\n    - {{from: {self.db}, to: {self.to}}}\n'
        return f"name: {self.project}\nsource: lab-{self.source.name}\ntarget: lab-{self.target.name}\nobjects:\n{objects}{self.more}"

    def create(self):
        self.oms.create_project(self.project, self.yaml())
        return self

    def start(self):
        self.create()
        self.oms.run("project", "start", self.project)
        return self

    def show(self):
        return self.oms.show(self.project)

    def step(self, name, view=None):
        return self.oms.step(view or self.show(), name) or {}

    def wait(self, condition, timeout_s, what):
        return self.oms.wait(self.project, condition, timeout_s, what)

    def wait_step(self, name, state, timeout_s=60):
        return self.wait(lambda v: self.step(name, v).get("state") == state, timeout_s, f"step {name} {state}")

    def wait_caught_up(self, timeout_s=60):
        return self.wait(lambda v: v["caught_up"], timeout_s, "caught up")

    def wait_failed(self, timeout_s=60):
        return self.wait(lambda v: v["state"] == "failed", timeout_s, "failed")

    def wait_incident(self, code, timeout_s=60):
        view = self.wait(lambda v: any(i["code"] == code and i["state"] == "open" for i in v["incidents"]), timeout_s, code)
        return next(i for i in view["incidents"] if i["code"] == code and i["state"] == "open")

    def wait_applied(self, timeout_s=60):
        """Until the target contains what the source has committed now."""
        end = self.source.gtid()
        self.wait(lambda v: contains(v.get("position") or "", end), timeout_s, f"the target to contain {end}")

    def tables(self):
        return [r[0] for r in self.source.sql(
            f"SELECT table_name FROM information_schema.tables WHERE table_schema='{self.db}' AND table_type='BASE TABLE'")]

    def assert_equal(self, tables=None):
        for t in tables or self.tables():
            a = self.source.count(f"{self.db}.{t}"), self.source.checksum(f"{self.db}.{t}")
            b = self.target.count(f"{self.to}.{t}"), self.target.checksum(f"{self.to}.{t}")
            assert a == b, f"{t}: source {a}, target {b}"

    def verify(self, timeout_s=90):
        before = {t["name"]: t for t in self.show()["tables"]}
        self.oms.run("verify", "start", self.project)
        del before
        self.wait(lambda v: self.step("verification", v).get("state") == "running", 30, "verification to begin")
        view = self.wait_step("verification", "done", timeout_s)
        return {t["name"].split(".", 1)[1]: t["verification"] for t in view["tables"]}

    def end(self):
        self.oms.run("project", "release", self.project, check=False)


def contains(position, gtid):
    have = {}
    for part in filter(None, position.split(";")):
        origin, _, intervals = part.strip().partition("=")
        have[origin] = [tuple(int(x) for x in (i.split("-") * 2)[:2]) for i in intervals.split(",") if i]
    for g in filter(None, gtid.split(",")):
        if g.startswith("mysql-file:"):
            origin, _, last = g.partition("=")
            if not any(a <= 1 and b >= int(last) for a, b in have.get(origin, [])):
                return False
            continue
        if ":" in g:  # MySQL's
            uuid, *intervals = g.strip().split(":")
            for i in intervals:
                first, last = (int(x) for x in (i.split("-") * 2)[:2])
                if not any(a <= first and b >= last for a, b in have.get(f"mysql:{uuid}", [])):
                    return False
            continue
        domain, _, seq = g.strip().split("-")
        if not any(a <= 1 and b >= int(seq) for a, b in have.get(f"mariadb:{domain}", [])):
            return False
    return True


@contextlib.contextmanager
def two_servers(directory, oms):
    """A source, a target and the installation between them; the directory goes with them."""
    source, target = MariaDB(directory, "source", 1, SMALL), MariaDB(directory, "target", 2, SMALL)
    try:
        for s in (source, target):
            s.create().start()
            s.add_user()
        oms.up()
        oms.add_datasource("lab-source", source)
        oms.add_datasource("lab-target", target)
        yield Lab(directory, oms, source, target)
    finally:
        oms.down(check=False)
        source.stop()
        target.stop()
        keep = os.environ.get("OMS_KEEP_LOGS")
        if keep:
            shutil.copytree(os.path.join(directory, "var", "supervisor"), keep, dirs_exist_ok=True)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def lab():
    directory = tempfile.mkdtemp(prefix="oms-test-")
    os.chmod(directory, 0o755)
    with two_servers(directory, Oms(directory)) as made:
        yield made


@pytest.fixture
def seed(request):
    """Of the random workload of a test; printed, so that a failure shows it."""
    number = seed_of(request.node.name)
    print(f"OMS_SEED={number}")
    return number


@pytest.fixture
def case(lab):
    c = lab.case()
    yield c
    c.end()


@pytest.fixture
def make_case(lab):
    made = []

    def make(**options):
        made.append(lab.case(**options))
        return made[-1]
    yield make
    for c in made:
        c.end()


WRAPPER = """#!/bin/sh
# One line of `faults` for each start, then the program itself.
cd "{dir}" || exit 1
fault=$(head -n 1 faults 2>/dev/null)
if [ -n "$fault" ]; then
    sed -i 1d faults
    echo "$fault" >> hit
    export OMS_FAULT="$fault"
fi
exec "{dir}/real-{program}" "$@"
"""


@contextlib.contextmanager
def mortal_lab(program, fault):
    """An installation whose `program` dies where `plan_faults` says; skips where the build has no fault point `fault`."""
    built = os.environ.get("OMS_BIN", "build/bin")
    with open(os.path.join(built, program), "rb") as f:
        if fault.encode() not in f.read():
            pytest.skip("a build without fault points")
    directory = tempfile.mkdtemp(prefix="oms-test-")
    os.chmod(directory, 0o755)
    bin_dir = os.path.join(directory, "bin")
    shutil.copytree(built, bin_dir, ignore=lambda d, names: [n for n in names if not n.startswith("oms")])
    wrapped = os.path.join(bin_dir, program)
    os.rename(wrapped, os.path.join(directory, "real-" + program))
    with open(wrapped, "w") as f:
        f.write(WRAPPER.format(dir=directory, program=program))
    os.chmod(wrapped, 0o755)
    with two_servers(directory, Oms(directory, bin_dir)) as lab:
        yield lab


def plan_faults(lab, faults):
    """One of them for each start from now on; gives back the file that names those that were met."""
    hit = os.path.join(lab.dir, "hit")
    with open(hit, "w"):
        pass
    with open(os.path.join(lab.dir, "faults"), "w") as f:
        f.write("\n".join(faults) + "\n")
    return hit
