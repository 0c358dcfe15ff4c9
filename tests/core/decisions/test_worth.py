"""What a request tells of its conversation: beliefs, terms, and the edges it is near."""

from datetime import timedelta
from typing import Any

import pytest

from planner.core.allowance import Allowance
from planner.core.decisions.worth import Added, beliefs, risk, weigh
from planner.core.learning.epochs import Epoch, Warmth
from planner.core.learning.expectation import Expectation
from planner.core.plan import rule
from planner.core.reasons import Reason
from planner.core.rulebook.book import RuleBook, Settings
from planner.core.rulebook.catalog import Interval
from planner.core.rulebook.policies import Policy, Then
from tests.doubles.deciding import (
    ANSWER,
    BASIC_SEARCH,
    BOOK,
    CLIENT_TOOL,
    CODE,
    NOW,
    USER,
    ask,
    book,
    cached,
    facts,
    lease,
    settings,
)

PRIORS = BOOK.catalog.priors
ADDED = Added(Interval(1_500, 4_000, 7_000), inert=True)
UPLOAD = {"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}


def weighed(rules: RuleBook = BOOK, added: Added = ADDED, known: Any = None, **members: Any) -> Expectation:
    """What a request's conversation is expected to cost."""
    request = ask(**members)
    world = facts(request, **(known or {}))
    found = weigh(request, world, rules, rule(request, world, rules), added)
    assert found is not None
    return found


# ---------------------------------------------------------------- beliefs


def test_an_upload_wants_code() -> None:
    """Nothing else can read it."""
    high = PRIORS.code_probability.high
    assert beliefs(ask(messages=[UPLOAD]), BOOK, ADDED).code_probability == Interval(high, high, high)


def test_where_no_tool_may_be_chosen_no_code_runs() -> None:
    """Files are loaded all the same."""
    none = beliefs(ask(messages=[UPLOAD], tool_choice={"type": "none"}), BOOK, ADDED)
    assert none.code_probability == Interval(0, 0, 0)
    assert weighed(messages=[UPLOAD], tool_choice={"type": "none"}).untouched > 1_000_000


def test_client_tools_make_longer_conversations() -> None:
    """Their results are what the next request is sent for."""
    short, usual = PRIORS.turns_without_client_tools, PRIORS.turns
    assert short is not None
    assert beliefs(ask(tools=[CODE, BASIC_SEARCH]), BOOK, ADDED).requests == short.interval
    assert beliefs(ask(tools=[CODE, CLIENT_TOOL]), BOOK, ADDED).requests == usual.interval
    bash = {"type": "bash_20250124", "name": "bash"}
    assert beliefs(ask(tools=[CODE, bash]), BOOK, ADDED).requests == usual.interval


def test_only_a_tool_that_reaches_nothing_is_tried_in_vain() -> None:
    """A tool of the caller's own does its work."""
    assert beliefs(ask(), BOOK, ADDED).futile_probability > 0
    assert beliefs(ask(), BOOK, Added(ADDED.tokens)).futile_probability == 0


# ---------------------------------------------------------------- terms


def test_a_tool_is_cached_only_behind_a_breakpoint() -> None:
    """On the system prompt or a message; one on the last tool does not cover what comes behind it."""
    plain = weighed(system="Hi").planned
    on_tool = [CODE | {"cache_control": {"type": "ephemeral"}}]
    assert weighed(system="Hi", tools=on_tool).planned == pytest.approx(plain, rel=0.05)
    marked = [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]
    assert weighed(system=marked).planned < plain / 1.3
    assert weighed(system="Hi", messages=[{"role": "user", "content": marked}]).planned < plain / 1.3


def test_a_prefix_too_short_to_cache_is_not_cached() -> None:
    """Haiku 4.5 caches from 4,096 tokens on."""
    small = Added(Interval(10, 10, 10))
    for size, caches in ((4_000, False), (40_000, True)):
        plain = weighed(added=small, model="claude-haiku-4-5", system="x" * size).planned
        marked = weighed(added=small, model="claude-haiku-4-5", system=cached("x" * size)).planned
        assert (marked < plain / 1.5) == caches


def test_the_minimum_follows_its_setting() -> None:
    """A minimum a request makes the untouched side dearer."""
    strict = book(settings=settings(code={"minimum_per": "request"}))
    tools = [CODE, CLIENT_TOOL]
    assert weighed(strict, tools=tools).untouched > weighed(tools=tools).untouched


def test_idle_time_follows_its_setting() -> None:
    """Waiting that bills does too."""
    idle = book(settings=settings(code={"idle_bills": True}))
    tools = [CODE, CLIENT_TOOL]
    assert weighed(idle, tools=tools).untouched > weighed(tools=tools).untouched


def test_unthreaded_conversations_start_many_containers() -> None:
    """Where no policy threads them, each request that runs code pays its minimum."""
    silent = book(policies=BOOK.policies[:1] + BOOK.policies[2:])
    assert silent.policies[0].then.container is None
    tools = [CODE, CLIENT_TOOL]
    assert weighed(silent, tools=tools).untouched > weighed(tools=tools).untouched


def test_an_open_container_covers_what_it_has_paid_for() -> None:
    """A caller's own container: its minimum is taken to be paid, unless we know what it used."""

    def own(**known: Any) -> float:
        return weighed(known=known, container="container_1").untouched

    assert own() < own(lease=lease(used_ms=300_000))
    assert own() == own(lease=lease(container="container_2", used_ms=300_000)) == own(lease=lease(used_ms=0))
    assert own(lease=lease(used_ms=None)) == own(lease=lease(used_ms=400_000))
    assert own(lease=lease(used_ms=0, used_at=NOW - timedelta(minutes=5))) == own(lease=lease(used_ms=None))


def test_an_hour_costs_what_the_allowance_makes_it() -> None:
    """Half a chance of exceeding is half the price, and below it there is nothing to save."""

    def container(chance: float) -> float:
        found = weighed(known={"allowance": Allowance(0, 0, 1_550, chance, known=True)})
        nothing = weighed(known={"allowance": Allowance(0, 0, 1_550, 0.0, known=True)})
        return found.untouched - nothing.untouched

    assert container(1.0) > 0
    assert container(0.5) == pytest.approx(container(1.0) / 2)


def test_free_use_may_use_up_free_hours() -> None:
    """By the setting, and only while some are left."""
    counting = book(settings=settings(code={"free_use_counts": True}))
    left = {"allowance": Allowance(0, 0, 1_550, 1.0, known=True)}
    spent = {"allowance": Allowance(1_550, 1_600, 1_550, 1.0, known=True)}
    assert weighed(counting, known=left).planned > weighed(known=left).planned
    assert weighed(counting, known=spent) == weighed(known=spent)


def test_a_session_that_goes_on_covers_too() -> None:
    """Where a policy lets new conversations go on in the container of the caller's session."""
    then = Then(container="session")
    by_session = book(policies=(Policy(name="s", why="w", mode="enforce", then=then), *BOOK.policies))
    known = {"lease": lease(used_ms=0), "by_session": True}
    assert weighed(by_session, known=known).untouched < weighed(known=known).untouched


def test_files_of_the_history_follow_their_setting() -> None:
    """Unthreaded, they are loaded for each request, or once."""
    once = book(settings=settings(code={"history_uploads_bill": False}), policies=())
    each = book(policies=())
    tools = [CODE, CLIENT_TOOL]
    once_for_all, every_time = (
        weighed(rules, messages=[UPLOAD], tools=tools, tool_choice={"type": "none"}) for rules in (once, each)
    )
    assert once_for_all.untouched < every_time.untouched


def test_skills_follow_their_setting() -> None:
    """They may bill when no code runs."""
    skills: dict[str, Any] = {"container": {"skills": [{"skill_id": "xlsx"}]}, "tool_choice": {"type": "none"}}
    loading = book(settings=settings(code={"skills_preload_bills": True}))
    assert weighed(loading, **skills).untouched > weighed(**skills).untouched


def test_a_change_of_web_tools_may_keep_the_cache() -> None:
    """Then nothing is written again."""
    warm = {"epoch": Epoch(plain=Warmth(50_000, NOW - timedelta(seconds=5)))}
    breaks = weighed(known=warm, system=cached())
    keeps = weighed(known=warm, system=cached(), added=Added(ADDED.tokens, inert=True, keeps_cache=True))
    assert keeps.planned < breaks.planned / 1.5


def test_modifiers_have_their_price_or_none() -> None:
    """What is asked for is what is compared."""
    request = ask(model="claude-opus-5-5", speed="fast")
    world = facts(request)
    rulings = rule(request, world, BOOK)
    fast, usual = weigh(request, world, BOOK, rulings, ADDED), weighed(model="claude-opus-5-5")
    assert fast is not None
    assert fast.planned > 1.9 * usual.planned
    odd = ask(model="claude-haiku-5-5", speed="fast")
    assert weigh(odd, facts(odd), BOOK, rulings, ADDED) is None
    unknown = ask(model="claude-new-1")
    assert weigh(unknown, facts(unknown), BOOK, rulings, ADDED) is None


# ---------------------------------------------------------------- edges


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, None),
        ({"messages": [USER, ANSWER]}, None),
        ({"system": "x" * 85_000}, Reason.NEAR_TIER),
        ({"system": "x" * 500_000}, Reason.NEAR_CONTEXT),
        ({"max_tokens": 195_000}, Reason.NEAR_CONTEXT),
        ({"system": "x" * 85_000, "model": "claude-opus-5-5"}, None),
        ({"system": "x" * 85_000, "model": "claude-haiku-5-5-20261001"}, Reason.NEAR_TIER),
        ({"model": "claude-new-1", "system": "x" * 900_000}, None),
    ],
)
def test_edges(members: dict[str, Any], reason: Reason | None) -> None:
    """A dearer tier, by whatever name the model is called, and the window with what is to be written in it."""
    request = ask(**members)
    assert risk(request, facts(request), BOOK, ADDED.tokens) is reason


def test_the_tier_may_be_of_each_iteration() -> None:
    """Then a prompt is farther from it."""
    apart = book(settings=Settings(haiku55_tier_on="iteration_prompt"))
    request = ask(system="x" * 85_000)
    assert risk(request, facts(request), apart, ADDED.tokens) is None


def test_the_rate_limit_counts_every_iteration() -> None:
    """As many as there may be."""
    request = ask()
    for left, reason in ((100_000, None), (10_000, Reason.NEAR_RATE_LIMIT)):
        assert risk(request, facts(request, input_tokens_left=left), BOOK, ADDED.tokens) is reason
