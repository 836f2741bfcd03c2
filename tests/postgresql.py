"""A PostgreSQL of our own for tests: the installed programs, on a socket in a temporary folder.

The programs refuse to run as root, who lets `postgres` or `nobody` run them instead.
"""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

UNPRIVILEGED = ("postgres", "nobody")
START_SECONDS = 30


class PostgreSql:
    """A cluster that can be started, killed, stopped for a while and looked into."""

    def __init__(self, folder: Path, primary: "PostgreSql | None" = None) -> None:
        """Make the cluster in this folder, as a standby of `primary` if there is one; it is not
        started yet."""
        self.folder, self._data = folder, folder / "data"
        if primary is None:
            self._run("initdb", "-D", self._data, "-A", "trust", "-E", "UTF8", "-U", "lanes", "-N")
        else:
            where = primary.address("postgres")
            self._run("pg_basebackup", "-D", self._data, "-d", where, "-R", "-c", "fast", "-N")
        self._databases = 0

    def start(self) -> None:
        """Start it and wait until it answers; does nothing while it runs."""
        if self.alive():
            return
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=40"
        log = self.folder / "server.log"
        self._run("pg_ctl", "start", "-D", self._data, "-w", "-o", options, "-l", log)

    def stop(self) -> None:
        """Stop it at once, as when it is no longer needed."""
        with suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "stop", "-D", self._data, "-m", "immediate", "-w")

    def kill(self) -> None:
        """End the postmaster and everything it started with SIGKILL, as an out-of-memory does."""
        self._signal(signal.SIGKILL)
        end = time.monotonic() + START_SECONDS
        while self.alive() and time.monotonic() < end:
            time.sleep(0.01)

    def hang(self) -> None:
        """Let it keep every connection and answer none."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def alive(self) -> bool:
        """Whether the postmaster runs."""
        return (pid := self._postmaster()) is not None and Path(f"/proc/{pid}").exists()

    def promote(self) -> None:
        """Make a primary of a standby."""
        self._run("pg_ctl", "promote", "-D", self._data, "-w")

    def wait_for_standbys(self, *, wait: bool) -> None:
        """Whether a commit is one only when a standby has it as well."""
        names = "*" if wait else ""
        with self.connect(self.address("postgres")) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
            connection.execute("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """The address of an empty database."""
        self.start()
        self._databases += 1
        name = f"log{self._databases}"
        with self.connect(self.address("postgres")) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def replace(self, database: str, other: str) -> None:
        """Have each of two databases be found at the address of the other; who is in is put out."""
        one, two = (conninfo.conninfo_to_dict(each)["dbname"] for each in (database, other))
        with self.connect(self.address("postgres")) as connection:
            for name in (one, two):
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = %s",
                    (name,),
                )
            for name, new in ((one, "aside"), (two, one), ("aside", two)):
                connection.execute(f"ALTER DATABASE {name} RENAME TO {new}")
            for name in (one, two):
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    def address(self, database: str) -> str:
        """Where a database is found."""
        return f"postgresql://lanes@/{database}?host={self.folder}"

    @staticmethod
    def connect(address: str) -> "psycopg.Connection[Any]":
        """A connection beside the service."""
        return psycopg.connect(address, autocommit=True)

    def _signal(self, number: int) -> None:
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _processes(self) -> list[int]:
        """The postmaster and its children."""
        postmaster = self._postmaster()
        if postmaster is None or not self.alive():  # killed, it leaves its number behind
            return []
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def _postmaster(self) -> int | None:
        try:
            return int((self._data / "postmaster.pid").read_text().split()[0])
        except (OSError, IndexError):
            return None

    def _run(self, program: str, *arguments: Any) -> None:
        command = [str(programs() / program), *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["runuser", "-u", _unprivileged() or "", "--", *command]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(command, check=True, cwd=self.folder, timeout=60, **quiet)


def programs() -> Path:
    """Folder of the newest server programs."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))


def why_not() -> str | None:
    """Why there can be no server here; None if there can."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "PostgreSQL's server programs are not installed"
    if os.geteuid() == 0 and (_unprivileged() is None or shutil.which("runuser") is None):
        return "PostgreSQL does not run as root, and there is nobody to run it"
    return None


@contextmanager
def a_server(primary: PostgreSql | None = None) -> Iterator[PostgreSql]:
    """A cluster that runs, as a standby of `primary` if there is one.

    Its folder has a short name: that of a socket may have 107 bytes.
    """
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, _unprivileged())
        folder.chmod(0o755)
        server = PostgreSql(folder, primary)
        server.start()
        try:
            yield server
        finally:
            server.go_on()
            server.stop()


def _unprivileged() -> str | None:
    if os.geteuid() != 0:
        return getpass.getuser()
    names = {each.pw_name for each in pwd.getpwall()}
    return next((each for each in UNPRIVILEGED if each in names), None)
