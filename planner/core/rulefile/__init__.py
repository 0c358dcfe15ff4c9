"""Text becomes a rule book or findings: all of them at once, each with its position, and never half a book.

The same code serves the server, `planner rules check` and the tests.
"""

from collections.abc import Iterable, Mapping

import msgspec

from planner.core.findings import Finding, RulesError, did_you_mean, errors
from planner.core.rulebook import RuleBook
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

_IGNORED = ("tests/", "schema/")
_SINGLE = ("catalog", "callers", "budgets", "settings")
_NAMES = (*(f"{kind}.yaml" for kind in _SINGLE), "prices/anthropic.yaml", "policies/shipped.yaml")


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
    if folder in ("prices", "policies"):
        return folder
    return stem if not folder and stem in _SINGLE else None


def read(files: Mapping[str, bytes], overrides: Mapping[str, str] | None = None) -> Reading:
    """Read files, by path relative to the rules' directory, and settings given as `--set key=value`.

    Files of one kind are read in the order of their names. Prices and the catalog must be there.
    """
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
    policies = read_policies(trees["policies"], sound)
    reader, root = _only(trees["callers"], "callers.yaml")
    callers = read_callers(reader, root)
    unsound = any(each.path == reader.path for each in errors((*findings, *reader.findings)))
    budgets = read_budgets(*_only(trees["budgets"], "budgets.yaml"), None if unsound else callers)
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


def _stray(path: str) -> Iterable[Finding]:
    if path.startswith(_IGNORED) or not path.endswith((".yaml", ".yml")):
        return ()
    remedy = did_you_mean(path, _NAMES)
    return (Finding(path, 1, 1, "unknown-file", "this file", "no kind of rule file has this name", remedy),)
