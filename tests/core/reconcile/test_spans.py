"""Code of others: by key as analytics tells it, of batches past the planner where it is surely theirs, else a range."""

from fractions import Fraction
from typing import Any, Final

import msgspec
import pytest

from planner.core.ledger.entry import Entry
from planner.core.reconcile.cells import CODE, Cell
from planner.core.reconcile.spans import beyond
from planner.core.reconcile.surplus import Surplus
from planner.core.reconcile.theirs import Bill, CodeCost
from tests.doubles.batched import answers, billed, made
from tests.doubles.billed import HAIKU, KEYS, OPUS, OWNERS, STRANGER, asks, bill, charges, compared, ledger, read

NOBODY: Final[dict[str, str]] = {}
KNOWN_KEY: Final = KEYS["team-a"]
CENT: Final = 10_000_000
QUIET, BUSY = 13, 0
"""Days of the month, counted from 0: one on which the ledger has nothing, and one on which code ran."""


def ran(day: int, key: str, *, nano: int = CENT, known: bool = True, batch: bool = True) -> tuple[list[Entry], Bill]:
    """A batch past the planner with three runs on a day, by key where analytics is open; or the runs alone."""
    theirs = bill([*charges(asks()[:12]), *billed(answers(3, day=day), key)])
    at = f"2026-11-{1 + day:02}"
    cell = Cell(at, "wrkspc_1", CODE)
    theirs.costs[cell] = theirs.costs.get(cell, Fraction(0)) + nano
    told = theirs.code.setdefault((at, "wrkspc_1", key), CodeCost())
    told.nano, told.spans = told.nano + nano, (told.spans or 0) + 3
    if not known:
        theirs.code, theirs.code_known = {}, False
    return [*ledger(asks()[:12]), *([made({OPUS: 3}, day=day)] if batch else [])], theirs


def explained(entries: list[Entry], theirs: Bill, **changes: Any) -> dict[str, int]:
    """What explains container time, and what nothing does."""
    found: dict[str, int] = {}
    for row in compared(entries, theirs, **changes).statement.rows:
        for cause, nano in {**row.explained, "unexplained": row.unexplained_nano}.items():
            if row.description == CODE and nano:
                found[cause] = found.get(cause, 0) + nano
    return found


@pytest.mark.parametrize("key", [STRANGER, KNOWN_KEY])
@pytest.mark.parametrize("open_to_us", [1, 0])
@pytest.mark.parametrize("owners", [NOBODY, OWNERS])
def test_code_of_a_day_on_which_nobody_else_ran_any(key: str, open_to_us: int, owners: dict[str, str]) -> None:
    """It is theirs to the nano-dollar, whether analytics says so or not; a stranger's is none of a declared caller."""
    found = explained(*ran(QUIET, key, known=bool(open_to_us)), owners=owners)
    theirs = owners is NOBODY or key == KNOWN_KEY
    assert found.get("batches_past", 0) == (CENT if theirs else 0)
    assert len(found) == 1


def test_without_a_batch_it_is_not_theirs() -> None:
    """A stranger's is a bypass, and nobody explains that of a known key."""
    assert explained(*ran(QUIET, STRANGER, batch=False), owners=NOBODY) == {"bypass": CENT}
    assert "batches_past" not in explained(*ran(QUIET, KNOWN_KEY, batch=False), owners=NOBODY)


def test_a_key_that_did_nothing_else_is_told_by_analytics() -> None:
    """Also where the ledger ran code on that day, and more than the range would let it be."""
    entries, theirs = ran(BUSY, STRANGER, nano=10 * CENT)
    assert explained(entries, theirs, owners=NOBODY) == {"batches_past": 10 * CENT}


def test_beside_code_of_the_ledger_it_is_a_range() -> None:
    """Three spans can have taken what three sessions take at least; more than they can is explained by nothing."""
    found = explained(*ran(BUSY, KNOWN_KEY), owners=NOBODY)
    assert found == {"batches_past": CENT}
    much = explained(*ran(BUSY, KNOWN_KEY, nano=10 * CENT), owners=NOBODY)
    assert much["unexplained"] > 5 * CENT
    assert sum(much.values()) == 10 * CENT


def test_live_tokens_past_the_planner_make_it_a_range() -> None:
    """Whoever used them may have run the code."""
    entries, theirs = ran(QUIET, KNOWN_KEY, nano=10 * CENT)
    live = [msgspec.structs.replace(ask, model=HAIKU, tier="standard") for ask in answers(2)]
    for variant, counts in bill(billed(live, "apikey_01B")).usage.items():
        theirs.usage[msgspec.structs.replace(variant, key=KNOWN_KEY)] = counts
    found = explained(entries, theirs, owners=NOBODY)
    assert 0 < found["batches_past"] < 10 * CENT
    assert found["unexplained"] > 0


def test_spans_beyond_the_ledger() -> None:
    """Lost ones of declared keys, and of batches where their results did not pass; all of them use up free hours."""
    entries, theirs = ran(QUIET, KNOWN_KEY)
    told = theirs.code["2026-11-01", "wrkspc_2", KEYS["team-b"]]
    told.spans = (told.spans or 0) + 2
    own = read(entries, theirs)
    found = beyond(own, theirs, OWNERS, set(), Surplus(own, theirs, OWNERS))
    assert found == (5, {("2026-11-01", "wrkspc_2"): 2}, {("2026-11-14", "wrkspc_1"): 3})


def test_without_analytics_each_missing_request_may_have_run_code() -> None:
    """Nobody tells of spans."""
    entries, theirs = ran(QUIET, KNOWN_KEY, known=False)
    own = read(entries, theirs)
    assert beyond(own, theirs, NOBODY, set(), Surplus(own, theirs, NOBODY)) == (0, {}, {("2026-11-14", "wrkspc_1"): 3})
