"""What every test may ask for."""

import gc
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.parts import ALL, PARTS, VARIABLE, must_be_there, required

Require = Callable[[str], Path]


@pytest.fixture(scope="session")
def require() -> Require:
    """`require("promtool")` returns where that part is, or skips the test (fails it, when the part is required)."""

    def ask(name: str) -> Path:
        part = PARTS[name]
        found = part.find()
        if found is not None:
            return found
        message = f"{name} is not there. Get it: {part.get}"
        if must_be_there(name, required()):
            pytest.fail(f"{message} ({VARIABLE} asks for it)", pytrace=False)
        pytest.skip(message)

    return ask


@pytest.fixture
def database(require: Require) -> Iterator[str]:
    """The address of an empty PostgreSQL database: at TEST_DATABASE_URL, else on a server of this run's own."""
    from tests.doubles import postgres  # noqa: PLC0415 - most tests need no database

    named = os.environ.get(postgres.VARIABLE)  # noqa: TID251 - the tests' own
    server = postgres.address_of_the_run(None if named else require("postgres"))
    with postgres.database(server) as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store of each kind that is not there yet, to hold both to the same contract."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'l.db'}"
    found: str = request.getfixturevalue("database")
    return found


def pytest_collection_finish() -> None:
    """Leave what the suite itself is made of out of every search for garbage: many tests collect, to see what leaks."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make every skip a failure when all parts are required: a suite that is run whole leaves nothing out."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and ALL in required():
        report.outcome = "failed"
        report.longrepr = f"skipped, and {VARIABLE} is {ALL}: {report.longreprtext}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Likewise for a module that skips itself."""
    report = yield
    if report.skipped and ALL in required():
        report.outcome = "failed"
        report.longrepr = f"skipped, and {VARIABLE} is {ALL}: {report.longreprtext}"
    return report
