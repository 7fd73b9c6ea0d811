#!/usr/bin/python3
"""Runs the fuzzers, two at a time, and keeps what they learn.

Usage: test/fuzz/run.py --bin DIR [--seconds N] [--only NAME] [--keep]
  --seconds N   each fuzzer's time (default 600)
  --keep        afterwards merge what was learned into test/fuzz/corpus (minimal, at most 4 KB a file)
New inputs are kept under DIR/corpus; a finding is written to DIR and fails the run.
"""
import argparse
import concurrent.futures
import glob
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(argv):
    return subprocess.run(argv, cwd=ROOT, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def fuzz(a, name):
    learned = os.path.join(os.path.abspath(a.bin), "corpus", name)
    kept = os.path.join(ROOT, "test", "fuzz", "corpus", name)
    os.makedirs(learned, exist_ok=True)
    os.makedirs(kept, exist_ok=True)
    binary = os.path.join(os.path.abspath(a.bin), "fuzz_" + name)
    r = run([binary, f"-max_total_time={a.seconds}", "-print_final_stats=1", "-verbosity=0", "-max_len=65536",
             f"-artifact_prefix={os.path.abspath(a.bin)}/{name}-", learned, kept])
    runs = next((x.split()[-1] for x in r.stdout.split("\n") if "number_of_executed_units" in x), "?")
    print(f"{'ok' if r.returncode == 0 else 'FOUND'} {name}: {runs} runs", flush=True)
    if r.returncode != 0:
        print(r.stdout[-3000:])
    elif a.keep:
        with tempfile.TemporaryDirectory() as fresh:
            run([binary, "-merge=1", "-max_len=4096", fresh, kept, learned])
            shutil.rmtree(kept)
            os.makedirs(kept)
            for f in sorted(glob.glob(fresh + "/*"), key=os.path.getsize)[:300]:
                shutil.copy(f, kept)
    return r.returncode == 0


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--bin", required=True)
    ap.add_argument("--seconds", type=int, default=600)
    ap.add_argument("--only")
    ap.add_argument("--keep", action="store_true")
    a = ap.parse_args()
    names = sorted(os.path.basename(s)[5:-2] for s in glob.glob(os.path.join(ROOT, "test", "fuzz", "fuzz_*.c")))
    names = [n for n in names if not a.only or n == a.only]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        good = list(pool.map(lambda n: fuzz(a, n), names))
    print(f"{sum(good)} passed, {len(good) - sum(good)} failed, 0 skipped")
    return 0 if good and all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
