"""House rules that no linter knows: lengths, docstrings, a test for each module, pins, and what no file may hold."""

import ast
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from planner.stores.schema import migrations
from planner.stores.statements import statements

ROOT: Final = Path(__file__).parent.parent
LONGEST_MODULE: Final = 400

# Lists of exceptions. They may only shrink: a test fails when one of them is needed no more.
LONG_MODULES: Final[frozenset[str]] = frozenset()
UNTESTED_MODULES: Final[frozenset[str]] = frozenset()

# Tested whole, through the only face they have, and not module by module.
BY_BEHAVIOUR: Final = {"simulator": "tests/simulator speaks HTTP to it", "demo": "tests/demo runs it"}

# The rooms of the planner that the simulator may use, besides `planner.core.wire`; it is one of them itself.
SIMULATOR_USES: Final = frozenset({"simulator", "clock", "tasks", "listening"})

# What is the world of a replay; the rest of its package plays in it, and may use what the planner decides with.
WORLD: Final = frozenset(f"planner.core.replay.{module}" for module in ("bill", "calls", "nature", "world"))

REGISTRIES: Final = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "deb.debian" + ".org",
)
MACHINE_PATH: Final = re.compile(r"(?<![\w.~*$}{)])/(?:work|root|home|opt|Users)/\w")


def ignored() -> tuple[str, ...]:
    """The names in .gitignore: what is built, cached, installed or written by a run."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return (".git", *(line.rstrip("/") for line in lines if line and not line.startswith("#")))


IGNORED: Final = ignored()


def walk(folder: Path = ROOT) -> Iterator[Path]:
    """Every file of the project."""
    for path in sorted(folder.iterdir()):
        if any(fnmatch(path.name, pattern) for pattern in IGNORED):
            continue
        if path.is_dir():
            yield from walk(path)
        else:
            yield path


FILES: Final = tuple(walk())
MODULES: Final = tuple(path for path in FILES if path.suffix == ".py")
SOURCES: Final = tuple(path for path in MODULES if path.is_relative_to(ROOT / "planner"))


def name(path: Path) -> str:
    """A path as it is written in the project."""
    return path.relative_to(ROOT).as_posix()


def text(path: Path) -> str:
    """What is in a file, as far as it is text."""
    return path.read_text(encoding="utf-8", errors="replace")


def test_modules_stay_short() -> None:
    """What does not fit in 400 lines is two things."""
    long = {name(path) for path in MODULES if text(path).count("\n") >= LONGEST_MODULE}
    assert long == LONG_MODULES


def test_every_module_begins_with_its_job() -> None:
    """A docstring of at least one sentence."""
    assert not [name(path) for path in MODULES if not (ast.get_docstring(ast.parse(text(path))) or "").strip()]


def homes_of_tests(module: Path) -> Iterator[Path]:
    """Where a module's tests may be: under its own name, or under that of a package it belongs to."""
    parts = module.relative_to(ROOT / "planner").with_suffix("").parts
    for length in range(len(parts), 0, -1):
        yield ROOT / "tests" / Path(*parts[: length - 1]) / f"test_{parts[length - 1]}.py"


def test_every_module_has_its_tests() -> None:
    """Tests mirror the tree: planner/core/pricing/prices.py has tests/core/pricing/test_prices.py."""
    modules = [
        path
        for path in SOURCES
        if path.name not in {"__init__.py", "__main__.py"}
        and path.relative_to(ROOT / "planner").parts[0] not in BY_BEHAVIOUR
    ]
    untested = {name(path) for path in modules if not any(test.is_file() for test in homes_of_tests(path))}
    assert untested == UNTESTED_MODULES
    assert all(list((ROOT / "tests" / package).glob("test_*.py")) for package in BY_BEHAVIOUR)


def test_every_exception_to_a_lint_rule_has_its_reason() -> None:
    """`# noqa: CODE - why` and `# type: ignore[code]  # why`."""
    noqa = re.compile(r"# noqa(?!: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)* - \w)")
    ignore = re.compile(r"# type: ignore(?!\[[a-z-]+(, ?[a-z-]+)*\]  # \w)")
    bare = [
        f"{name(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(text(path).splitlines(), 1)
        if (noqa.search(line) or ignore.search(line))
        and "re.compile" not in line
        and not line.lstrip().startswith('"""')
    ]
    assert not bare


def test_no_file_names_a_registry_or_a_path_of_a_machine() -> None:
    """Where packages come from, and where somebody works, is no business of the project."""
    found = []
    for path in FILES:
        lines = enumerate(text(path).splitlines(), 1)
        bad = [
            number for number, line in lines if any(each in line for each in REGISTRIES) or MACHINE_PATH.search(line)
        ]
        found += [f"{name(path)}:{number}" for number in bad]
    assert not found


def test_sql_is_named_and_stands_in_its_own_files() -> None:
    """Each statement has a name and a sentence; each migration begins by saying what it is for."""
    folder = files("planner.stores") / "sql"
    for path in folder.iterdir():
        if path.name.endswith(".sql"):
            assert statements(path.name.removesuffix(".sql"))
        elif path.is_dir():
            scripts = migrations(path.name)
            numbers = [each.number for each in scripts]
            assert numbers == list(range(1, len(numbers) + 1))
            assert all(each.script.startswith("-- ") for each in scripts)
    inline = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE|ALTER TABLE) [a-z*]")
    assert not [name(path) for path in SOURCES if inline.search(text(path))]


def pins(file: str) -> dict[str, tuple[Requirement, int]]:
    """Every requirement of a pinned file by its name, and how many hashes it has."""
    joined = text(ROOT / "requirements" / file).replace("\\\n", " ")
    found: dict[str, tuple[Requirement, int]] = {}
    for line in joined.splitlines():
        wanted, *hashes = line.split("--hash=")
        assert all(digest.startswith("sha256:") for digest in hashes)
        requirement = Requirement(wanted)
        found[canonicalize_name(requirement.name)] = (requirement, len(hashes))
    return found


@pytest.mark.parametrize(
    "file",
    ["run.txt", "image.txt", "test.txt", "dev.txt", "browser.txt", "fuzz.txt", "older-sdk.txt", "focus-validator.txt"],
)
def test_requirements_are_pinned_with_hashes_and_hold_no_addresses(file: str) -> None:
    """One version, by its hashes, from wherever the reader's own configuration points to."""
    content = text(ROOT / "requirements" / file)
    assert "://" not in content
    assert not re.search(r"^\s*(-|#)(?!-hash=)(?! )", content, re.MULTILINE)
    for requirement, hashes in pins(file).values():
        assert [specifier.operator for specifier in requirement.specifier] == ["=="]
        assert hashes


def wanted(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for, the build backend included."""
    project = tomllib.loads(text(ROOT / "pyproject.toml"))
    optional = project["project"]["optional-dependencies"]
    lists = [project["project"]["dependencies"], project["build-system"]["requires"], *(optional[e] for e in extras)]
    return [Requirement(line) for each in lists for line in each]


@pytest.mark.parametrize(
    ("file", "extras"),
    [
        ("run.txt", ("cel",)),
        ("image.txt", ("cel", "postgres")),
        ("test.txt", ("test",)),
        ("dev.txt", ("test", "dev", "browser")),
    ],
)
def test_the_pins_are_what_the_project_asks_for(file: str, extras: tuple[str, ...]) -> None:
    """A dependency that was added or raised must be pinned anew: requirements/README.md says how."""
    pinned = pins(file)
    for requirement in wanted(*extras):
        (specifier,) = pinned[canonicalize_name(requirement.name)][0].specifier
        assert requirement.specifier.contains(specifier.version), f"{file} pins {requirement.name} {specifier}"


def test_the_pinned_files_agree() -> None:
    """What is tested is what runs: each file only adds to the one before."""
    run, image, test, dev, browser, fuzz = (
        {name: str(requirement.specifier) for name, (requirement, _) in pins(file).items()}
        for file in ("run.txt", "image.txt", "test.txt", "dev.txt", "browser.txt", "fuzz.txt")
    )
    assert run.items() <= image.items() <= test.items() <= dev.items()
    assert browser.items() <= dev.items()
    assert "playwright" in browser
    assert fuzz.items() <= dev.items()
    assert "schemathesis" in fuzz
    assert not fuzz.keys() & test.keys()


def test_the_build_backend_is_asked_for_once() -> None:
    """The group that pins it repeats the build system's words."""
    project = tomllib.loads(text(ROOT / "pyproject.toml"))
    assert project["dependency-groups"]["build"] == project["build-system"]["requires"]


def members(package: str) -> set[str]:
    """The modules and packages directly inside a package, by full name."""
    inner = (path for path in SOURCES if path.is_relative_to(ROOT / package.replace(".", "/")))
    depth = package.count(".") + 1
    parts = (path.relative_to(ROOT).with_suffix("").parts for path in inner)
    return {".".join(each[: depth + 1]) for each in parts if not each[depth].startswith("__")}


def contract_of(*sources: str) -> dict[str, Any]:
    """What import-linter forbids some modules."""
    contracts = tomllib.loads(text(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (contract,) = (each for each in contracts if each.get("source_modules") == sorted(sources))
    return dict(contract)


def test_the_simulator_may_use_nothing_of_the_core_but_wire() -> None:
    """Two that count money with one code would agree on everything, mistakes included."""
    contract = contract_of("planner.simulator")
    allowed = {"planner.core", *(f"planner.{room}" for room in SIMULATOR_USES)}
    assert sorted(contract["forbidden_modules"]) == sorted({"planner.core.*", *members("planner")} - allowed)
    assert {imported.split(" -> ")[1] for imported in contract["ignore_imports"]} == {
        "planner.core.wire",
        "planner.core.wire.**",
    }
    assert not contract.get("allow_indirect_imports")


def test_the_world_of_a_replay_may_use_nothing_of_the_core_but_wire() -> None:
    """Else a wrong belief would come true in it."""
    contract = contract_of(*WORLD)
    everything = members("planner.core") | members("planner.core.replay")
    assert everything >= WORLD
    allowed = {"planner.core.wire", "planner.core.replay", *WORLD}
    assert sorted(contract["forbidden_modules"]) == sorted(everything - allowed)
    assert not contract.get("allow_indirect_imports")
