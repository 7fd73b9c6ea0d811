"""The seed of a test's workload.

OMS_SEED=n repeats a run and OMS_SEED=random draws. Otherwise it follows from the commit and the test's name: a commit that passed
is given the same workload again, and the next commit another. Where there is no git it is drawn.
"""
import hashlib
import os
import random
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def head():
    """The commit that is checked out, "" where nobody knows."""
    try:
        r = subprocess.run(["git", "-c", "safe.directory=*", "-C", HERE, "rev-parse", "HEAD"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return ""
    return r.stdout.strip() if r.returncode == 0 else ""


def seed_of(name):
    given = os.environ.get("OMS_SEED", "")
    if given and given != "random":
        return int(given)
    commit = "" if given else head()
    if not commit:
        return random.randrange(1, 1 << 30)
    return 1 + int.from_bytes(hashlib.sha256(f"{commit} {name}".encode()).digest()[:8], "big") % ((1 << 30) - 1)
