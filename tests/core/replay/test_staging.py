"""The world that a rule book makes: its facts, its prices, and that two ways of counting agree."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.metering.usage import Modifiers, TokenClasses
from planner.core.pricing.prices import Unpriced
from planner.core.replay.bill import Price
from planner.core.replay.calls import Call, Counts, Declared, Work
from planner.core.replay.staging import nature_of, prices_of, stage
from planner.rulesource import load_rules
from tests.doubles.deciding import BOOK, NOW, book

MODELS = sorted({model.replace("*", "261101") for row in BOOK.prices.rows for model in row.models})
CODE = Declared("code_execution_20250825", direct=False, deferred=False, text=b"")


def call(model: str, work: Work, *, fast: bool = False, us: bool = False, **changes: Any) -> Call:
    """A request as it reaches the world."""
    usual = Call(
        at=NOW, organization="o", workspace="w", principal="p", conversation="c", turn=1, model=model, system=b"",
        own=(CODE,), tools=(CODE,), container=None, skills=0, fast=fast, us=us, work=work,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("code.minimum_per=request", "code_minimum_per", "request"),
        ("code.idle_bills=true", "code_idle_bills", True),
        ("code.free_use_counts=true", "code_free_use_counts", True),
        ("code.direct_web_tool_frees=false", "code_direct_web_tool_frees", False),
        ("code.deferred_web_tool_frees=true", "code_deferred_web_tool_frees", True),
        ("code.skills_preload_bills=true", "code_skills_preload_bills", True),
        ("code.history_uploads_bill=false", "code_history_uploads_bill", False),
        ("free_hours.limit=7", "free_hours_limit", 7),
        ("free_hours.used_elsewhere=3", "free_hours_used_elsewhere", 3),
        ("haiku55_tier_on=iteration_prompt", "haiku55_tier_on", "iteration_prompt"),
        ("container.after_idle=restore", "container_after_idle", "restore"),
        ("cache.web_tool_change_keeps_tools=true", "cache_web_tool_change_keeps_tools", True),
    ],
)
def test_the_world_is_as_the_settings_believe(setting: str, name: str, value: object) -> None:
    """Each of them changes one fact."""
    key, _, text = setting.partition("=")
    changed = nature_of(load_rules(None, {key: text}).required())
    assert getattr(changed, name) == value
    assert msgspec.structs.replace(changed, **{name: getattr(nature_of(BOOK), name)}) == nature_of(BOOK)


def test_sizes_and_prices_are_the_rule_books() -> None:
    """Priors of the catalog, and what tools cost."""
    nature, priors = nature_of(BOOK), BOOK.catalog.priors
    assert nature.tool_tokens["web_fetch_20260318"] == priors.tool_tokens["web_fetch_20260318"].likely
    assert nature.upgrade_tokens == priors.upgrade_tokens.likely
    assert nature.lift_tokens == priors.lift_tokens.likely
    assert nature.minimum_seconds == 300
    assert nature.hour_pico == 50_000_000_000
    assert nature.search_pico == 10_000_000_000
    assert nature.cache_minimum["claude-haiku-4-5"] == 4_096
    assert nature.futile_call_probability == 0


def test_measured_sizes_beat_priors() -> None:
    """As they do for the planner."""
    measured = load_rules(None, {"tool_tokens.web_fetch_20260318": "2140"}).required()
    assert nature_of(measured).tool_tokens["web_fetch_20260318"] == 2_140


def test_a_world_can_be_staged_with_other_facts() -> None:
    """Than those of the rule book."""
    nature = msgspec.structs.replace(nature_of(BOOK), free_hours_limit=0)
    ran = call("claude-opus-5-5", Work(prompt_tokens=1, code_runs=1, code_seconds=1))
    assert "code_execution" in (stage(BOOK, nature).call(ran).bill or {})
    assert (stage(BOOK).call(ran).bill or {})["code_execution"] == 0


def test_a_revoked_price_is_none() -> None:
    """Of a model."""
    rows = tuple(msgspec.structs.replace(row, revoked=True) for row in BOOK.prices.rows)
    revoked = book(prices=replace(BOOK.prices, rows=rows))
    assert stage(revoked).call(call("claude-opus-5-5", Work(prompt_tokens=1))).bill is None


def test_a_revoked_price_of_a_tool_is_none() -> None:
    """What was revoked by mistake's discovery holds for tools as for models."""
    good = next(row for row in BOOK.prices.tools if row.component == "code_execution")
    wrong = msgspec.structs.replace(good, pico_per_hour=1, revoked=True)
    corrected = book(prices=replace(BOOK.prices, tools=(wrong, *BOOK.prices.tools)))
    assert nature_of(corrected).hour_pico == 50_000_000_000


def test_the_minimum_of_a_cache_is_that_of_dated_names_too() -> None:
    """The catalog's patterns are globs."""
    work = Work(prompt_tokens=4_000, cached_prefix_tokens=4_000)
    for model in ("claude-opus-4-6", "claude-opus-4-6-20260205"):
        assert stage(BOOK).call(call(model, work)).first == Counts(input=4_000)


# ---------------------------------------------------------------- two that count agree


WORKS = st.builds(
    lambda prompt, cached, **rest: Work(prompt_tokens=prompt, cached_prefix_tokens=prompt * cached // 100, **rest),
    st.integers(1, 150_000),
    st.integers(0, 100),
    output_tokens=st.integers(0, 10_000),
    cache_ttl=st.sampled_from(["5m", "1h"]),
    iterations=st.integers(1, 5),
    growth_tokens=st.integers(0, 3_000),
)


@given(st.sampled_from(MODELS), WORKS, st.sampled_from(["", "fast", "us", "fast us"]), st.integers(0, 400))
def test_the_worlds_bill_is_the_price_books(model: str, work: Work, how: str, days: int) -> None:
    """Token line by token line, of every model and day, with code that has nothing in common."""
    at, fast, us = NOW - timedelta(days=days), "fast" in how, "us" in how
    found = stage(BOOK).call(call(model, work, fast=fast, us=us, at=at))
    classes = TokenClasses(**{name: getattr(found.whole, name) for name in Counts.__struct_fields__})
    lines = BOOK.prices.request_lines(model, at, classes, Modifiers(fast=fast, us=us))
    if isinstance(lines, Unpriced):
        assert found.bill is None
    else:
        assert found.bill == {line.kind: line.nano for line in lines}


@given(st.sampled_from(MODELS), st.integers(1, 60), st.integers(0, 10_000_000))
def test_hours_and_searches_agree_as_well(model: str, searches: int, milliseconds: int) -> None:
    """Beyond the free hours."""
    nature = msgspec.structs.replace(nature_of(BOOK), free_hours_limit=0)
    line = BOOK.prices.time_line("code_execution", milliseconds, NOW)
    assert not isinstance(line, Unpriced)
    assert stage(BOOK, nature).hour_cost("o", NOW, milliseconds) == (0 if line is None else line.nano)
    found = stage(BOOK).call(call(model, Work(prompt_tokens=1, web_searches=searches))).bill
    search = BOOK.prices.tool_line("web_search", searches, NOW)
    assert search is not None
    assert not isinstance(search, Unpriced)
    if found is not None:
        assert found["web_search"] == search.nano


def test_a_world_may_have_prices_that_the_rules_do_not() -> None:
    """Behind those of the rules: a model that both price costs what the rules say."""
    own = Price(models=("claude-new-7", MODELS[0]), since=None, until=None, rates=(1_000, 0, 0, 0, 0))
    richer, usual = stage(BOOK, extra=(own,)), stage(BOOK)
    work = Work(prompt_tokens=1_000)
    assert usual.call(call("claude-new-7", work)).bill is None
    assert richer.call(call("claude-new-7", work)).bill == {"input": 1_000}
    assert richer.call(call(MODELS[0], work)).bill == usual.call(call(MODELS[0], work)).bill != {"input": 1_000}
    assert len(prices_of(BOOK)) == sum(not row.revoked for row in BOOK.prices.rows)


def test_a_batch_costs_what_the_rules_say_of_batches() -> None:
    """Half, as the rows of the shipped rules have it."""
    work = Work(prompt_tokens=1_000)
    (whole,) = (stage(BOOK).call(call(MODELS[0], work)).bill or {}).values()
    (half,) = (stage(BOOK).call(call(MODELS[0], work, batch=True)).bill or {}).values()
    assert half * 2 == whole
