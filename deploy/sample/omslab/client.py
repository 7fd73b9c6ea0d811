"""The oms command line, for programs: every answer as JSON."""
import json
import os
import subprocess

from . import poll


class Failed(Exception):
    def __init__(self, argv, code, out, err):
        super().__init__(f"oms {' '.join(argv)}: exit {code}: {(err or out).strip()[-600:]}")
        self.code, self.out, self.err = code, out, err


class Oms:
    def __init__(self, directory, bin_dir=None):
        self.dir = os.path.abspath(directory)
        self.bin = os.path.abspath(bin_dir or os.environ.get("OMS_BIN", "build/bin"))
        self.env = dict(os.environ, XDG_STATE_HOME=os.path.join(self.dir, "state-home"))

    def run(self, *argv, timeout_s=120, env=None, check=True):
        r = subprocess.run([os.path.join(self.bin, "oms"), *argv], text=True, errors="replace", timeout=timeout_s,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           env=dict(self.env, **(env or {})))
        if check and r.returncode != 0:
            raise Failed(argv, r.returncode, r.stdout, r.stderr)
        return r

    def json(self, *argv, **kw):
        return json.loads(self.run(*argv, "-o", "json", **kw).stdout)

    def up(self):
        return self.run("up", "--dir", os.path.join(self.dir, "var"))

    def down(self, check=True):
        return self.run("down", "--dir", os.path.join(self.dir, "var"), check=check)

    def add_datasource(self, name, server, user="oms", password="oms-password", others=(), more=""):
        path = os.path.join(self.dir, name + ".yaml")
        with open(path, "w") as f:
            f.write(f"name: {name}\nkind: {getattr(server, 'kind', 'mariadb')}\nhost: 127.0.0.1\nport: {server.port}\nuser: {user}\n"
                    f"password_env: OMS_PASSWORD\ntls: \"off\"\n"
                    + "".join(["addresses:\n", *(f"  - 127.0.0.1:{s.port}\n" for s in others)] if others else []) + more)
        return self.run("datasource", "add", "-f", path, env={"OMS_PASSWORD": password})

    def create_project(self, name, text):
        path = os.path.join(self.dir, name + ".yaml")
        with open(path, "w") as f:
            f.write(text)
        return self.run("project", "create", "-f", path)

    def show(self, project):
        return self.json("project", "show", project)

    def step(self, view, name):
        return next((s for s in view["steps"] if s["name"] == name), None)

    def components(self):
        return {c["id"]: c for c in self.json("component", "list")["components"]}

    def pid(self, component):
        c = self.components().get(component)
        return ((c or {}).get("status") or {}).get("pid") or 0

    def wait(self, project, condition, timeout_s, what):
        def look():
            try:
                view = self.show(project)
            except (Failed, subprocess.TimeoutExpired):
                return None
            if view["state"] == "failed" and what != "failed":
                raise RuntimeError(f"project '{project}' failed: {view.get('error')}")
            return view if condition(view) else None
        return poll.until(look, timeout_s, f"project '{project}': {what}", every_s=0.2)
