"""What is decided for a group is what would be decided for each of its requests alone."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.core.agents import profile_key
from planner.core.batch.requests import plan_strictly, sort_out
from planner.core.decisions.worth import see
from planner.core.facts import Facts
from planner.core.plan import Plan
from planner.core.reasons import Reason
from planner.core.rulebook.book import RuleBook
from planner.core.wire import MessagesRequest
from tests.doubles.deciding import (
    BASIC_FETCH,
    BASIC_SEARCH,
    CLIENT_TOOL,
    CODE,
    NEW_SEARCH,
    NEWER_CODE,
    OLDEST_CODE,
    facts,
)
from tests.doubles.simulated import rules

NAMES_CALLER = {"name": "x", "input_schema": {}, "allowed_callers": ["code_execution_20250825"]}
BOUNDED = BASIC_SEARCH | {"allowed_domains": ["a.com"]}
DEFERRED = NEW_SEARCH | {"defer_loading": True}
CODES = st.lists(st.sampled_from([CODE, NEWER_CODE, OLDEST_CODE]), max_size=1)
WEB = st.lists(st.sampled_from([BASIC_SEARCH, NEW_SEARCH, BOUNDED, DEFERRED, BASIC_FETCH]), max_size=1)
CLIENT = st.lists(st.sampled_from([CLIENT_TOOL, NAMES_CALLER]), max_size=1)
MODELS = st.sampled_from(["claude-haiku-5-5", "claude-opus-5-5"])
OPTIONS: dict[str, tuple[Any, ...]] = {
    "max_tokens": (1, 100_000, 1_000_000),
    "tools": ([], [CODE, CLIENT_TOOL]),
    "system": ("a", [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]),
    "tool_choice": ({"type": "any"}, {"type": "none"}),
    "container": ("c1", {"skills": [{"skill_id": "x"}]}, 7),
    "stream": (True,),
    "speed": ("fast",),
    "inference_geo": ("us",),
    "thread": ({"type": "create"}, {"type": "continue", "previous_message_id": "m"}),
    "cache_control": ({"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}),
    "messages": ([{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}],),
}
POLICIES = """
policies:
  - {name: no, why: w, mode: enforce, match: {max_tokens: {at_least: 100000}}, then: {deny: No.}}
  - name: some
    why: w
    mode: enforce
    when: "!has_files && !cached && prompt_tokens < 260"
    then: {bundle: always, parses: [v2, nested], web: {max_uses: 3, blocked_domains: [x.com]}}
  - name: others
    why: w
    mode: enforce
    match: {prompt_tokens: {below: 300}, stream: false}
    rollout: {percent: 80, by: prefix}
    holdout: {percent: 20, by: prefix}
    then: {bundle: {act: always, by: upgrade}, tool_version: newest-compatible}
  - {name: seen, why: w, mode: shadow, match: {tools_count: {at_least: 2}}, then: {bundle: always, container: session}}
"""
LENGTH = 1_000
"""Bytes of most of the requests: what asks for lengths tells no others apart."""
SURE = {"batches.confidence": "0.3", "code.skills_preload_bills": "true"}
BOOKS = (rules(None, SURE), rules({"policies/ours.yaml": POLICIES}, SURE))


@st.composite
def batches(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Parameters of requests that have much in common: each option once beside what lacks it, and some at random."""
    tools = [*draw(CODES), *draw(WEB), *draw(CLIENT)]
    usual: dict[str, Any] = {"model": draw(MODELS), "tools": tools, "max_tokens": 1024}
    single = [{name: value} for name, values in OPTIONS.items() for value in values]
    pairs = draw(st.lists(st.tuples(st.sampled_from(single), st.sampled_from(single)), max_size=6))
    found = []
    for options in ({}, *single, *(one | other for one, other in pairs)):
        one = usual | {"messages": [{"role": "user", "content": "Add up."}], "metadata": {"user_id": ""}} | options
        padding = LENGTH - len(json.dumps(one)) + draw(st.sampled_from([0, 0, 0, 1, 400]))
        found.append(one | {"metadata": {"user_id": "w" * padding}})
    return found


def decided(plan: Plan) -> dict[str, Any]:
    """All that is done and told by a plan; what was expected in numbers is of a group's mean."""
    told = {name: getattr(plan, name) for name in plan.__struct_fields__ if name not in {"expected", "shadows"}}
    shadows = [msgspec.structs.replace(each, expected_nano=None) for each in plan.shadows]
    known = plan.conversation and msgspec.structs.replace(plan.conversation, root="")
    return told | {"shadows": shadows, "conversation": known}


@given(batches(), st.sampled_from(BOOKS), st.booleans(), st.sampled_from([None, Reason.BATCH]))
def test_alone_as_in_a_group(
    all_params: list[dict[str, Any]],
    book: RuleBook,
    proven: bool,  # noqa: FBT001 - drawn
    undecided: Reason | None,
) -> None:
    """Whatever requests hold, and whatever policies ask."""
    bodies = [json.dumps(each).encode() for each in all_params]
    items = (b'{"custom_id":"r","params":' + each + b"}" for each in bodies)
    found = sort_out(b'{"requests":[' + b",".join(items) + b"]}", book)

    def world(request: MessagesRequest) -> Facts:
        profile = profile_key(request, "key-1")
        return facts(request, batched=True, teaches=False, undecided=undecided, profile=profile)

    for group in found.groups:
        together = msgspec.structs.replace(world(group.request), prompt=group.prompt)
        plan = plan_strictly(group.request, together, book, lambda _: proven)
        for number in group.numbers:
            request = MessagesRequest.parse(bodies[number])
            lone = msgspec.structs.replace(world(request), prompt=see(request))
            assert decided(plan_strictly(request, lone, book, lambda _: proven)) == decided(plan)
