"""What is measured: the upstream itself, nginx where it is installed, and the planner; each a process on one core."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_body_buffer_size 1m;
  keepalive_requests 100000000;
  upstream api {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://api;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


class Candidate(msgspec.Struct, frozen=True):
    """Something to send load to; `pid` is what its CPU time is read from."""

    name: str
    port: int
    pid: int | None = None

    def cpu_seconds(self) -> float | None:
        """CPU time that it and its children have used; None where the system does not tell."""
        return None if self.pid is None else _cpu_seconds(self.pid)


def _cpu_seconds(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return None
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_cpu_seconds(int(child)) or 0.0 for child in children)


def cores() -> tuple[int, int]:
    """The core of what is measured, and the one of upstream and load; the same where there is only one."""
    if not hasattr(os, "sched_getaffinity"):
        return 0, 0
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """This process on one core, where the system can do that, for as long as the block lasts."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@asynccontextmanager
async def running(command: Sequence[str], core: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program on one core, for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.pinned", str(core), *command,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def upstream(core: int) -> AsyncIterator[int]:
    """The upstream's port."""
    async with running([sys.executable, "-m", "tests.bench.upstream"], core) as process:
        assert process.stdout is not None
        yield int(await process.stdout.readline())


@asynccontextmanager
async def planner(folder: Path, behind: int, core: int) -> AsyncIterator[Candidate]:
    """The planner as it ships, where every container hour costs, so that it has something to decide."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "planner",
        "serve",
        "--port",
        str(port),
        "--upstream",
        f"http://127.0.0.1:{behind}",
    ]
    command += ["--store", f"sqlite:///{folder / 'ledger.db'}", "--set", "free_hours.limit=0"]
    command += ["--set", "tool_tokens.web_fetch_20260318=40"]
    async with running(command, core) as process:
        await answering(port)
        yield Candidate("planner", port, process.pid)


@asynccontextmanager
async def nginx(folder: Path, behind: int, core: int) -> AsyncIterator[Candidate | None]:
    """One worker of nginx; None where it is not installed."""
    program = shutil.which("nginx", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
    if program is None:
        yield None
        return
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, upstream=behind, port=port), encoding="ascii")
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    async with running(command, core) as process:
        await answering(port)
        yield Candidate("nginx", port, process.pid)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


async def answering(port: int) -> None:
    """Return when a port takes connections."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
