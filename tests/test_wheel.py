"""The wheel is what people get: it is built, installed elsewhere, and works from there."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Final

import pytest

from planner import __version__

ROOT: Final = Path(__file__).parent.parent
PATIENCE: Final = 20.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds the wheel's content as pip lays it out, far from the checkout."""
    target = tmp_path_factory.mktemp("elsewhere")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return target


@pytest.fixture
def environment(installed: Path) -> dict[str, str]:
    """The environment of somebody who has the wheel alone."""
    clean = {name: word for name, word in os.environ.items() if not name.startswith("PLANNER_")}  # noqa: TID251 - a child's
    return {**clean, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}


def test_the_wheel_holds_what_the_package_reads(wheel: Path) -> None:
    """Rules, SQL, scenarios, the licence and the type marker travel with the code; tests and caches do not."""
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    read = [path for path in (ROOT / "rules").rglob("*") if path.is_file()]
    assert {f"planner/{path.relative_to(ROOT).as_posix()}" for path in read} <= held
    data = [path for path in (ROOT / "planner").rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}]
    assert {path.relative_to(ROOT).as_posix() for path in data} <= held
    code = [path.relative_to(ROOT).as_posix() for path in (ROOT / "planner").rglob("*.py")]
    assert set(code) <= held
    assert f"claude_cost_planner-{__version__}.dist-info/licenses/LICENSE" in held
    assert {name.split("/")[0] for name in held} == {"planner", f"claude_cost_planner-{__version__}.dist-info"}
    assert not [name for name in held if name.endswith(".pyc")]


def test_two_builds_are_the_same(wheel: Path, tmp_path: Path) -> None:
    """Whoever builds it gets the bytes that were tested."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def planner(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    """What a command of the installed package prints, run in another directory."""
    command = [sys.executable, "-m", "planner", *arguments]
    done = subprocess.run(command, env=environment, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_installed_package_is_the_one_that_runs(
    environment: dict[str, str], installed: Path, tmp_path: Path
) -> None:
    """Not the checkout by accident."""
    script = "import planner; print(planner.__file__)"
    where = [sys.executable, "-c", script]
    done = subprocess.run(where, env=environment, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert Path(done.stdout.strip()).is_relative_to(installed)
    assert planner(environment, tmp_path, "--version") == f"planner, version {__version__}\n"


def test_the_installed_rules_are_in_order(environment: dict[str, str], tmp_path: Path) -> None:
    """They are the checkout's, byte for byte."""
    here = planner(environment, tmp_path, "rules", "check")
    assert here.startswith("ok: rule book ")
    there = planner(environment, tmp_path, "rules", "check", "--rules", str(ROOT / "rules"))
    assert there.splitlines()[0] == here.splitlines()[0]


@contextmanager
def serving(environment: dict[str, str], folder: Path) -> Iterator[int]:
    """A proxy that runs from the wheel, in front of nothing; yields its port once it listens."""
    command = [sys.executable, "-m", "planner", "serve", "--port", "0", "--upstream", "http://127.0.0.1:9"]
    with subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            told = [json.loads(line) for line in until_it_listens(process.stderr)]
            yield int(told[-1]["url"].rpartition(":")[2])
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0


def until_it_listens(log: IO[str]) -> Iterator[str]:
    """The lines of a log up to the one that names the address."""
    for line in log:
        yield line
        if '"listening"' in line:
            return


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body of a page."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_the_installed_proxy_serves(environment: dict[str, str], tmp_path: Path) -> None:
    """Health, readiness and metrics answer, and a request to an upstream that is not there gets a clear error."""
    with serving(environment, tmp_path) as port:
        assert get(port, "/healthz") == (200, "ok\n")
        assert get(port, "/readyz") == (200, "ready\n")
        status, metrics = get(port, "/metrics")
        assert status == 200
        assert "planner_rules_info{digest=" in metrics
        status, error = get(port, "/v1/models")
        assert status == 502
        assert '"type":"api_error","message":"planner: ' in error
    lines = planner(environment, tmp_path, "export").splitlines()
    assert len(lines) == 1
    assert '"outcome":"error"' in lines[0]
