"""Batches against the bill: what never passed, what passed later, and what must not be taken for either."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.ledger.entry import Code, Entry, Seconds
from planner.core.pricing.prices import Line
from planner.core.reconcile.amends import amend, moves
from planner.core.reconcile.batches import MOST_TOKENS
from planner.core.reconcile.cells import CODE, Cell
from planner.core.reconcile.statement import Statement
from planner.simulator.bill import Charge
from tests.doubles.batched import answers, billed, made, passed
from tests.doubles.billed import (
    HAIKU,
    KEYS,
    KNOWN,
    OPUS,
    OWNERS,
    SONNET,
    STRANGER,
    asks,
    bill,
    book,
    charges,
    compared,
    cost,
    ledger,
    read,
)

NOBODY: Final[dict[str, str]] = {}
ASKS: Final = asks()[:12]


def against(
    entries: list[Entry], charged: list[Charge], *, owners: dict[str, str] | None = None, **changes: Any
) -> Statement:
    """Two days of a month with these entries and charges besides; the law holds in it whatever they are."""
    theirs = bill([*charges(ASKS), *charged])
    for name, value in changes.items():
        setattr(theirs, name, value)
    found = compared([*ledger(ASKS), *entries], theirs, owners=OWNERS if owners is None else owners).statement
    for row in found.rows:
        assert sum(row.explained.values()) + row.unexplained_nano == row.difference_nano
        assert set(row.evidence) == set(row.explained)
    return found


def told(statement: Statement) -> dict[str, int]:
    """What explains the difference, and what nothing does."""
    found = {cause: nano for cause, nano in statement.explained.items() if nano}
    return found | ({"unexplained": statement.unexplained_nano} if statement.unexplained_nano else {})


@pytest.mark.parametrize("owners", [OWNERS, NOBODY])
def test_results_that_never_passed(owners: dict[str, str]) -> None:
    """To the nano-dollar, with numbers and dates, on the day of making and on the next, whoever has declared keys."""
    late = [msgspec.structs.replace(ask, at=ask.at.replace(day=15, hour=3)) for ask in answers(2)]
    charged = [*billed(answers(3)), *billed(late)]
    found = against([made({OPUS: 5})], charged, owners=owners)
    assert told(found) == {"batches_past": cost(charged)}
    evidence = {words for row in found.rows for words in row.evidence.values()}
    assert evidence == {"up to 5 requests of a batch that was made on 2026-11-14"}
    assert {row.day for row in found.rows if row.explained} == {"2026-11-14", "2026-11-15"}
    assert (found.missing_results, found.more_batches) == (5, 0)


def test_a_part_that_passed_is_no_loss() -> None:
    """The rest is, until a whole fetch says that nothing of it is missing: then what is more is somebody else's."""
    charged = billed(answers(3))
    part = passed(answers(3)[:1], outcome="cancelled")
    found = against([made({OPUS: 3}), part], charged)
    assert told(found) == {"batches_past": cost(charged[1:])}
    whole = msgspec.structs.replace(part, outcome="ok")
    assert told(against([made({OPUS: 3}), whole], charged, owners=NOBODY)) == {"bypass": cost(charged[1:])}


def other_day() -> list[Charge]:
    """On a day on which the batch cannot have been processed."""
    return billed(answers(3, day=16))


def day_before() -> list[Charge]:
    """Before it was made."""
    return billed(answers(3, day=12))


def other_model() -> list[Charge]:
    """A model that it does not name."""
    return billed(answers(3, model=SONNET))


def other_workspace() -> list[Charge]:
    """A workspace in which it was not made."""
    return billed(answers(3, workspace="wrkspc_2"))


def live() -> list[Charge]:
    """At the price of live requests."""
    return billed([msgspec.structs.replace(ask, tier="standard") for ask in answers(3)])


@pytest.mark.parametrize("other", [other_day, day_before, other_model, other_workspace, live])
def test_what_is_not_of_a_batch_stays_a_bypass(other: Callable[[], list[Charge]]) -> None:
    """With the amount of each, beside a batch whose results did not pass."""
    charged, more = billed(answers(3)), other()
    found = against([made({OPUS: 3})], [*charged, *more], owners=NOBODY)
    assert told(found) == {"batches_past": cost(charged), "bypass": cost(more)}


def test_a_batch_that_nobody_made_here_is_a_bypass() -> None:
    """Of a known key, and of one that the ledger never saw."""
    for key in (None, STRANGER):
        charged = billed(answers(3), key)
        assert told(against([], charged, owners=NOBODY)) == {"bypass": cost(charged)}


def test_a_key_that_does_other_things_past_the_planner_has_its_own_batches() -> None:
    """It is told apart where another key has batches there, and not where it is alone with them."""
    elsewhere = billed([msgspec.structs.replace(ask, model=HAIKU, tier="standard") for ask in answers(2)], STRANGER)
    theirs, mine = billed(answers(3), STRANGER), billed(answers(2))
    found = against([made({OPUS: 5})], [*elsewhere, *theirs, *mine], owners=NOBODY)
    assert told(found) == {"bypass": cost([*elsewhere, *theirs]), "batches_past": cost(mine)}
    alone = against([made({OPUS: 5})], [*elsewhere, *theirs], owners=NOBODY)
    assert told(alone) == {"bypass": cost(elsewhere), "batches_past": cost(theirs)}


def test_a_declared_key_has_its_own_batches() -> None:
    """Another principal's surplus at batch price is not theirs; it is what it was before."""
    theirs = billed(answers(3), KEYS["team-b"])
    found = against([made({OPUS: 3})], theirs)
    assert told(found) == {"lost_entries": cost(theirs)}


def test_no_request_explains_more_than_one_can_use() -> None:
    """A billion tokens are no request's."""
    huge = [msgspec.structs.replace(answers(1)[0], input=3 * MOST_TOKENS, output=0)]
    found = told(against([made({OPUS: 1})], billed(huge), owners=NOBODY))
    assert set(found) == {"batches_past", "bypass"}
    assert found["bypass"] == 2 * found["batches_past"] == cost(billed(huge)) * 2 // 3


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"outcome": "unknown", "cost_nano": None, "tokens": None, "lines": ()}, "lost_entries"),
        ({"unpriced": "unknown-model", "cost_nano": None, "tokens": None, "lines": ()}, "unpriced"),
    ],
)
def test_results_that_passed_without_their_cost(changes: dict[str, Any], cause: str) -> None:
    """They went through the planner, so it is not said that they went past it."""
    charged = billed(answers(3))
    assert told(against([made({OPUS: 3}), passed(answers(3), **changes)], charged, owners=NOBODY)) == {
        cause: cost(charged)
    }


# ------------------------------------------------------------ fetched later


@pytest.mark.parametrize("day", [14.2, 15.4, 25.0])
@pytest.mark.parametrize("owners", [OWNERS, NOBODY])
def test_results_that_are_fetched_later(day: float, owners: dict[str, str]) -> None:
    """The next day and weeks later, also on a day of which the reports have nothing: it adds up to nothing."""
    found = against([made({OPUS: 3}), passed(answers(3), day=day)], billed(answers(3)), owners=owners)
    assert told(found) == {}
    moved = {row.day: sum(row.explained.values()) for row in found.rows if row.explained}
    assert sum(moved.values()) == 0
    assert sorted(moved) == ["2026-11-14", f"2026-11-{1 + int(day)}"]


def test_a_later_fetch_does_not_hide_a_batch_past_the_planner() -> None:
    """On the day of the fetch another batch is billed that never passed: neither covers the other."""
    first, other = billed(answers(3)), billed(answers(2, day=17))
    entries = [made({OPUS: 3}), passed(answers(3), day=17.8), made({OPUS: 2}, day=17, batch="c" * 16)]
    found = against(entries, [*first, *other])
    assert told(found) == {"batches_past": cost(other)}


def test_nightly_batches_that_are_fetched_the_morning_after() -> None:
    """Each day has the bill of one and the fetch of another, which cover each other: both are moved."""
    entries, charged = [], []
    for day in range(12, 16):
        asked = answers(day - 10, day=day)
        entries += [made({OPUS: len(asked)}, day=day, batch=f"{day:016x}")]
        entries += [passed(asked, day=day + 1.3, batch=f"{day:016x}")]
        charged += billed(asked)
    assert told(against(entries, charged)) == {}
    past = billed(answers(1, day=14))
    assert told(against([*entries, made({OPUS: 1}, day=14)], [*charged, *past])) == {"batches_past": cost(past)}


def test_a_batch_that_was_billed_on_the_day_of_its_fetch_is_moved_nowhere() -> None:
    """It is where it belongs; and none is billed after its fetch."""
    next_day = [msgspec.structs.replace(ask, at=ask.at.replace(day=15, hour=3)) for ask in answers(3)]
    found = against([made({OPUS: 3}), passed(answers(3), day=14.5)], billed(next_day))
    assert [row.explained for row in found.rows if row.explained] == []
    mixed = [made({OPUS: 2, SONNET: 2}), passed([*answers(2), *answers(2, model=SONNET)])]
    after = billed(next_day)
    found = against(mixed, after, owners=NOBODY)
    assert told(found) == {"bypass": cost(after), "missing_day": -(mixed[1].cost_nano or 0)}


def test_which_of_two_days_a_batch_was_billed_on_does_not_matter() -> None:
    """Beside another one that never passed, on the day of making: the sum is theirs, whatever stands in which row."""
    next_day = [msgspec.structs.replace(ask, at=ask.at.replace(day=15, hour=3)) for ask in answers(3)]
    entries = [made({OPUS: 3}), passed(answers(3), day=14.5), made({OPUS: 2}, batch="c" * 16)]
    past = billed(answers(2))
    assert told(against(entries, [*past, *billed(next_day)])) == {"batches_past": cost(past)}


def test_what_the_bill_does_not_have_stays_unexplained() -> None:
    """Results of which the day of the batch has nothing; only another month is not looked into."""
    entries = [made({OPUS: 3}), passed(answers(3), day=20.0)]
    nano = entries[1].cost_nano
    assert told(against(entries, [])) == {"missing_day": -(nano or 0)}
    beside = billed(answers(1, day=20, model=HAIKU, workspace="wrkspc_2"), STRANGER)
    assert told(against(entries, beside)) == {"bypass": cost(beside), "unexplained": nano}


def test_results_of_the_month_before() -> None:
    """Made on its last day and fetched on the second: the bill of the other month has them, or that of the first."""
    entries = [made({OPUS: 3}, day=-1), passed(answers(3, day=-1), day=1.5)]
    assert told(against(entries, [])) == {"other_day": -(entries[1].cost_nano or 0)}
    after = [msgspec.structs.replace(ask, at=ask.at.replace(month=11, day=1, hour=3)) for ask in answers(3, day=-1)]
    assert told(against(entries, billed(after))) == {}


def test_results_of_the_next_month() -> None:
    """Fetched there, or after the moment that the reports know of: the bill of this month has them all the same."""
    entries = [made({OPUS: 3}, day=29), passed(answers(3, day=29), day=31.5)]
    charged = billed(answers(3, day=29))
    found = against(entries, charged)
    assert told(found) == {"other_day": cost(charged)}
    assert found.missing_results == 0
    early = against(
        [made({OPUS: 3}), passed(answers(3), day=25.0)], billed(answers(3)), known_until=KNOWN.replace(month=11, day=20)
    )
    assert told(early) == {}
    assert {cause for row in early.rows for cause in row.explained} == {"other_day"}
    beside = billed([msgspec.structs.replace(ask, at=ask.at.replace(hour=3)) for ask in answers(2, day=25)], STRANGER)
    same_day = against(
        [made({OPUS: 3}), passed(answers(3), day=25.9)],
        [*billed(answers(3)), *beside],
        owners=NOBODY,
        known_until=KNOWN.replace(month=11, day=26, hour=12),
    )
    assert told(same_day) == {"bypass": cost(beside)}


def test_results_of_several_models() -> None:
    """The ledger has one sum without a model; the bill has rows of each that the batch names."""
    both = [*answers(2), *answers(2, model=SONNET)]
    for day in (13.9, 14.2, 20.0):
        entries = [made({OPUS: 2, SONNET: 2}), passed(both, day=day)]
        assert told(against(entries, billed(both))) == {}
    strange = billed(answers(1, model=HAIKU))
    assert told(against(entries, [*billed(both), *strange], owners=NOBODY)) == {"bypass": cost(strange)}


FATES: Final = st.sampled_from(["through", "later", "much later", "next month", "past", "half"])


@given(st.lists(st.tuples(st.integers(0, 29), FATES, st.sampled_from([OPUS, SONNET])), max_size=6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_whatever_becomes_of_batches_each_amount_is_found(batches: list[tuple[int, str, str]], declared: bool) -> None:  # noqa: FBT001 - drawn
    """Made and fetched on any days: what went past, and what the next month has, to the nano-dollar."""
    entries, charged, wanted = [], [], {"batches_past": 0, "other_day": 0}
    for place, (day, fate, model) in enumerate(batches):
        asked, batch = answers(2, day=day, model=model), f"{place:016x}"
        entries.append(made({model: 2}, day=day, batch=batch))
        charged += billed(asked)
        fetched = {"through": 0.9, "half": 0.9, "later": 1.3, "much later": 7.3, "next month": 31.0}.get(fate)
        if fate == "half":
            entries.append(passed(asked[:1], day=day + 0.9, batch=batch, outcome="cancelled"))
            wanted["batches_past"] += cost(billed(asked[1:]))
        elif fetched is None:
            wanted["batches_past"] += cost(billed(asked))
        else:
            entries.append(passed(asked, day=day + fetched, batch=batch))
            wanted["other_day"] += cost(billed(asked)) if day + fetched >= 30 else 0
    found = told(against(entries, charged, owners=OWNERS if declared else NOBODY))
    assert found == {cause: nano for cause, nano in wanted.items() if nano}


def test_container_time_of_later_results_is_corrected_once() -> None:
    """The estimate is compared on the day of the bill, and its correction goes there with the entry that it amends."""
    ran = Line("code_execution", "600", "second", 8_333_333, "estimated")
    results = passed(answers(3), day=20.0)
    results = msgspec.structs.replace(
        results,
        lines=(*results.lines, ran),
        cost_nano=(results.cost_nano or 0) + ran.nano,
        code=Code(2, Seconds(0.0, 600.0, 1_800.0), "billed", 600_000, 600_000),
    )
    entries = [*ledger(asks()), made({OPUS: 3}), results]
    theirs = bill([*charges(asks()), *billed(answers(3))])
    theirs.costs[Cell("2026-11-14", "wrkspc_1", CODE)] += 9_000_000
    for wanted in (666_667, 0):
        found, own = compared(entries, theirs), read(entries, theirs)
        assert abs(found.statement.explained["container_estimate"] - wanted) <= 10
        assert found.statement.unexplained_nano == 0
        own.redate({each.request_id: (each, "2026-11-14") for batch in own.batches.made() for each in batch.passages})
        moved = moves(own, found.shares, book().prices)
        assert bool(moved) == bool(wanted)
        for entry in [each for each in entries if each.request_id in moved and each.corrects is None]:
            amended = amend(entry, (), moved[entry.request_id], book().prices, month="2026-11", made_at=KNOWN)
            entries += [] if amended is None else [amended]


# ------------------------------------------------------------ the list


def test_batches_are_named() -> None:
    """Twenty of them, the missing ones first, and how many are not."""
    entries = [made({OPUS: 2}, batch=f"{number:016x}") for number in range(23)]
    found = against([*entries, passed(answers(2), batch=f"{0:016x}")], billed(answers(2)))
    assert (len(found.batches), found.more_batches, found.missing_results) == (20, 3, 44)
    assert all(each.missing == 2 for each in found.batches)
    assert [words for words in found.notes if "22 batches" in words]


def test_those_of_which_nothing_can_pass_any_more_are_not_waited_for() -> None:
    """Results stay for 29 days."""
    assert not [words for words in against([made({OPUS: 2}, day=1)], []).notes if "can still be fetched" in words]
