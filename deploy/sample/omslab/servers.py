"""Private servers, MariaDB and MySQL: own directory, free port, loopback only, ended by their own pid."""
import functools
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess

import pymysql

from . import poll


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def unprivileged():
    """The user servers run as when we are root."""
    for name in ("mysql", "postgres", "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    return "nobody"


def exact_text(column, kind):
    """An expression for the whole value, the same on both servers."""
    if kind in ("float", "double"):
        return f"CAST(CAST(`{column}` AS DOUBLE) AS CHAR)"
    if kind.endswith(("char", "text", "blob", "binary")) or kind in ("json", "geometry", "point", "enum", "set", "vector"):
        return f"HEX(CAST(`{column}` AS BINARY))"
    return f"`{column}` + 0" if kind == "bit" else f"CAST(`{column}` AS CHAR)"


class MariaDB:
    """One server. options: further mariadbd options, e.g. ["--innodb-buffer-pool-size=1G"]."""

    kind = "mariadb"

    def __init__(self, directory, name, server_id, options=(), binlog=True):
        self.name, self.server_id = name, server_id
        self.dir = os.path.join(os.path.abspath(directory), name)
        self.port = free_port()
        self.socket = os.path.join(self.dir, "s")
        if len(self.socket) > 100:  # unix socket paths are short
            self.socket = f"/tmp/oms-{os.getpid()}-{name}.sock"
        self.process = None
        self.options = self._own_options(binlog)
        if not any(o.startswith("--innodb-buffer-pool-size") for o in options):
            self.options.append("--innodb-buffer-pool-size=256M")
        self.options += list(options)

    def _own_options(self, binlog):
        options = [
            f"--server-id={self.server_id}", f"--gtid-domain-id={self.server_id}", "--gtid-strict-mode=1",
            "--innodb-log-file-size=256M", "--max-allowed-packet=64M",
            "--local-infile=1", "--skip-name-resolve", "--character-set-server=utf8mb4",
            "--max-connections=200", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=1"]
        if binlog:
            options += [f"--log-bin={self.name}-bin", "--binlog-format=ROW", "--binlog-row-image=FULL",
                        "--binlog-row-metadata=FULL", "--log-slave-updates=1", "--max-binlog-size=256M"]
        return options

    def _program(self):
        return ["mariadbd", "--no-defaults"]

    def _user(self):
        return [f"--user={unprivileged()}"] if os.geteuid() == 0 else []

    def create(self):
        self._directories()
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.dir}/data", *self._user(),
                        "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
                        f"--tmpdir={self.dir}.tmp"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return self

    def copy_of(self, other):
        """Data of a server that is stopped, instead of create(); the log goes with them (same name or none is read)."""
        self._directories()
        subprocess.run(["cp", "-a", "--reflink=auto", f"{other.dir}/data", f"{self.dir}/data"], check=True)
        return self

    def _directories(self):
        tmp = self.dir + ".tmp"
        os.makedirs(self.dir, exist_ok=True)
        os.makedirs(tmp, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.dir, unprivileged())
            shutil.chown(tmp, unprivileged())
            path = os.path.dirname(self.dir)
            while path not in ("/", "/tmp"):
                os.chmod(path, os.stat(path).st_mode | 0o111)
                path = os.path.dirname(path)

    def start(self, timeout_s=60):
        with open(os.path.join(self.dir, "out"), "ab") as out:
            self.process = subprocess.Popen(
                [*self._program(), *self._user(), f"--datadir={self.dir}/data", f"--tmpdir={self.dir}.tmp",
                 f"--socket={self.socket}", f"--pid-file={self.dir}/pid", f"--port={self.port}",
                 "--bind-address=127.0.0.1", *self.options],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)

        def ready():
            if self.process.poll() is not None:
                with open(os.path.join(self.dir, "out"), errors="replace") as f:
                    raise RuntimeError(f"server '{self.name}' ended: {f.read()[-1500:]}")
            try:
                self.connect().close()
                return True
            except pymysql.err.OperationalError:
                return False
        poll.until(ready, timeout_s, f"server '{self.name}'")
        return self

    def connect(self, db=None, **kw):
        return pymysql.connect(unix_socket=self.socket, user="root", database=db, autocommit=True,
                               charset="utf8mb4", **kw)

    def sql(self, *statements):
        """Runs statements; the last one's rows."""
        connection = self.connect()
        try:
            with connection.cursor() as c:
                for s in statements:
                    c.execute(s)
                return c.fetchall()
        finally:
            connection.close()

    def one(self, statement):
        return self.sql(statement)[0][0]

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def add_user(self, user="oms", password="oms-password"):
        self.sql(f"CREATE OR REPLACE USER `{user}`@`%` IDENTIFIED BY '{password}'",
                 f"GRANT ALL PRIVILEGES ON *.* TO `{user}`@`%`")

    def gtid(self):
        return self.one("SELECT @@gtid_binlog_pos")

    def checksum(self, table):
        db, name = table.split(".", 1)
        return self.sql(f"CHECKSUM TABLE `{db}`.`{name}`")[0][1]

    def count(self, table):
        db, name = table.split(".", 1)
        return self.one(f"SELECT COUNT(*) FROM `{db}`.`{name}`")

    def contents(self, table, order="1"):
        """Rows and a digest of their text, alike for MariaDB and MySQL."""
        db, name = table.split(".", 1)
        digest, rows = hashlib.sha256(), 0
        connection = self.connect()
        try:
            with connection.cursor() as c:
                columns = ", ".join(exact_text(*r) for r in self.sql(
                    "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema="
                    f"'{db}' AND table_name='{name}' ORDER BY ordinal_position"))
                c.execute(f"SELECT {columns} FROM `{db}`.`{name}` ORDER BY {order}")
                for row in c:
                    rows += 1
                    digest.update(repr(row).encode())
        finally:
            connection.close()
        return rows, digest.hexdigest()


MYSQL_PROGRAM = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mysql-server")


@functools.lru_cache
def mysql_absent():
    """Why there is no MySQL server here; "" when there is one (it is fetched the first time)."""
    r = subprocess.run([MYSQL_PROGRAM, "root"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True)
    return "" if r.returncode == 0 else r.stderr.strip() or f"exit {r.returncode}"


class MySQL(MariaDB):
    """A MySQL server of Debian's sid. options: further mysqld options."""

    kind = "mysql"

    def _own_options(self, binlog):
        options = [
            f"--server-id={self.server_id}", "--mysqlx=OFF", "--innodb-redo-log-capacity=128M",
            "--max-allowed-packet=64M", "--local-infile=1", "--secure-file-priv=", "--skip-name-resolve",
            "--max-connections=200", "--sync-binlog=0", "--performance-schema=OFF"]
        if binlog:
            options += [f"--log-bin={self.name}-bin", "--gtid-mode=ON", "--enforce-gtid-consistency=ON",
                        "--binlog-row-metadata=FULL", "--max-binlog-size=256M"]
        return options

    def _program(self):
        return [MYSQL_PROGRAM, "run"]

    def create(self):
        self._directories()
        subprocess.run([*self._program(), *self._user(), f"--datadir={self.dir}/data", "--initialize-insecure",
                        "--innodb-redo-log-capacity=64M"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return self

    def add_user(self, user="oms", password="oms-password"):
        self.sql(f"DROP USER IF EXISTS `{user}`@`%`", f"CREATE USER `{user}`@`%` IDENTIFIED BY '{password}'",
                 f"GRANT ALL PRIVILEGES ON *.* TO `{user}`@`%`")

    def gtid(self):
        """What it has executed; without GTIDs the place that OMS gives to the end of its log."""
        if self.one("SELECT @@global.gtid_mode") == "ON":
            return self.one("SELECT @@global.gtid_executed").replace("\n", "")
        file, offset = self.sql("SHOW BINARY LOG STATUS")[0][:2]
        return f"mysql-file:{self.one('SELECT @@server_uuid')}={(int(file.rpartition('.')[2]) << 40) + int(offset)}"
