"""What every test may ask for."""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

from tests.parts import ALL, PARTS, VARIABLE, must_be_there, required

Require = Callable[[str], Path]
RUN: Final = pytest.StashKey[Path]()
MOST_PROCESSES: Final = 8
"""Beyond them, each takes longer to read all tests than it saves."""

# A law is tried on other examples each time; `--hypothesis-profile thorough` tries ten times as many. No clock judges:
# an example takes as long as whatever else the machine does lets it.
UNHURRIED: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("usual", UNHURRIED, max_examples=50)
settings.register_profile("thorough", UNHURRIED, max_examples=500)
settings.load_profile("usual")


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


@pytest.fixture(scope="session")
def server(require: Require, pytestconfig: pytest.Config) -> str:
    """The address of the PostgreSQL server that all tests share: TEST_DATABASE_URL, else one of this run's own."""
    from tests.doubles import postgres  # noqa: PLC0415 - most tests need no database

    named = os.environ.get(postgres.VARIABLE)  # noqa: TID251 - the tests' own
    return named or postgres.address_of_the_run(pytestconfig.stash[RUN], require("postgres"))


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    from tests.doubles import postgres  # noqa: PLC0415 - likewise

    with postgres.database(server) as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store of each kind that is not there yet, to hold both to the same contract."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'l.db'}"
    found: str = request.getfixturevalue("database")
    return found


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process a core for whole folders; none where files are named, which run before others would have begun."""
    named = (argument.partition("::")[0] for argument in config.args)
    cores = os.cpu_count() or 1
    alone = config.option.collectonly or cores == 1 or any(name.endswith(".py") for name in named)
    return 0 if alone else min(cores, MOST_PROCESSES)


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder in which all processes of a run meet; whoever begins the run ends it.

    Bytecode is kept, also where the environment asks for none, as those of containers do: all of the planner would be
    compiled again by each process that a test starts, and all tests by each of the run.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # noqa: TID251 - the tests' own
    shared: dict[str, str] | None = getattr(config, "workerinput", None)
    if shared is None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever is told to end cleans up as after Ctrl-C
    config.stash[RUN] = Path(shared["planner_run"] if shared else tempfile.mkdtemp(prefix="planner-tests-"))


def pytest_configure_node(node: Any) -> None:
    """Tell a process of the run where the others meet it."""
    node.workerinput["planner_run"] = str(node.config.stash[RUN])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what the processes of a run shared, after an interrupt too."""
    run = config.stash.get(RUN, None)
    if run is None or hasattr(config, "workerinput"):
        return
    if any(run.iterdir()) and (found := PARTS["postgres"].find()) is not None:
        from tests.doubles import postgres  # noqa: PLC0415 - most runs need no database

        postgres.stop_of_the_run(run, found)
    shutil.rmtree(run)


@pytest.fixture(scope="module", autouse=True)
def searched() -> None:
    """Search for garbage only in what a module itself makes: many tests collect, to see what leaks.

    What was there before, the suite itself and what is kept for all of it, would be gone through each time.
    """
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
