#!/usr/bin/python3
"""Runs everything that tests: lint, builds, unit, contract, simulation, fuzz corpora, system tests.

Usage: test/run.py [--fast] [--only STAGE[,STAGE]] [--match TEXT]
Ends with `N passed, N failed, N skipped` alone on a line; exits 1 when anything failed.
In CI (CI=1) a skipped test of a component that cannot be fetched is a failure where the test says so.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("BUILD", "build")
JOBS = os.cpu_count() or 2
TSAN_TESTS = re.compile(r"(queue|thread|rpc|runtime|incr_sync|stream|store)")


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.times = []

    def add(self, passed, failed, skipped, names):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        self.failures += names


def stage(tally, name, fn):
    began = time.monotonic()
    print(f"== {name}", flush=True)
    fn(tally)
    tally.times.append((name, time.monotonic() - began))


def make(tally, *targets):
    r = subprocess.run(["make", f"-j{JOBS}", "--no-print-directory", *targets], cwd=ROOT, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode != 0:
        print(r.stdout[-6000:])
        tally.add(0, 1, 0, ["make " + " ".join(targets)])
    return r.returncode == 0


def lint(tally):
    r = subprocess.run([sys.executable, "test/lint/lint.py"], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, env=dict(os.environ, GEN=BUILD + "/gen"))
    print(r.stdout, end="")
    failed = re.findall(r"^not ok - (.*)$", r.stdout, flags=re.M)
    tally.add(len(re.findall(r"^ok - ", r.stdout, flags=re.M)), len(failed), 0, failed)
    if r.returncode != 0 and not failed:
        tally.add(0, 1, 0, ["lint itself failed: " + r.stdout[-500:]])


def run_tap(path, timeout_s, env):
    """One cmocka program: (passed, failed, skipped, failures, output)."""
    name = os.path.relpath(path, os.path.join(ROOT, BUILD))
    try:
        r = subprocess.run([path], cwd=ROOT, text=True, errors="replace", stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=timeout_s,
                           env=dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", **env))
        out, rc = r.stdout, r.returncode
    except subprocess.TimeoutExpired as e:
        out, rc = (e.stdout or b"").decode(errors="replace") if isinstance(e.stdout, bytes) else (e.stdout or ""), -1
        out += f"\ntimed out after {timeout_s} s"
    ok = re.findall(r"^ok \d+ - (.*)$", out, flags=re.M)
    skipped = [t for t in ok if "# SKIP" in t] + re.findall(r"^not ok \d+ # SKIP (.*)$", out, flags=re.M)
    bad = [t for t in re.findall(r"^not ok \d+ - (.*)$", out, flags=re.M) if "# SKIP" not in t]
    failures = [f"{name}: {t}" for t in bad]
    if rc != 0 and not bad or not ok and not bad and not skipped:
        failures.append(f"{name}: exit {rc}")
    passed = len(ok) - len([t for t in ok if "# SKIP" in t])
    return passed, len(failures), len(skipped), failures, out


def lsan(binary):
    """For those that close busy sockets (test/lib/lsan.supp)."""
    busy = "/test/contract/" in binary or "/common/rpc/" in binary
    return {"LSAN_OPTIONS": f"print_suppressions=0:suppressions={ROOT}/test/lib/lsan.supp"} if busy else {}


def c_tests(folders, variant, timeout_s, match=None, filter_re=None, jobs=JOBS):
    def run(tally):
        base = os.path.join(ROOT, BUILD, variant, "test") if variant else os.path.join(ROOT, BUILD, "test")
        srcs = [s for f in folders for s in glob.glob(os.path.join(ROOT, "test", f, "**", "test_*.c"), recursive=True)]
        bins = [os.path.join(base, os.path.relpath(s, os.path.join(ROOT, "test"))[:-2]) for s in sorted(srcs)]
        bins = [b for b in bins if (not match or match in b) and (not filter_re or filter_re.search(b))]
        if not bins:
            return
        rel = [b if os.path.isabs(BUILD) else os.path.relpath(b, ROOT) for b in bins]
        if not make(tally, f"BUILD={BUILD}", f"VARIANT={variant or 'release'}", *rel):
            return
        env = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1",
               "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:suppressions=" + ROOT + "/test/lib/tsan.supp"}
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for b, res in zip(bins, pool.map(lambda b: run_tap(b, timeout_s, {**env, **lsan(b)}), bins)):
                passed, failed, skipped, failures, out = res
                tally.add(passed, failed, skipped, failures)
                if failed:
                    print(f"-- {os.path.relpath(b, ROOT)}\n{out[-5000:]}")
    return run


def fuzz_corpora(tally):
    srcs = glob.glob(os.path.join(ROOT, "test", "fuzz", "fuzz_*.c"))
    if not srcs:
        return
    if not make(tally, f"BUILD={BUILD}", "fuzz-bins"):
        return
    for s in sorted(srcs):
        name = os.path.basename(s)[5:-2]
        files = sorted(glob.glob(os.path.join(ROOT, "test", "fuzz", "corpus", name, "*")))
        if not files:
            tally.add(0, 1, 0, [f"fuzz {name}: no corpus in test/fuzz/corpus/{name}"])
            continue
        r = subprocess.run([os.path.join(ROOT, BUILD, "fuzz", "fuzz_" + name), "-verbosity=0", *files], cwd=ROOT, text=True,
                           errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        tally.add(r.returncode == 0, r.returncode != 0, 0, [] if r.returncode == 0 else [f"fuzz {name}"])
        if r.returncode != 0:
            print(r.stdout[-4000:])


def system(match=None):
    def run(tally):
        if not glob.glob(os.path.join(ROOT, "test", "system", "test_*.py")):
            return
        if not make(tally, f"BUILD={BUILD}", "VARIANT=asan", "bins"):
            return
        xml = os.path.join(ROOT, BUILD, "system.xml")
        if os.path.exists(xml):
            os.unlink(xml)
        argv = ["/usr/bin/python3", "-m", "pytest", "-q", "-rs", "--color=no", "-p", "no:cacheprovider", "--junitxml=" + xml,
                "test/system"] + (["-k", match] if match else [])
        env = dict(os.environ, OMS_BIN=os.path.join(ROOT, BUILD, "asan", "bin"), PYTHONDONTWRITEBYTECODE="1",
                   ASAN_OPTIONS="detect_leaks=0:abort_on_error=0", UBSAN_OPTIONS="print_stacktrace=1")
        rc = subprocess.run(argv, cwd=ROOT, env=env).returncode
        if not os.path.exists(xml):
            tally.add(0, 1, 0, [f"pytest exit {rc}"])
            return
        for case in ET.parse(xml).getroot().iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name')}"
            kinds = {c.tag for c in case}
            bad = kinds & {"failure", "error"}
            tally.add(not bad and "skipped" not in kinds, bool(bad), "skipped" in kinds and not bad,
                      [name] if bad else [])
    return run


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--fast", action="store_true")
    ap.add_argument("--only", default="")
    ap.add_argument("--match", default=None)
    a = ap.parse_args()
    only = set(filter(None, a.only.split(",")))
    stages = [("lint", lambda t: make(t, f"BUILD={BUILD}", f"{BUILD}/gen/.stamp") and lint(t)),
              ("unit", c_tests(["unit"], "asan", 120, a.match)),
              ("simulation", c_tests(["sim"], "asan", 300, a.match))]
    if not a.fast:
        stages += [("contract", c_tests(["contract"], "asan", 300, a.match, jobs=1)),
                   ("threads", c_tests(["unit", "sim"], "tsan", 300, a.match, TSAN_TESTS)),
                   ("fuzz", fuzz_corpora),
                   ("system", system(a.match))]
    tally = Tally()
    for name, fn in stages:
        if not only or name in only:
            stage(tally, name, fn)
    print("\ntime: " + ", ".join(f"{n} {t:.0f} s" for n, t in tally.times))
    for f in tally.failures:
        print("FAILED " + f)
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
