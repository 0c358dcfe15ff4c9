"""The world of a replay: tokens, tiers, edits and the prompt cache, every line of a bill by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from planner.core.replay.bill import Price
from planner.core.replay.calls import Call, Counts
from tests.doubles.replaying import CODE, EDITED, RAN, SEARCH, bill, call, world

# ---------------------------------------------------------------- tokens


def test_a_plain_prompt_is_input() -> None:
    """10,000 tokens at 2,000 nano-dollars, 500 of output at 10,000."""
    assert bill(call(work={"output_tokens": 500})) == {"input": 20_000_000, "output": 5_000_000}


def test_what_is_marked_is_written_first() -> None:
    """8,000 at 2,500, the rest is input; for an hour at 4,000."""
    marked: dict[str, Any] = {"cached_prefix_tokens": 8_000}
    assert bill(call(work=marked)) == {"input": 4_000_000, "cache_write_5m": 20_000_000}
    assert bill(call(work=marked | {"cache_ttl": "1h"})) == {"input": 4_000_000, "cache_write_1h": 32_000_000}


def test_later_iterations_read_what_the_first_held_and_grow() -> None:
    """Three of them: 2,000 + 3,000 + 4,000 input, 8,000 written once and read twice."""
    work = {"cached_prefix_tokens": 8_000, "iterations": 3, "growth_tokens": 1_000}
    found = world().call(call(work=work))
    assert found.first == Counts(input=2_000, cache_write_5m=8_000)
    assert found.whole == Counts(input=9_000, cache_write_5m=8_000, cache_read=16_000)
    assert found.bill == {"input": 18_000_000, "cache_write_5m": 20_000_000, "cache_read": 1_600_000}


def test_without_a_cache_every_iteration_pays_in_full() -> None:
    """Three prompts of 10,000."""
    assert bill(call(work={"iterations": 3})) == {"input": 60_000_000}


def test_prices_change_by_day() -> None:
    """Cache reads of Sonnet 5.5 became cheaper on 6 October 2026, at midnight UTC."""
    midnight = datetime(2026, 10, 6, tzinfo=UTC)
    work = {"prompt_tokens": 8_000, "cached_prefix_tokens": 8_000}
    for at, read in ((midnight - timedelta(seconds=1), 200), (midnight, 100)):
        played = world()
        played.call(call(work=work, at=at - timedelta(seconds=60)))
        assert played.call(call(work=work, at=at)).bill == {"cache_read": 8_000 * read}


def test_the_factors_multiply_tokens_alone() -> None:
    """US inference a tenth more, fast mode double, both stack; search and container time have their price."""
    work = {"output_tokens": 500, "web_searches": 1} | RAN
    usual = bill(call(work=work))
    for fast, us, factor in ((False, True, 1.1), (True, False, 2.0), (True, True, 2.2)):
        found = bill(call(work=work, fast=fast, us=us))
        assert found["input"] == round(factor * usual["input"])
        assert found["output"] == round(factor * usual["output"])
        assert found["web_search"] == usual["web_search"]
        assert found["code_execution"] == usual["code_execution"]


def test_what_has_no_price_is_unknown() -> None:
    """A model without a row, and a way of serving without a factor; never 0."""
    assert world().call(call(model="fable")).bill is None
    assert world().call(call(model="haiku", fast=True)).bill is None
    assert world().call(call(model="haiku", us=True)).bill is None
    assert world().call(call(model="haiku")).bill is not None


def test_each_line_is_rounded_once_half_to_even() -> None:
    """One token at 0.5 and at 1.5 nano-dollars is none and two; three at 0.5 are two."""
    for tokens, pico, nano in ((1, 500, 0), (1, 1_500, 2), (3, 500, 2), (1, 501, 1), (5, 500, 2)):
        prices = (Price(models=("sonnet",), since=None, until=None, rates=(pico, 0, 0, 0, 0)),)
        assert world(prices).call(call(work={"prompt_tokens": tokens})).bill == {"input": nano}


@pytest.mark.parametrize("searches", [1, 3])
def test_a_web_search_costs_a_cent(searches: int) -> None:
    """$10 a thousand."""
    assert bill(call(work={"web_searches": searches}))["web_search"] == searches * 10_000_000


# ---------------------------------------------------------------- tiers


@pytest.mark.parametrize(("tokens", "rate"), [(99_999, 100), (100_000, 100), (100_001, 500)])
def test_the_tier_is_of_the_whole_request(tokens: int, rate: int) -> None:
    """It begins strictly above its threshold, output included."""
    found = bill(call(model="haiku", work={"prompt_tokens": tokens, "output_tokens": 10}))
    assert found == {"input": tokens * rate, "output": 10 * 5 * rate}


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_iterations_are_summed_or_each_compared(over: int) -> None:
    """Two prompts that come to the threshold together, and two of which the longer one comes to it alone."""
    summed = {"prompt_tokens": 49_500, "iterations": 2, "growth_tokens": 1_000 + over}
    found = bill(call(model="haiku", work=summed))
    assert found == {"input": (100_000 + over) * (500 if over > 0 else 100)}
    assert bill(call(model="haiku", work=summed), haiku55_tier_on="iteration_prompt") == {
        "input": (100_000 + over) * 100
    }
    longest = {"prompt_tokens": 90_000, "iterations": 2, "growth_tokens": 10_000 + over}
    assert bill(call(model="haiku", work=longest), haiku55_tier_on="iteration_prompt") == {
        "input": (190_000 + over) * (500 if over > 0 else 100)
    }


def test_what_an_edit_adds_can_reach_the_tier() -> None:
    """96,000 tokens and a tool of 4,000 are at the edge; one token more is beyond it."""
    for prompt, rate in ((96_000, 100), (96_001, 500)):
        found = bill(call(model="haiku", work={"prompt_tokens": prompt}, **EDITED))
        assert found == {"input": (prompt + 4_000) * rate}


# ---------------------------------------------------------------- what an edit adds


def test_an_added_tool_is_in_every_iteration() -> None:
    """4,000 tokens three times, input or cached as what stands before the breakpoint is."""
    assert bill(call(work={"iterations": 3}, **EDITED)) == {"input": 3 * 14_000 * 2_000}
    found = world().call(call(work={"iterations": 3, "cached_prefix_tokens": 8_000}, **EDITED))
    assert found.first == Counts(input=2_000, cache_write_5m=12_000)
    assert found.whole == Counts(input=6_000, cache_write_5m=12_000, cache_read=24_000)


def test_raising_and_lifting_add_their_own_tokens() -> None:
    """400 for a web tool that stays direct, 150 for code execution; what the caller declares adds nothing."""
    lifted = msgspec.structs.replace(CODE, type="code_execution_20260120")
    raised = msgspec.structs.replace(SEARCH, type="web_search_20260209", direct=True)
    own = (CODE, SEARCH)
    for tools, added in (((CODE, SEARCH), 0), ((lifted, SEARCH), 150), ((CODE, raised), 400), ((lifted, raised), 550)):
        assert world().call(call(own=own, tools=tools)).first.prompt == 10_000 + added


def test_sizes_can_be_scaled() -> None:
    """All that edits add, by one factor."""
    assert world(tool_tokens_scale=0.5).call(call(**EDITED)).first.prompt == 12_000


def test_one_in_so_many_edited_requests_tries_the_tool_in_vain() -> None:
    """It takes one more iteration and its output; untouched requests never do."""
    played = world(futile_call_probability=0.25, futile_call_tokens=400)
    found = [played.call(call(seconds=number, **EDITED)) for number in range(8)]
    assert [each.futile for each in found] == [0, 0, 0, 1] * 2
    assert found[3].iterations == 2
    assert found[3].whole == Counts(input=28_000, output=400)
    assert found[3].bill == {"input": 28_000 * 2_000, "output": 400 * 10_000}
    plain = world(futile_call_probability=1)
    assert plain.call(call()).futile == 0


# ---------------------------------------------------------------- the prompt cache

MARKED: dict[str, Any] = {"cached_prefix_tokens": 8_000}


def reads(*calls: Call, **facts: Any) -> list[int]:
    """The tokens that each first iteration reads."""
    played = world(**facts)
    return [played.call(each).first.cache_read for each in calls]


def test_a_conversation_reads_what_it_wrote() -> None:
    """And writes what came since."""
    played = world()
    played.call(call(work=MARKED))
    found = played.call(call(60, turn=2, work={"prompt_tokens": 12_000, "cached_prefix_tokens": 9_500}))
    assert found.first == Counts(input=2_500, cache_write_5m=1_500, cache_read=8_000)


def test_a_shared_prefix_is_read_by_another_conversation() -> None:
    """What a conversation's own history has more is its own."""
    later = call(10, turn=2, work={"prompt_tokens": 12_000, "cached_prefix_tokens": 9_500})
    other = call(20, conversation="d", work={"prompt_tokens": 12_000, "cached_prefix_tokens": 9_500})
    assert reads(call(work=MARKED), later, other) == [0, 8_000, 8_000]


@pytest.mark.parametrize(
    "changes",
    [
        {"organization": "another"},
        {"workspace": "another"},
        {"model": "haiku"},
        {"system": b"another"},
        {"tools": (CODE, SEARCH)},
        EDITED,
    ],
)
def test_another_prefix_shares_nothing(changes: dict[str, Any]) -> None:
    """Scope, model, tools and system are what a cache is kept by, an edit of tools included."""
    assert reads(call(work=MARKED), call(10, work=MARKED, **changes)) == [0, 0]


def test_a_principal_of_the_same_workspace_shares_the_cache() -> None:
    """Caches live in a scope."""
    other = call(10, work=MARKED, principal="q", conversation="d")
    assert reads(call(work=MARKED), other) == [0, 8_000]


@pytest.mark.parametrize(("ttl", "lives"), [("5m", 300), ("1h", 3_600)])
def test_a_cache_expires(ttl: str, lives: int) -> None:
    """Five minutes or an hour after its last use, which renews it."""
    work = MARKED | {"cache_ttl": ttl}
    for conversation in ("c", "d"):
        times = (0, lives - 1, 2 * lives - 2, 3 * lives - 2)
        calls = [call(at, work=work, conversation=conversation if at else "c", turn=1) for at in times]
        assert reads(*calls) == [0, 8_000, 8_000, 0]


@pytest.mark.parametrize(("tokens", "held"), [(511, 0), (512, 512)])
def test_a_prefix_below_the_models_minimum_is_not_cached(tokens: int, held: int) -> None:
    """Then all of it is input."""
    found = world(cache_minimum={"sonnet": 512}).call(call(work={"cached_prefix_tokens": tokens}))
    assert found.first == Counts(input=10_000 - held, cache_write_5m=held)


def test_an_added_tool_can_make_a_prefix_long_enough() -> None:
    """It stands in front of the breakpoint."""
    found = world(cache_minimum={"sonnet": 4_096}).call(call(work={"cached_prefix_tokens": 100}, **EDITED))
    assert found.first == Counts(input=9_900, cache_write_5m=4_100)


def test_a_cache_may_survive_a_change_of_web_tools() -> None:
    """A fact that nobody has published."""
    calls = call(work=MARKED), call(10, work=MARKED, **EDITED)
    assert reads(*calls) == [0, 0]
    assert reads(*calls, cache_web_tool_change_keeps_tools=True) == [0, 8_000]
