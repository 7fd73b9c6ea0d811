#!/usr/bin/env python3
"""Measures what the product is asked to reach, each work beside its peer in one run, several times.

A ratio is what matters, not a figure: this machine's speed is in both. More is always better: ratio is ours/peer, or
peer/ours where lower is better. An absolute demand has peer = the limit and peer_name "limit".
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "deploy", "sample")]

import apply  # noqa: E402
import decode  # noqa: E402
import footprint  # noqa: E402
import full_dump  # noqa: E402
import latency  # noqa: E402
import store_pull  # noqa: E402

# name -> measure(lab) which yields results: (work, unit, better, at_least, peer_name, [(ours, peer, facts)...]).
# Works that share a function are measured together. "rss-bench" sums up what all the others saw: it stays the last.
WORKS = {"full-dump": full_dump.measure, "apply-oltp": apply.measure_oltp, "apply-oltp-durable": apply.measure_durable,
         "apply-bulk": apply.measure_bulk, "latency-p50": latency.measure, "latency-p99": latency.measure,
         "decode": decode.measure,
         "store-pull-oltp": store_pull.measure_oltp, "store-pull-bulk": store_pull.measure_bulk,
         "rss": footprint.measure_rss, "idle": footprint.measure_idle, "rss-bench": footprint.measure_rss_bench}


class Skipped(Exception):
    """The work cannot be measured here and now; says why."""


class Lab:
    """What every work is given: options, programs, a scratch directory."""

    def __init__(self, args, directory):
        self.runs, self.scale, self.idle_seconds = args.runs, args.scale, args.idle_seconds
        options = dict(o.split("=", 1) for o in args.incremental)
        self.incremental = {k: int(v) if v.isdigit() else v for k, v in options.items()}
        self.bin = os.path.abspath(os.environ.get("OMS_BIN", "build/bin"))
        self.dir = directory
        self.skip = Skipped

    def scaled(self, n):
        return max(1, int(n * self.scale))

    def scratch(self, name):
        path = os.path.join(self.dir, name)
        os.makedirs(path, exist_ok=True)
        return path

    @staticmethod
    def say(text):
        print("   ", text, flush=True)


def result_of(work, unit, better, at_least, peer_name, runs):
    ours, peer = [statistics.median(r[i] for r in runs) for i in (0, 1)]
    high, low = (ours, peer) if better == "higher" else (peer, ours)
    ratio = high / low if low > 0 else float(10**6)
    return {"work": work, "unit": unit, "ours": round(ours, 3), "peer": round(peer, 3), "peer_name": peer_name,
            "ratio": round(ratio, 3), "better": better, "at_least": at_least,
            "runs": [{"ours": round(r[0], 3), "peer": round(r[1], 3), **r[2]} for r in runs]}


def table(results):
    rows = [("work", "unit", "ours", "peer", "peer's name", "ratio", "at least", "")]
    for r in results:
        verdict = "" if not r["at_least"] else "ok" if r["ratio"] >= r["at_least"] else "MISSED"
        rows.append((r["work"], r["unit"], f"{r['ours']:g}", f"{r['peer']:g}", r["peer_name"], f"{r['ratio']:.2f}",
                     f"{r['at_least']:g}" if r["at_least"] else "-", verdict))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows)


def write(path, results):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path + ".tmp", "w") as f:
        json.dump(results, f, indent=1)
        f.write("\n")
    os.replace(path + ".tmp", path)


def run(names, args):
    """(results, whether every work was measured)."""
    results, whole, done = [], True, set()
    for name in names:
        if WORKS[name] in done:
            continue
        done.add(WORKS[name])
        print(f"{name}:", flush=True)
        directory = tempfile.mkdtemp(prefix=f"oms-bench-{name}-")
        os.chmod(directory, 0o755)
        try:
            for r in WORKS[name](Lab(args, directory)):
                results.append(result_of(*r))
                write(args.out, results)
        except Skipped as e:
            print(f"    SKIPPED: {e}", flush=True)
            whole = False
        finally:
            if args.keep:
                print(f"    kept: {directory}")
            else:
                shutil.rmtree(directory, ignore_errors=True)
    return results, whole


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--work", choices=sorted(WORKS), help="only this one")
    p.add_argument("--out", default="build/bench/results.json")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--scale", type=float, default=1.0, help="of the data sizes; only 1 is worth quoting")
    p.add_argument("--idle-seconds", type=float, default=60)
    p.add_argument("--incremental", action="append", default=[], metavar="NAME=VALUE",
                   help="a setting of the incremental step, to try what it does")
    p.add_argument("--keep", action="store_true", help="keep the servers' directories")
    args = p.parse_args()
    results, whole = run([args.work] if args.work else list(WORKS), args)
    write(args.out, results)
    print()
    print(table(results))
    missed = [r["work"] for r in results if r["at_least"] and r["ratio"] < r["at_least"]]
    return 1 if missed or not whole else 0


if __name__ == "__main__":
    sys.exit(main())
