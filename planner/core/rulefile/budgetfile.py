"""`budgets.yaml` becomes budgets: each with a reason, for one kind of spender, and for spenders that can be told.

A team or project that no caller of `callers.yaml` declares spends no budget, whatever tags say: that is a warning.
"""

import re
from collections.abc import Sequence
from datetime import date
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Annotated, Final

import msgspec

from planner.core.findings import Code, did_you_mean
from planner.core.money import parse_millionths
from planner.core.rulebook.book import Callers
from planner.core.rulebook.catalog import Text, is_exact
from planner.core.rulebook.policies import PolicyMode
from planner.core.rulebook.spending import FIELDS, Budget, Field, For, Per, Percent
from planner.core.rulefile.read import Reader, Usd, place, word
from planner.core.rulefile.tree import Items, Node, Pairs

_NANO_PER_MILLIONTH: Final = 1_000
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_UNKNOWN: Final[dict[Field, Code]] = {
    "team": "unknown-team",
    "project": "unknown-project",
    "principal": "unknown-principal",
}
_ANONYMOUS: Final = "anonymous"


class BudgetShape(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `budgets`.

    Attributes:
        name: in headers, ledger, metrics and findings.
        why: one sentence for whoever is refused by it, or asks why it is there.
        mode: `off`; `shadow`, which counts and says in the ledger what it would have refused; or `enforce`.
        spenders: whose spending it bounds.
        each: one account for every value that matches; without it one for all of them together.
        per: the period after which it begins anew, 00:00 UTC.
        usd: the limit in dollars.
        soft_at: percents of the limit from which answers carry the header `planner-budget`.
        hard: refuse requests that do not fit into what is left.
        since: first day on which it holds, 00:00 UTC.
        until: first day on which it does not hold any more.
    """

    name: Text
    why: Text
    mode: PolicyMode
    spenders: For = msgspec.field(name="for")
    each: bool = False
    per: Per
    usd: Usd
    soft_at: Annotated[tuple[Percent, ...], msgspec.Meta(min_length=1)] = (80, 100)
    hard: bool = False
    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = None


class BudgetFile(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of `budgets.yaml`.

    Attributes:
        budgets: in any order: a request counts in every one that it matches.
    """

    budgets: tuple[BudgetShape, ...] = ()


Placed = tuple[Pairs, Budget]


def read_budgets(reader: Reader, root: Node | None, callers: Callers | None) -> tuple[Budget, ...]:
    """Return the budgets of the file; spenders are checked against the callers where these could be read."""
    reader.top(root, ("budgets",))
    found: list[Placed] = []
    for node, shape in reader.rows(root, "budgets", BudgetShape, lambda node: f'budget "{word(node, "name")}"'):
        if _whose(reader, node, shape):
            found.append((node, _budget(shape)))
    _check_names(reader, found)
    for node, budget in found:
        _check(reader, node, budget)
        if callers is not None:
            _check_spenders(reader, node, budget, callers)
    _check_overlaps(reader, found)
    return tuple(budget for _, budget in found)


def _budget(shape: BudgetShape) -> Budget:
    same = ("name", "why", "mode", "spenders", "each", "per", "hard", "since", "until")
    return Budget(
        **{name: getattr(shape, name) for name in same},
        nano=parse_millionths(shape.usd) * _NANO_PER_MILLIONTH,
        soft_at=tuple(sorted(set(shape.soft_at))),
    )


def _whose(reader: Reader, node: Pairs, shape: BudgetShape) -> bool:
    """Find a row that is for no kind of spender, or for two."""
    given = [field for field in FIELDS if getattr(shape.spenders, field) is not None]
    if len(given) == 1:
        return True
    spenders = place(node, "for")
    if not given and isinstance(spenders, Pairs) and spenders.values:
        return False  # what stands there is found already
    problem = f'"for" names {" and ".join(given) or "nobody"}'
    remedy = "Name one of team, project or principal: a budget has one kind of spender."
    reader.find(spenders, "one-spender", f'budget "{shape.name}"', problem, remedy)
    return False


def _check(reader: Reader, node: Pairs, budget: Budget) -> None:
    subject = f'budget "{budget.name}"'
    if budget.nano == 0:
        remedy = "Give it an amount, or refuse with a policy's deny."
        reader.find(place(node, "usd"), "out-of-range", subject, "nothing may be spent", remedy)
    if budget.since is not None and budget.until is not None and budget.since >= budget.until:
        problem = f'"until" ({budget.until}) is not after "from" ({budget.since})'
        remedy = "It would never hold: correct a date."
        reader.find(place(node, "until"), "empty-period", subject, problem, remedy)


def _check_names(reader: Reader, found: Sequence[Placed]) -> None:
    seen: dict[str, int] = {}
    for node, budget in found:
        line = seen.setdefault(budget.name, node.line)
        if line != node.line:
            problem = f"already described on line {line}"
            remedy = "Name it differently: an account goes by its budget's name."
            reader.find(place(node, "name"), "duplicate-name", f'budget "{budget.name}"', problem, remedy)


def _check_spenders(reader: Reader, node: Pairs, budget: Budget, callers: Callers) -> None:
    """Find teams, projects and principals that nobody spends for."""
    field, subject = budget.spenders.field, f'budget "{budget.name}"'
    listed = place(node, "for", field)
    places = listed.items if isinstance(listed, Items) else ()
    names = [row.name for row in callers.rows]
    known = names if field == "principal" else sorted({getattr(row, field) or "" for row in callers.rows} - {""})
    for pattern, at in zip(budget.spenders.patterns, places, strict=True):
        if any(fnmatchcase(each, pattern) for each in known):
            continue
        if field != "principal":
            problem = f'no caller of callers.yaml declares the {field} "{pattern}", and tags spend no budget'
            remedy = did_you_mean(pattern, known) if known else "Give callers that team or project first."
            reader.find(at, _UNKNOWN[field], subject, problem, remedy, "warning")
        elif is_exact(pattern) and (row := callers.find(pattern)) is not None:
            problem = f'"{pattern}" is a key of "{row.name}", and what it spends counts under that name'
            reader.find(at, "unknown-principal", subject, problem, f'Write "{row.name}".', "warning")
        elif is_exact(pattern) and pattern != _ANONYMOUS and not _FINGERPRINT.fullmatch(pattern):
            problem = f'"{pattern}" is neither a name of callers.yaml nor a fingerprint'
            reader.find(at, "unknown-principal", subject, problem, did_you_mean(pattern, names), "warning")


def _check_overlaps(reader: Reader, found: Sequence[Placed]) -> None:
    """Find two hard budgets of the same spenders and period at once: only the smaller one would ever refuse."""
    hard = [(node, budget) for node, budget in found if budget.refuses]
    for (first, one), (second, other) in combinations(hard, 2):
        alike = (one.spenders, one.each, one.per) == (other.spenders, other.each, other.per)
        apart = _ends(one) <= _begins(other) or _ends(other) <= _begins(one)
        if alike and not apart:
            node, budget, line = (second, other, first.line) if other.nano >= one.nano else (first, one, second.line)
            problem = f"the hard budget on line {line} is for the same, and no larger: this one never refuses"
            remedy = "Keep one of them, or date them one after the other."
            reader.find(place(node, "usd"), "never-refuses", f'budget "{budget.name}"', problem, remedy, "warning")


def _begins(budget: Budget) -> date:
    return budget.since or date.min


def _ends(budget: Budget) -> date:
    return budget.until or date.max
