"""What is asked: in order of time, turn after turn, each when the answer before is there."""

from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from planner.core.wire import MessagesRequest
from planner.traffic.script import RETRY, Ask, asked, seconds_of
from planner.traffic.teams import REFUSED

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
ASKS = tuple(asked(OCTOBER, 5_000, "planner"))


def talks() -> list[list[Ask]]:
    """The conversations, each in order."""
    found: dict[str, list[Ask]] = defaultdict(list)
    for ask in ASKS:
        if ask.kind == "message":
            found[ask.conversation].append(ask)
    return list(found.values())


def test_it_is_in_order_of_time_and_makes_as_many_entries() -> None:
    """From a month's first moment to its last."""
    assert [ask.at for ask in ASKS] == sorted(ask.at for ask in ASKS)
    assert sum(ask.entries for ask in ASKS) == 5_000
    assert OCTOBER <= ASKS[0].at < ASKS[-1].at < datetime(2026, 11, 1, tzinfo=UTC)


def test_a_conversation_goes_on_when_its_answer_is_there() -> None:
    """Its turns count from 1 without a gap, its prompt never shrinks, and only the last one is the last."""
    for talk in talks():
        assert [ask.turn for ask in talk] == list(range(1, len(talk) + 1))
        assert [ask.last for ask in talk] == [False] * (len(talk) - 1) + [True]
        assert len({(ask.agent.name, ask.model) for ask in talk}) == 1
        for before, after in pairwise(talk):
            refused = sum(RETRY[status] for status in after.failures)
            passed = (after.at - before.at).total_seconds() - refused
            assert passed > seconds_of(before.work)
            assert after.work.prompt_tokens >= before.work.prompt_tokens
            assert before.fate in {"answered", "cut"}


def test_code_that_calls_a_tool_is_answered_by_the_next_request() -> None:
    """Every answer to a call follows a request that made one, and names it."""
    resumed = [(talk[place - 1], ask) for talk in talks() for place, ask in enumerate(talk) if ask.resumes]
    assert len(resumed) > 50
    for before, ask in resumed:
        assert before.awaits
        assert not ask.awaits
        assert MessagesRequest.parse(msgspec.json.encode(ask.body())).pending_calls


def test_a_body_says_what_its_work_needs() -> None:
    """Files, speed, place, a cache breakpoint, and whether somebody has spoken before."""
    for ask in ASKS[:1_500]:
        if ask.kind == "message":
            request = MessagesRequest.parse(msgspec.json.encode(ask.body()))
            assert len(request.uploads) == ask.work.files
            assert (request.speed == "fast", request.inference_geo == "us") == (ask.fast, ask.us)
            assert request.breakpoints.after_tools is (ask.work.cached_prefix_tokens > 0)
            assert request.has_assistant is (ask.turn > 1)
            assert request.stream is ask.stream


def test_what_a_policy_refuses_is_asked_whole() -> None:
    """So that it is the policy that ends it."""
    refused = [ask for ask in ASKS if ask.model == REFUSED]
    assert refused
    assert {ask.fate for ask in refused} == {"answered"}
