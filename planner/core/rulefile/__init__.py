"""Text becomes a rule book or findings: all of them at once, each with its position, and never half a book.

The same code serves the server, `planner rules check` and the tests.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Final

import msgspec

from planner.core.findings import Finding, RulesError, errors, nearest
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import Policy
from planner.core.rulefile.budgetfile import BudgetFile, read_budgets
from planner.core.rulefile.callersfile import CallersFile, read_callers
from planner.core.rulefile.catalogfile import CatalogFile, read_catalog
from planner.core.rulefile.policyfile import PolicyFile, read_policies
from planner.core.rulefile.pricefile import PriceFile, read_prices
from planner.core.rulefile.read import Reader
from planner.core.rulefile.settingsfile import SettingsFile, read_settings
from planner.core.rulefile.testshape import RuleTestFile
from planner.core.rulefile.tree import Node, parse

KINDS = ("prices", "catalog", "policies", "callers", "budgets", "settings")
SHAPES: dict[str, type[msgspec.Struct]] = {
    "prices": PriceFile,
    "catalog": CatalogFile,
    "policies": PolicyFile,
    "callers": CallersFile,
    "budgets": BudgetFile,
    "settings": SettingsFile,
    "tests": RuleTestFile,
}  # what each kind of file may hold, for the editor schemas

MAX_FILES: Final = 100
"""Files of a directory that are read: more of them would hold every look at the rules up."""

_IGNORED = ("tests/", "schema/")
_FOLDERS = ("prices", "policies")
_ALONE = ("catalog", "callers", "budgets", "settings")
_KNOWN = (*(f"{kind}.yaml" for kind in _ALONE), "prices/anthropic.yaml", "policies/shipped.yaml")


class Reading(msgspec.Struct, frozen=True):
    """What reading gave: a book unless there is an error among the findings; warnings leave the book whole."""

    book: RuleBook | None
    findings: tuple[Finding, ...]


def kind_of(path: str) -> str | None:
    """Return the kind of rule file at a path relative to the rules' directory, None for what is no rule file."""
    folder, _, name = path.rpartition("/")
    stem, _, suffix = name.rpartition(".")
    if suffix != "yaml":
        return None
    if folder in _FOLDERS:
        return folder
    return stem if not folder and stem in _ALONE else None


def looks_like_rules(path: str) -> bool:
    """Say whether whoever wrote the file at a path meant it for rules, whatever became of its name.

    That is YAML in any folder but those of tests and schemas, and JSON where rules stand.
    """
    if path.startswith(_IGNORED):
        return False
    name, folder = path.rpartition("/")[2], path.partition("/")[0] if "/" in path else ""
    stem, _, suffix = name.rpartition(".")
    if suffix.lower() in ("yaml", "yml"):
        return True
    return suffix.lower() == "json" and (folder.lower() in _FOLDERS or (not folder and stem.lower() in _ALONE))


def read(
    files: Mapping[str, bytes],
    overrides: Mapping[str, str] | None = None,
    *,
    shipped: Collection[Policy] = (),
    today: date | None = None,
) -> Reading:
    """Read files, by path relative to the rules' directory, and settings given as `--set key=value`.

    Files of one kind are read in the order of their names. Prices and the catalog must be there. `shipped` are
    policies that may stand behind others that leave them nothing; what ended before `today` is told.
    """
    if len(files) > MAX_FILES:
        problem = f"there are more than {MAX_FILES} rule files"
        remedy = "Put the rows of one kind together."
        return Reading(None, (Finding(max(files), 1, 1, "too-many-files", "this file", problem, remedy),))
    findings: list[Finding] = []
    trees: dict[str, list[tuple[Reader, Node | None]]] = {kind: [] for kind in KINDS}
    for path in sorted(files):
        kind = kind_of(path)
        if kind is None:
            findings += _stray(path)
            continue
        node, problems = parse(path, files[path])
        findings += problems
        if node is not None or not any(problem.code != "duplicate-key" for problem in problems):
            trees[kind].append((Reader(path), node))
    if not any(kind_of(path) == "prices" for path in files):
        findings.append(_missing("prices/anthropic.yaml"))
    if "catalog.yaml" not in files:
        findings.append(_missing("catalog.yaml"))

    reader, root = _only(trees["catalog"], "catalog.yaml")
    catalog = read_catalog(reader, root)
    sound = None if reader.findings else catalog  # names are not checked against a list that misses some
    prices = read_prices(trees["prices"], sound)
    reader, root = _only(trees["callers"], "callers.yaml")
    callers = read_callers(reader, root)
    unsound = any(each.path == reader.path for each in errors((*findings, *reader.findings)))
    known = None if unsound else callers
    budgets = read_budgets(*_only(trees["budgets"], "budgets.yaml"), known)
    policies = read_policies(trees["policies"], sound, known, shipped=shipped, today=today)
    settings, rows, ours = read_settings(*_only(trees["settings"], "settings.yaml"), overrides or {}, sound)

    for each in (reader for kind in trees.values() for reader, _ in kind):
        findings += each.findings
    findings += ours.findings
    if catalog is None and not errors(findings):
        findings.append(_missing("catalog.yaml", "it holds nothing"))
    found = tuple(sorted(set(findings)))
    if catalog is None or errors(found):
        return Reading(None, found)
    book = RuleBook(
        prices=prices,
        catalog=catalog,
        policies=policies,
        callers=callers,
        budgets=budgets,
        settings=settings,
        setting_rows=rows,
    )
    return Reading(book, found)


def policies_of(files: Mapping[str, bytes]) -> tuple[Policy, ...]:
    """Return the policies of some files that can be read, whatever else is wrong there."""
    trees = ((Reader(path), parse(path, files[path])[0]) for path in sorted(files) if kind_of(path) == "policies")
    return read_policies(trees, None)


def load(files: Mapping[str, bytes], overrides: Mapping[str, str] | None = None) -> RuleBook:
    """Return the rule book of some files; RulesError, which holds every finding, when one of them is an error."""
    reading = read(files, overrides)
    if reading.book is None:
        raise RulesError(reading.findings)
    return reading.book


def _only(trees: list[tuple[Reader, Node | None]], path: str) -> tuple[Reader, Node | None]:
    """Return the one file of a kind; where there is none, an empty one whose findings are kept all the same."""
    if not trees:
        trees.append((Reader(path), None))
    return trees[0]


def _missing(path: str, problem: str = "it is not there") -> Finding:
    remedy = "Add it, or leave the whole kind out to get the shipped one."
    return Finding(path, 1, 1, "missing-file", "this file", problem, remedy)


def _stray(path: str) -> Iterator[Finding]:
    if not looks_like_rules(path):
        return
    meant = _meant(path)
    remedy = f"Use one of: {', '.join(_KNOWN)}." if meant is None else f'Did you mean "{meant}"?'
    yield Finding(path, 1, 1, "unknown-file", "this file", "no kind of rule file has this name", remedy)


def _meant(path: str) -> str | None:
    """The name that a file was probably meant to have: the right folder, one deep, and the right suffix."""
    folder, _, name = path.rpartition("/")
    stem = name.rpartition(".")[0]
    if folder:
        near = nearest(folder.partition("/")[0].lower(), (*_FOLDERS, "tests"))
        return None if near is None else f"{near}/{stem}.yaml"
    near = nearest(stem.lower(), (*_ALONE, *_FOLDERS))
    if near is None:
        return None
    return f"{near}/{stem}.yaml" if near in _FOLDERS else f"{near}.yaml"
