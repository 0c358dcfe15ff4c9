"""What a request cost, and what the same work would have cost without our edits, by hand."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from planner.core.conversations import ToolEdit
from planner.core.metering.usage import Extra, Metered, Modifiers, TokenClasses
from planner.core.pricing.prices import PriceBook
from planner.core.settlement import IDLE, Session, Sessions
from tests.doubles.deciding import BOOK, book, settings
from tests.doubles.settling import (
    ADDED,
    AT,
    DISCOUNTED,
    HAIKU,
    HOUR_MS,
    LIFTED,
    MINIMUM,
    MINIMUM_MS,
    OPUS,
    QUARTER,
    RAISED,
    RULES,
    TOOL_TOKENS,
    amounts,
    settled,
)


def test_nothing_edited() -> None:
    """Untouched is what it cost."""
    one = settled(runs=1)
    assert amounts(one) == {"input": 40_000_000, "output": 2_000_000, "code_execution": MINIMUM}
    assert one.cost == one.untouched == 42_000_000 + MINIMUM
    assert one.sessions == Sessions(*[Session(1_000, AT + timedelta(seconds=1))] * 2)
    assert one.hours_ms == one.untouched_hours_ms == MINIMUM_MS


def test_an_added_tool_without_a_cache() -> None:
    """Two iterations carried a thousand tokens each as plain input; without them code would have cost its minimum."""
    one = settled(runs=1, free=True, edit=ADDED, tool_cached=False)
    assert one.cost == 42_000_000
    assert one.untouched == 42_000_000 - 2 * TOOL_TOKENS * 4_000 + MINIMUM
    assert one.code is not None
    assert one.code.charge == "free"
    assert (one.hours_ms, one.untouched_hours_ms) == (0, MINIMUM_MS)


def test_what_is_known_of_an_edit_beats_what_the_rules_say() -> None:
    """A counted or learnt size prices the request without the edit; nothing known leaves the rules."""
    one = settled(runs=1, free=True, edit=ADDED, tool_cached=False, added=2_499.6)
    assert one.untouched == 42_000_000 - 2 * 2_500 * 4_000 + MINIMUM
    nothing = settled(runs=1, free=True, edit=ADDED, tool_cached=False, added=0.0)
    assert nothing.untouched == 42_000_000 + MINIMUM


def test_an_added_tool_in_a_cold_cache() -> None:
    """The first of three iterations wrote it, the two others read it; the one-hour part stands in front."""
    classes = {"input": 50, "cache_write_1h": 8_000, "cache_write_5m": 2_000, "cache_read": 20_000}
    one = settled(classes, runs=2, free=True, edit=ADDED)
    added = TOOL_TOKENS * 8_000 + 2 * TOOL_TOKENS * 200
    assert one.cost == 50 * 4_000 + 8_000 * 8_000 + 2_000 * 5_000 + 20_000 * 200
    assert one.untouched == one.cost - added + MINIMUM


def test_an_added_tool_in_a_warm_cache() -> None:
    """It was read in each of three iterations; what was written is younger than the tool."""
    classes = {"input": 50, "cache_write_5m": 300, "cache_read": 30_000}
    one = settled(classes, runs=2, free=True, edit=ADDED)
    assert one.cost is not None
    assert one.untouched == one.cost - 3 * TOOL_TOKENS * 200 + MINIMUM


def test_usage_that_lists_its_iterations() -> None:
    """Their number is taken from there, not guessed from the runs."""
    used = Metered(classes=TokenClasses(input=10_000), iterations=5)
    assert settled(used=used, runs=1, free=True, edit=ADDED, tool_cached=False).untouched == 5_000 * 4_000 + MINIMUM


def test_an_added_tool_that_the_numbers_cannot_hold() -> None:
    """A belief about the tool's size never makes a negative count."""
    one = settled({"input": 700, "cache_read": 500, "output": 1}, runs=1, free=True, edit=ADDED)
    assert one.untouched == 20_000 + MINIMUM


@pytest.mark.parametrize(
    ("edit", "tokens"),
    [
        (RAISED, BOOK.catalog.priors.upgrade_tokens.likely),
        (LIFTED, BOOK.catalog.priors.lift_tokens.likely),
        (
            ToolEdit(retypes=LIFTED.retypes, append=ADDED.append, name=ADDED.name, free=True),
            BOOK.catalog.priors.lift_tokens.likely + TOOL_TOKENS,
        ),
    ],
    ids=["raised", "lifted", "lifted and added"],
)
def test_what_an_edit_adds(edit: ToolEdit, tokens: float) -> None:
    """A raised web tool and a lifted code execution have sizes of their own; a bundle may hold both kinds."""
    one = settled({"input": 50_000}, edit=edit, tool_cached=False)
    assert one.untouched == 200_000_000 - round(tokens) * 4_000


def test_an_edit_that_crossed_a_price_tier() -> None:
    """Untouched, the whole request would have stayed below the tier."""
    used = Metered(classes=TokenClasses(input=100_500, output=10))
    one = settled(used=used, model=HAIKU, edit=ADDED, free=True, tool_cached=False)
    assert one.cost == 100_500 * 500 + 10 * 2_500
    assert one.untouched == 99_500 * 100 + 10 * 500


def test_a_threaded_request() -> None:
    """It went on in a session that had paid its minimum; without us it would have had a container of its own."""
    before = Session(10_000, AT - timedelta(seconds=30))
    one = settled(runs=1, threaded=True, sessions=Sessions(before, before))
    assert one.code is not None
    assert one.code.charge == "covered"
    assert one.cost == 42_000_000
    assert one.untouched == 42_000_000 + MINIMUM
    assert one.sessions.billed == Session(11_000, AT + timedelta(seconds=1))
    assert one.sessions.untouched == Session(1_000, AT + timedelta(seconds=1))


def test_a_threaded_request_without_code() -> None:
    """No container was saved."""
    before = Session(10_000, AT - timedelta(seconds=30))
    one = settled(threaded=True, sessions=Sessions(before, before))
    assert one.cost == one.untouched == 42_000_000
    assert one.sessions == Sessions(before, None)


def test_bundled_and_threaded() -> None:
    """One request avoids one minimum, whichever of the two edits is credited with it."""
    one = settled(runs=1, free=True, edit=ADDED, threaded=True, tool_cached=False)
    assert one.untouched == 42_000_000 - 2 * TOOL_TOKENS * 4_000 + MINIMUM


def test_a_bundled_conversation_whose_client_keeps_the_container() -> None:
    """Untouched it would have paid one minimum, not one a request: the second goes on in the session of the first."""
    first = settled(runs=1, free=True, edit=ADDED, tool_cached=False)
    assert first.sessions == Sessions(None, Session(1_000, AT + timedelta(seconds=1)))
    later = AT + timedelta(minutes=1)
    second = settled(runs=1, free=True, edit=ADDED, tool_cached=False, at=later, sessions=first.sessions)
    saved = [(each.untouched or 0) - (each.cost or 0) for each in (first, second)]
    assert saved == [MINIMUM - 2 * TOOL_TOKENS * 4_000, -2 * TOOL_TOKENS * 4_000]
    third = settled(runs=1, at=later + IDLE + timedelta(minutes=1), sessions=second.sessions)
    assert third.cost == third.untouched == 42_000_000 + MINIMUM


@pytest.mark.parametrize(
    ("known", "seconds"),
    [
        ({"measured_ms": 7_000, "likely_ms": 3_000}, 7.0),
        ({"measured_ms": 900_000}, 600.0),
        ({"likely_ms": 3_000}, 3.0),
        ({}, BOOK.catalog.priors.code_seconds.likely),
    ],
    ids=["measured", "never longer than the response", "learnt", "a prior"],
)
def test_how_long_code_ran(known: dict[str, Any], seconds: float) -> None:
    """What was measured beats what was learnt of its like, and that the catalog's prior; latency bounds them all."""
    one = settled(runs=2, elapsed_ms=600_000, **known)
    assert one.code is not None
    assert (one.code.seconds.low, one.code.seconds.likely, one.code.seconds.high) == (0.0, seconds, 600.0)
    assert one.sessions.billed is not None
    assert one.sessions.billed.used_ms == round(seconds * 1_000)


OPEN = Session(60_000, AT)
PER_REQUEST = book(settings=settings(code={"minimum_per": "request"}))


@pytest.mark.parametrize(
    ("terms", "avoided", "by"),
    [
        pytest.param({"threaded": True, "sessions": Sessions(OPEN, OPEN)}, MINIMUM, "container", id="covered"),
        pytest.param({"threaded": True}, None, None, id="nothing was open"),
        pytest.param({"sessions": Sessions(OPEN, OPEN)}, None, None, id="the caller's own doing"),
        pytest.param({"free": True, "edit": ADDED}, MINIMUM, "bundle", id="free"),
        pytest.param({"free": True, "frees": True}, None, None, id="free by the caller's own tool"),
        pytest.param({"free": True, "edit": ADDED, "threaded": True}, MINIMUM, "bundle", id="free and threaded"),
        pytest.param({"free": True, "edit": ADDED, "sessions": Sessions(None, OPEN)}, None, None, id="paid anyway"),
        pytest.param(
            {"threaded": True, "sessions": Sessions(Session(60_000, AT - 2 * IDLE), OPEN)}, None, None, id="over"
        ),
        pytest.param(
            {"threaded": True, "sessions": Sessions(OPEN, OPEN), "rules": PER_REQUEST}, None, None, id="each its own"
        ),
        pytest.param(
            {"threaded": True, "sessions": Sessions(OPEN, OPEN), "free_ms": HOUR_MS}, 0, "container", id="free hours"
        ),
        pytest.param({"threaded": True, "sessions": Sessions(OPEN, OPEN), "notional": True}, None, None, id="notional"),
    ],
)
def test_a_minimum_that_was_spared(terms: dict[str, Any], avoided: int | None, by: str | None) -> None:
    """Only where our edit spared it, and for what it would have cost; free hours make that nothing."""
    code = settled(runs=1, **terms).code
    assert code is not None
    assert code.avoided_nano == avoided
    assert by is None or code.avoided_by == by


def test_a_session_that_outlasts_its_minimum() -> None:
    """What is charged of it all the same was not avoided."""
    long = Session(MINIMUM_MS - 10_000, AT)
    one = settled(runs=1, threaded=True, sessions=Sessions(long, None), measured_ms=20_000, elapsed_ms=20_000)
    assert amounts(one)["code_execution"] > 0
    assert one.code is not None
    assert one.code.avoided_nano == MINIMUM - amounts(one)["code_execution"]


@pytest.mark.parametrize(("runs", "saved"), [(1, 1_500), (0, None)])
def test_a_start_that_nobody_waited_for(runs: int, saved: int | None) -> None:
    """It is saved where code ran."""
    code = settled(runs=runs, threaded=True, spared_start_ms=1_500).code
    assert (None if code is None else code.start_saved_ms) == saved


def test_free_use_opens_no_billed_session() -> None:
    """The first chargeable use in a container carries the minimum, however much was free before."""
    before = settled(runs=1, free=True).sessions
    assert before == Sessions(None, None)
    one = settled(runs=1, sessions=before)
    assert amounts(one)["code_execution"] == MINIMUM


def test_free_use_does_not_keep_a_session_open() -> None:
    """What counts is the last billed use."""
    before = Sessions(*[Session(1_000, AT - IDLE)] * 2)
    assert settled(runs=1, free=True, sessions=before).sessions == before
    assert "code_execution" not in amounts(settled(runs=1, sessions=before))
    lapsed = Sessions(*[Session(1_000, AT - IDLE - timedelta(milliseconds=1))] * 2)
    one = settled(runs=1, sessions=lapsed)
    assert amounts(one)["code_execution"] == MINIMUM
    assert one.sessions.billed == Session(1_000, AT + timedelta(seconds=1))


def test_free_code_of_the_callers_own_doing() -> None:
    """Where the caller's own web tool frees code, nothing of that is ours."""
    one = settled(runs=1, free=True, frees=True, edit=LIFTED, tool_cached=False)
    lift = round(BOOK.catalog.priors.lift_tokens.likely)
    assert one.untouched == 42_000_000 - 2 * lift * 4_000


def test_free_hours() -> None:
    """The line stands at list price, its credit beside it; without our edits less of the allowance was left."""
    one = settled(runs=1, free_ms=HOUR_MS)
    assert amounts(one)["allowance_credit"] == -MINIMUM
    assert one.cost == one.untouched == 42_000_000
    bundled = settled(runs=1, free=True, edit=ADDED, tool_cached=False, free_ms=HOUR_MS, untouched_free_ms=0)
    assert bundled.untouched == 34_000_000 + MINIMUM
    credited = settled(runs=1, free=True, edit=ADDED, tool_cached=False, free_ms=HOUR_MS)
    assert credited.untouched == 34_000_000


def test_preloaded_files_bill_without_a_run() -> None:
    """And they are free beside a web tool, as code is."""
    assert amounts(settled(preloaded=True))["code_execution"] == MINIMUM
    assert settled(preloaded=True, free=True).cost == 42_000_000


def test_notional_lines() -> None:
    """Traffic that is not billed by the token has its lines marked, and uses up no free hours."""
    one = settled(runs=1, notional=True)
    assert {line.basis for line in one.lines} == {"notional"}
    assert (one.hours_ms, one.untouched_hours_ms) == (0, 0)


@pytest.mark.parametrize(
    ("used", "terms", "reason"),
    [
        (Metered(classes=TokenClasses(input=1)), {"model": "claude-unheard-of"}, "unknown-model"),
        (Metered(classes=TokenClasses(input=1), modifiers=Modifiers(fast=True)), {"model": HAIKU}, "no-price-for-fast"),
        (
            Metered(
                classes=TokenClasses(), extras=(Extra("advisor_message", "claude-unheard-of", TokenClasses(input=1)),)
            ),
            {},
            "unknown-model",
        ),
    ],
    ids=["model", "modifier", "advisor"],
)
def test_unpriced_is_unknown_and_never_zero(used: Metered, terms: dict[str, Any], reason: str) -> None:
    """One thing without a price makes the whole cost unknown; the container's time is counted all the same."""
    one = settled(used=used, runs=1, **terms)
    assert (one.cost, one.untouched, one.lines, one.unpriced) == (None, None, (), reason)
    assert one.hours_ms == MINIMUM_MS


def test_tools_without_a_price() -> None:
    """So do a search, and an hour, that no row prices."""
    bare = book(prices=PriceBook(BOOK.prices.rows))
    searched = settled(used=Metered(classes=TokenClasses(input=1), web_searches=1), rules=bare)
    assert (searched.cost, searched.unpriced) == (None, "no-price-for-web-search")
    ran = settled(runs=1, rules=bare)
    assert (ran.cost, ran.untouched, ran.unpriced) == (None, None, "no-price-for-code-execution")
    freed = settled(runs=1, rules=bare, free=True, edit=ADDED)
    assert (freed.cost, freed.untouched, freed.unpriced) == (42_000_000, None, None)


def test_contracted_and_list_prices_are_both_kept() -> None:
    """Cost and untouched cost are what is paid, the sum at list price stands beside them."""
    one = settled(runs=1, rules=DISCOUNTED)
    assert amounts(one) == {"input": 30_000_000, "output": 1_500_000, "code_execution": 3_125_000}
    assert one.cost == one.untouched == 34_625_000
    assert one.listed == 42_000_000 + MINIMUM
    edited = settled(runs=1, rules=DISCOUNTED, free=True, edit=ADDED, tool_cached=False)
    assert edited.untouched == 31_500_000 - 2 * TOOL_TOKENS * 3_000 + 3_125_000
    assert settled(runs=1).listed == settled(runs=1).cost


def test_an_organization_pays_what_it_has_agreed() -> None:
    """And nobody else does."""
    ours = msgspec.structs.replace(QUARTER, organizations=("org-1",))
    rules = book(prices=PriceBook(BOOK.prices.rows, BOOK.prices.tools, (ours,)))
    paid = {name: settled(rules=rules, organization=name) for name in ("org-1", "org-2", None)}
    assert {name: one.cost for name, one in paid.items()} == {
        "org-1": 31_500_000,
        "org-2": 42_000_000,
        None: 42_000_000,
    }
    assert {one.listed for one in paid.values()} == {42_000_000}


@pytest.mark.parametrize("reading", ["summed_prompt", "iteration_prompt"])
def test_the_prompt_that_a_tier_looks_at(reading: str) -> None:
    """A setting: two iterations of 60,000 tokens are a long prompt or two short ones."""
    rules = book(settings=msgspec.structs.replace(RULES.settings, haiku55_tier_on=reading))
    each = (TokenClasses(input=60_000, output=10), TokenClasses(input=60_000, output=20))
    used = Metered(classes=TokenClasses(input=120_000, output=30), iterations=2, each=each)
    one = settled(used=used, rules=rules, model=HAIKU, free=True, edit=ADDED, tool_cached=False)
    dear = reading == "summed_prompt"
    assert one.cost == (120_000 * 500 + 30 * 2_500 if dear else 120_000 * 100 + 30 * 500)
    left = 120_000 - 2 * TOOL_TOKENS
    assert one.untouched == (left * 500 + 30 * 2_500 if dear else left * 100 + 30 * 500)


def test_an_edit_that_crossed_the_tier_of_one_iteration() -> None:
    """Untouched, that iteration would have stayed below it, and the other one has nothing to do with it."""
    rules = book(settings=msgspec.structs.replace(RULES.settings, haiku55_tier_on="iteration_prompt"))
    each = (TokenClasses(input=90_000), TokenClasses(input=100_500))
    used = Metered(classes=TokenClasses(input=190_500), iterations=2, each=each)
    one = settled(used=used, rules=rules, model=HAIKU, free=True, edit=ADDED, tool_cached=False)
    assert one.cost == 90_000 * 100 + 100_500 * 500
    assert one.untouched == (190_500 - 2 * TOOL_TOKENS) * 100


def test_an_amount_that_no_store_holds() -> None:
    """It is unknown, and says why; a request full of the largest counts at the highest price is not among them."""
    most = 10**9
    classes = TokenClasses(input=most, cache_write_5m=most, cache_write_1h=most, cache_read=most, output=most)
    extras = tuple(Extra("message", OPUS, classes) for _ in range(50))
    one = settled(used=Metered(classes=classes, extras=extras, web_searches=most))
    assert one.cost is not None
    assert one.cost < 2**63
    beyond = settled({"input": 10**15, "output": 4 * 10**14})
    assert (beyond.cost, beyond.untouched, beyond.lines, beyond.unpriced) == (None, None, (), "overflow")
