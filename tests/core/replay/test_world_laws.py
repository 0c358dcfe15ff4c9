"""The world of a replay: its facts can be changed by name, and what holds of every bill."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.replay.calls import Call, Work
from planner.core.replay.nature import Nature, altered, world_keys
from tests.doubles.replaying import CODE, FETCH, NATURE, NOW, bill, call, world

# ---------------------------------------------------------------- other facts


def test_facts_are_changed_by_their_names() -> None:
    """As `--world` takes them, dots for underscores."""
    found = altered(NATURE, {"code.minimum_per": "request", "free_hours.limit": "3.5", "tool_tokens.scale": "2"})
    assert (found.code_minimum_per, found.free_hours_limit, found.tool_tokens_scale) == ("request", 3.5, 2)
    sized = altered(NATURE, {"tool_tokens.web_fetch_20260318": "1"})
    assert sized.tool_tokens == NATURE.tool_tokens | {"web_fetch_20260318": 1}
    assert altered(NATURE, {}) == NATURE


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"code.speed": "1"}, "code.speed"),
        ({"cache.minimum": "1"}, "cache.minimum"),
        ({"tool_tokens": "1"}, "tool.tokens"),
        ({"code.minimum_per": "week"}, "week"),
        ({"code.idle_bills": "perhaps"}, "code.idle.bills"),
        ({"tool_tokens.web_fetch_20260318": "many"}, "many"),
    ],
)
def test_an_unknown_fact_is_refused(changes: dict[str, str], told: str) -> None:
    """With its name or its value; a name that is wrong with all that there are."""
    with pytest.raises(ValueError, match=r"world|number") as refused:
        altered(NATURE, changes)
    assert told in str(refused.value).replace("_", ".")
    if "has no fact" in str(refused.value):
        assert all(key in str(refused.value) for key in world_keys())


@pytest.mark.parametrize("key", [key for key in world_keys() if "<" not in key])
def test_every_key_that_is_told_is_taken(key: str) -> None:
    """Each changes the fact that it names, and no other."""
    tried = ("request", "iteration_prompt", "restore", "true", "7", "0.5", "false")
    changed = set()
    for value in tried:
        try:
            found = altered(NATURE, {key: value})
        except ValueError:
            continue
        changed |= {name for name in Nature.__struct_fields__ if getattr(found, name) != getattr(NATURE, name)}
    assert changed == {key.replace(".", "_")}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tool_tokens.web_fetch_20260318", "nan"),
        ("tool_tokens.web_fetch_20260318", "inf"),
        ("tool_tokens.web_fetch_20260318", "-5"),
        ("tool_tokens.scale", "nan"),
        ("free_hours.limit", "nan"),
        ("minimum_seconds", "-5"),
    ],
)
def test_a_fact_is_a_number_that_can_be(key: str, value: str) -> None:
    """What is no size ends in a sentence, not in the middle of a replay."""
    with pytest.raises(ValueError, match=key):
        altered(NATURE, {key: value})


# ---------------------------------------------------------------- laws

WORKS = st.builds(
    Work,
    prompt_tokens=st.integers(1, 150_000),
    output_tokens=st.integers(0, 5_000),
    cache_ttl=st.sampled_from(["5m", "1h"]),
    iterations=st.integers(1, 6),
    growth_tokens=st.integers(0, 5_000),
    code_runs=st.integers(0, 3),
    code_seconds=st.floats(0, 900),
    files=st.integers(0, 2),
    web_searches=st.integers(0, 3),
).flatmap(
    lambda work: st.integers(0, work.prompt_tokens).map(
        lambda cached: msgspec.structs.replace(work, cached_prefix_tokens=cached)
    )
)
NATURES = st.fixed_dictionaries(
    {},
    optional={
        "code_minimum_per": st.sampled_from(["session", "request"]),
        "code_idle_bills": st.booleans(),
        "code_free_use_counts": st.booleans(),
        "container_after_idle": st.sampled_from(["refuse", "restore"]),
        "free_hours_limit": st.floats(0, 2),
        "free_hours_used_elsewhere": st.floats(0, 2),
        "haiku55_tier_on": st.sampled_from(["summed_prompt", "iteration_prompt"]),
        "futile_call_probability": st.floats(0, 1),
    },
)
CALLS = st.lists(
    st.builds(
        call,
        seconds=st.integers(0, 20_000),
        organization=st.sampled_from(["o", "n"]),
        conversation=st.sampled_from(["c", "d"]),
        turn=st.integers(1, 3),
        model=st.sampled_from(["sonnet", "haiku"]),
        container=st.sampled_from([None, "container_1", "container_2"]),
        own=st.just((CODE,)),
        tools=st.sampled_from([(CODE,), (CODE, FETCH)]),
        work=WORKS.map(msgspec.structs.asdict),
    ),
    max_size=12,
).map(lambda calls: sorted(calls, key=lambda each: each.at))


def paid(calls: list[Call], facts: dict[str, Any]) -> list[dict[str, int]]:
    """The bills of calls in one world."""
    here = world(**facts)
    return [here.call(each).bill or {} for each in calls]


@given(CALLS, NATURES)
def test_no_line_is_negative_and_tokens_are_conserved(calls: list[Call], facts: dict[str, Any]) -> None:
    """What is billed is what was prompted, in classes that share no token."""
    here = world(**facts)
    for each in calls:
        found = here.call(each)
        assert found.bill is not None
        assert all(nano >= 0 for nano in found.bill.values())
        assert found.billed_ms >= 0
        work, added = each.work, 4_000 if len(each.tools) > 1 else 0
        assert found.first.prompt == work.prompt_tokens + added
        grown = sum(number * work.growth_tokens for number in range(found.iterations))
        assert found.whole.prompt == found.iterations * (work.prompt_tokens + added) + grown


@given(CALLS, NATURES)
def test_the_same_calls_make_the_same_bills(calls: list[Call], facts: dict[str, Any]) -> None:
    """There is no chance in the world."""
    assert paid(calls, facts) == paid(calls, facts)


@given(CALLS, NATURES)
def test_organizations_do_not_know_of_each_other(calls: list[Call], facts: dict[str, Any]) -> None:
    """One played alone pays what it pays beside another, where no futile call is counted over both."""
    facts = facts | {"futile_call_probability": 0.0}
    together = paid([msgspec.structs.replace(each, container=None) for each in calls], facts)
    for name in ("o", "n"):
        alone = [msgspec.structs.replace(each, container=None) for each in calls if each.organization == name]
        expected = [found for each, found in zip(calls, together, strict=True) if each.organization == name]
        assert paid(alone, facts) == expected


@given(
    WORKS, NATURES, st.sampled_from(["prompt_tokens", "output_tokens", "growth_tokens", "web_searches", "iterations"])
)
def test_more_work_never_costs_less(work: Work, facts: dict[str, Any], name: str) -> None:
    """Of one request by itself."""
    more = msgspec.structs.replace(work, **{name: getattr(work, name) + 1})
    less, greater = (sum(bill(call(work=msgspec.structs.asdict(each)), **facts).values()) for each in (work, more))
    assert greater >= less


@given(WORKS, NATURES, st.floats(0, 500))
def test_more_seconds_never_cost_less(work: Work, facts: dict[str, Any], more: float) -> None:
    """Nor does a run."""
    longer = msgspec.structs.replace(work, code_runs=work.code_runs + 1, code_seconds=work.code_seconds + more)
    less, greater = (sum(bill(call(work=msgspec.structs.asdict(each)), **facts).values()) for each in (work, longer))
    assert greater >= less


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=20), st.floats(0, 50), st.floats(0, 50))
def test_hours_cost_the_same_however_they_are_split(parts: list[int], limit: float, elsewhere: float) -> None:
    """At one moment, within half a nano-dollar a part."""
    together, apart = (world(free_hours_limit=limit, free_hours_used_elsewhere=elsewhere) for _ in range(2))
    whole = together.hour_cost("o", NOW, sum(parts))
    assert abs(whole - sum(apart.hour_cost("o", NOW, part) for part in parts)) <= len(parts)
