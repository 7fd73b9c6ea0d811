"""Servers and sysbench as the benchmarks want them, and the machine's state before a clock starts."""
import mmap
import os
import subprocess

from omslab.servers import MariaDB

# Everything in memory, the log never the limit: what is measured is work, not the disk of this machine.
OPTIONS = ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M", "--max-binlog-size=1G", "--relay-log=relay-bin",
           "--performance-schema=OFF"]

TOUCHED = 5 << 29  # bytes: more than the pages that either side of a work fills


def available():
    """Bytes of memory that may be taken."""
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable:"))


def settle(touch=True):
    """Called before each clock starts. Two things would otherwise fall on whoever comes first: what was written before and
    waits for the disk, and pages that the kernel has at hand but the machine has not (a virtual machine's host must find
    memory for a page that was not used for long, which is dearer than all that is then done with it)."""
    os.sync()
    if touch:
        with mmap.mmap(-1, min(TOUCHED, available() // 2), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE):
            pass


class Server(MariaDB):
    def cpu_s(self):
        """CPU seconds of the server so far."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100


def server(directory, name, server_id, options=()):
    return Server(directory, name, server_id, options=[*OPTIONS, *options])


def _sysbench(target, test, tables, rows, *options):
    r = subprocess.run(["sysbench", "--db-driver=mysql", f"--mysql-socket={target.socket}", "--mysql-user=root", "--mysql-db=sb",
                        f"--tables={tables}", f"--table-size={rows}", *options[:-1], test, options[-1]],
                       text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode != 0:
        raise RuntimeError(f"sysbench {test}: {r.stdout[-1500:]}")


def sysbench_prepare(target, tables, rows):
    target.sql("CREATE DATABASE sb")
    _sysbench(target, "oltp_write_only", tables, rows, "--threads=2", "prepare")


def sysbench_write(target, tables, rows, events, rand_type):
    """A backlog of transactions: each updates two rows, deletes one and inserts it again."""
    _sysbench(target, "oltp_write_only", tables, rows, "--threads=8", f"--events={events}", "--time=0",
              f"--rand-type={rand_type}", "run")
