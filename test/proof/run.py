#!/usr/bin/python3
"""Chaos by hand, for as long as one likes: run.py [--rounds N] [--seed S] [--faults N] [--only FAULT,...] [--keep]
OMS_SEED=n repeats one run. Stops at the first failure and leaves its directory."""
import argparse
import os
import random
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(os.path.dirname(HERE)), "deploy", "sample")]
from chaos import Chaos, Servers  # noqa: E402
from omslab.servers import MariaDB, MySQL, mysql_absent  # noqa: E402


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--rounds", type=int, default=10)
    ap.add_argument("--seed", type=int, default=int(os.environ.get("OMS_SEED", "").replace("random", "") or 0))
    ap.add_argument("--faults", type=int, default=20)
    ap.add_argument("--only", default="")
    ap.add_argument("--rate", type=int, default=60)
    ap.add_argument("--switches", default=None, help="cascade, xa, ddl, early (DDL within the copy); standard: what the source carries")
    ap.add_argument("--source", choices=["mariadb", "mysql"], default="mariadb")
    ap.add_argument("--target", choices=["mariadb", "mysql"], default="mariadb")
    ap.add_argument("--keep", action="store_true", help="go on after a failure")
    a = ap.parse_args()
    if "mysql" in (a.source, a.target) and mysql_absent():
        print(f"skipped, no MySQL server here: {mysql_absent()}")
        return 0
    directory = tempfile.mkdtemp(prefix="oms-chaos-")
    os.chmod(directory, 0o755)
    print(f"in {directory}", flush=True)
    families = {"mariadb": MariaDB, "mysql": MySQL}
    servers, failed = Servers(directory, families[a.source], families[a.target]), 0
    work = {"per_second": a.rate, **({} if a.switches is None else {"switches": a.switches.split(",")})}
    try:
        for _ in range(a.rounds):
            seed = a.seed or random.randrange(1, 1 << 30)
            try:
                Chaos(servers, seed, work, list(filter(None, a.only.split(","))),
                      lambda t: print(t, flush=True)).run(faults=a.faults)
                shutil.rmtree(os.path.join(directory, f"run-{seed}"), ignore_errors=True)
            except AssertionError as e:
                failed += 1
                print(f"FAILED {e}", flush=True)
                if not a.keep:
                    raise SystemExit(1) from None
    finally:
        servers.stop()
        if not failed:
            shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
