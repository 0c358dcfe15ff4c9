"""Requests of a batch are sorted by likeness, decided strictly, and edited where they stand and nowhere else."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core import splice
from planner.core.batch.requests import (
    CLASSES,
    Ruled,
    edited,
    made_of,
    plan_strictly,
    proof_key,
    sort_out,
    summary,
)
from planner.core.conversations import Scope, ToolEdit, root_key
from planner.core.ledger.batched import member
from planner.core.plan import fail_open, leave
from planner.core.reasons import Action, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.splice import AppendTool, SetContainer, SpliceError
from planner.core.wire import MessagesRequest, WireError
from tests.doubles.deciding import (
    ANSWER,
    BASIC_SEARCH,
    BOOK,
    CODE,
    HERE,
    NEW_SEARCH,
    USER,
    ask,
    book,
    conversation,
    facts,
    settings,
)
from tests.doubles.simulated import rules

INERT = AppendTool(b'{"type":"web_fetch_20260318","name":"web_fetch"}')
EDIT = ToolEdit(append=INERT.raw.decode(), name="web_fetch", free=True)
SPACE = st.sampled_from(["", " ", "\n", "\t ", "\r\n  "])


def params(words: str = "Add up.", **members: Any) -> dict[str, Any]:
    """The parameters of one request."""
    usual = {"model": "claude-haiku-5-5", "max_tokens": 1024, "tools": [CODE]}
    return usual | {"messages": [{"role": "user", "content": words}]} | members


def batch(*each: Any) -> bytes:
    """A batch of requests."""
    return json.dumps({"requests": [{"custom_id": f"r{n}", "params": one} for n, one in enumerate(each)]}).encode()


def numbers(body: bytes, under: RuleBook = BOOK) -> list[list[int]]:
    """The places of the requests, group by group."""
    return [group.numbers for group in sort_out(body, under).all]


def test_what_is_alike_is_one_group() -> None:
    """What differs in its words alone; another model, other options, other tools, files and far longer words do not."""
    upload = [{"type": "container_upload", "file_id": "file_1"}]
    alike = [params("Add up."), params("Add it."), params("Add them.")]
    others = [
        params(model="claude-opus-5-5"),
        params(max_tokens=2048),
        params(tool_choice={"type": "any"}),
        params(system="Be short."),
        params(speed="fast"),
        params("word " * 400),
        params(messages=[{"role": "user", "content": upload}]),
    ]
    assert numbers(batch(*alike, *others)) == [[0, 1, 2], *([n] for n in range(3, 10))]


def test_what_runs_no_code_is_told_apart_by_its_model_alone() -> None:
    """Nothing else is decided for it, however it differs; unless a policy may refuse or tag it."""
    plain = [params(tools=[], system=f"You are number {n}.") for n in range(3)]
    other = params(tools=[], model="claude-opus-5-5")
    assert numbers(batch(*plain, other)) == [[0, 1, 2], [3]]
    denies = "policies:\n  - {name: no, why: w, mode: enforce, match: {team: [x]}, then: {deny: Stop.}}\n"
    assert numbers(batch(*plain, other), rules({"policies/ours.yaml": denies})) == [[0], [1], [2], [3]]


def test_conversations_that_go_on_stand_alone() -> None:
    """Each repeats what it began with, so none is decided for another."""
    going_on = params(messages=[USER, ANSWER, USER])
    assert numbers(batch(params(), going_on, going_on, params())) == [[0, 3], [1], [2]]


def test_a_policy_that_sees_lengths_sees_each() -> None:
    """Where a policy asks how long a prompt is, prompts of other lengths are other groups."""
    ranged = "policies:\n  - {name: p, why: w, mode: enforce, match: {prompt_tokens: {below: 40}}, then: {deny: No.}}\n"
    body = batch(params("a"), params("b"), params("ab"))
    assert numbers(body) == [[0, 1, 2]]
    assert numbers(body, rules({"policies/ours.yaml": ranged})) == [[0, 1], [2]]


@given(st.lists(st.integers(1, 4_000), min_size=1, max_size=20))
def test_lengths_in_a_group_are_near(lengths: list[int]) -> None:
    """The longest speaks for a group and bounds hold for all of it; none is much longer than another."""
    found = sort_out(batch(*[params("x" * length) for length in lengths]), BOOK)
    assert sorted(number for group in found.all for number in group.numbers) == list(range(len(lengths)))
    for group in found.all:
        longest, prompt = len(group.request.body), group.prompt
        assert group.smallest <= group.total / len(group.numbers) <= longest
        assert longest / group.smallest < 2 ** (1.01 / CLASSES)
        assert prompt.fewest <= prompt.tokens <= prompt.most


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"requests":{}}', b'{"requests":[1]}', b'{"requests":[{}]}', b"\xff"]
)
def test_what_is_no_batch(body: bytes) -> None:
    """The API will say what is wrong with it."""
    with pytest.raises(WireError):
        sort_out(body, BOOK)


def test_a_request_that_cannot_be_read_spoils_no_other() -> None:
    """It is the API's to answer it with an error of its own."""
    assert numbers(batch(params(), None, [1], params())) == [[0, 3], [1, 2]]


def test_only_what_is_proven_is_done() -> None:
    """The same request is bundled where the edit is proven, and shown where it is not."""
    request, asked = ask(), []
    strict = book(settings=settings(batches={"confidence": 0.5}))

    def proven(edit: ToolEdit) -> bool:
        asked.append(edit)
        return len(asked) == 1

    world = facts(request, batched=True, teaches=False)
    done, shown = (plan_strictly(request, world, strict, proven) for _ in range(2))
    assert done.tool_edit == asked[0] == asked[1]
    assert [each.outcome for each in done.decisions if each.action is Action.BUNDLE] == [Outcome.APPLIED]
    assert shown.edits == ()
    (bundle,) = [each for each in shown.decisions if each.action is Action.BUNDLE]
    assert (bundle.outcome, bundle.reason) == (Outcome.SHADOW, Reason.UNPROVEN)


def test_an_edit_is_repeated_without_proof() -> None:
    """Thinking is bound to the tools that it was thought under, whoever sends it."""
    request = ask(messages=[USER, ANSWER, USER])
    known = conversation(edit=EDIT)
    plan = plan_strictly(request, facts(request, batched=True, conversation=known), BOOK, lambda _: False)
    assert plan.tool_edit == EDIT


def test_a_batch_must_be_surer() -> None:
    """At the same probability a live request is bundled, and one of a batch is not."""
    request = ask()
    strict = book(settings=settings(batches={"confidence": 1.0}, decision={"confidence": 0.5}))
    live = plan_strictly(request, facts(request), strict, lambda _: True)
    batched = plan_strictly(request, facts(request, batched=True), strict, lambda _: True)
    assert live.edits
    assert (batched.edits, batched.decisions[1].reason) == ((), Reason.UNCERTAIN)


def test_a_batch_is_weighed_at_its_own_price() -> None:
    """Tokens cost half, container time does not: so the edit costs half as much and saves the same."""
    request = ask()
    live, batched = (
        plan_strictly(request, facts(request, batched=each), BOOK, lambda _: True) for each in (False, True)
    )
    assert live.expected is not None
    assert batched.expected is not None
    extra = [each.planned for each in (live.expected, batched.expected)]
    assert extra[1] == pytest.approx(extra[0] / 2, rel=0.01)
    assert batched.expected.untouched > live.expected.untouched / 2


def test_proof_is_of_one_edit_in_one_place() -> None:
    """Another workspace, model or edit has to be proven by itself."""
    wide = msgspec.structs.replace(EDIT, append=EDIT.append and EDIT.append.replace("20260318", "20260309"))
    keys = {
        proof_key(HERE, "m", EDIT),
        proof_key(Scope(HERE.organization, "other"), "m", EDIT),
        proof_key(HERE, "n", EDIT),
        proof_key(HERE, "m", wide),
    }
    assert len(keys) == 4


@given(st.data())
def test_only_what_is_edited_differs(data: st.DataObject) -> None:
    """Outside the parameters of the edited requests every byte stands; inside they are as if edited alone."""
    spaces = [data.draw(SPACE) for _ in range(6)]
    count = data.draw(st.integers(1, 6))
    bodies = [
        json.dumps(params(f'w{n} "\\ü', metadata={"user": "x"}), ensure_ascii=n % 2 == 0).encode() for n in range(count)
    ]
    chosen = data.draw(st.sets(st.integers(0, count - 1)))
    twice = data.draw(st.sets(st.integers(0, count - 1)))
    a, b, c, d, e, f = (each.encode() for each in spaces)
    parts = [
        b'{"custom_id":"'
        + str(n).encode()
        + b'",'
        + (b'"params":{},' if n in twice else b"")
        + a
        + b'"params"'
        + b
        + b":"
        + c
        for n in range(count)
    ]
    items = [part + body + d + b"}" for part, body in zip(parts, bodies, strict=True)]
    front = b"{" + e + b'"requests":['
    whole = front + (b"," + f).join(items) + b"]}"
    new, roots = edited(whole, dict.fromkeys(chosen, (INERT,)), "key-1")
    done = chosen - twice
    expected = [
        part + (splice.apply(body, (INERT,)).body if n in done else body) + d + b"}"
        for n, (part, body) in enumerate(zip(parts, bodies, strict=True))
    ]
    assert new == front + (b"," + f).join(expected) + b"]}"
    assert roots == {n: root_key(MessagesRequest.parse(bodies[n]), "key-1") for n in done}


def test_what_has_no_place_for_an_edit_is_left() -> None:
    """A container of the caller's own, or no tools at all; the rest of the batch is edited all the same."""
    body = batch(params(container="c1"), params(tools=None), params())
    new, roots = edited(body, {0: (SetContainer("c2"),), 1: (INERT,), 2: (INERT,)}, "key-1")
    assert set(roots) == {2}
    assert new.count(b"web_fetch") == 2


@pytest.mark.parametrize("body", [b'{"requests":[],"requests":[]}', b'{"x":1}', b'\xef\xbb\xbf{"requests":[]}'])
def test_a_batch_that_could_be_read_in_two_ways(body: bytes) -> None:
    """Nothing of it is edited."""
    with pytest.raises(SpliceError):
        edited(body, {}, "key-1")


def test_kinds_are_what_is_priced_alike() -> None:
    """Groups that differ in nothing that a price turns on are one kind; the largest names no members."""
    body = batch(params(), params("word " * 400), params(system="x"), params(model="claude-opus-5-5"))
    ruled = [Ruled(group, leave(Reason.BATCH)) for group in sort_out(body, BOOK).all]
    made = made_of(ruled, BOOK)
    assert [(kind.requests, kind.model) for kind in made.kinds] == [(3, "claude-haiku-5-5"), (1, "claude-opus-5-5")]
    assert [kind.members for kind in made.kinds] == ["", member("r3")]


@pytest.mark.parametrize("reason", [Reason.TIME_BUDGET, Reason.EDIT_REFUSED])
def test_what_frees_code_does_so_whatever_was_decided(reason: Reason) -> None:
    """A request that there was no time for, or that could not be edited, has its own tools, and they free its code."""
    body = batch(params(tools=[CODE, NEW_SEARCH]), params(system="x"))
    made = made_of([Ruled(group, fail_open(reason)) for group in sort_out(body, BOOK).all], BOOK)
    assert sorted((kind.free, kind.frees) for kind in made.kinds) == [(False, False), (True, True)]


def test_files_of_one_request_are_no_others() -> None:
    """What is loaded into a container bills, and is told apart where nothing is decided, too."""
    upload = [{"role": "user", "content": [{"type": "container_upload", "file_id": "file_1"}]}]
    groups = sort_out(batch(params(tools=[]), params(tools=[], messages=upload)), BOOK).all
    made = made_of([Ruled(group, leave(Reason.NO_CODE_EXECUTION)) for group in groups], BOOK)
    assert [(kind.requests, kind.preloaded) for kind in made.kinds] == [(1, False), (1, True)]


def test_budgets_tell_apart_what_bounds_the_cost() -> None:
    """Of requests for which nothing is decided as well: how long they are, and how much may be written."""
    plain = [params(tools=[], max_tokens=n) for n in (10, 10, 9_000)]
    long = params("word " * 400, tools=[])
    assert numbers(batch(*plain, long)) == [[0, 1, 2, 3]]
    budget = "budgets:\n  - {name: s, why: w, mode: enforce, for: {team: [x]}, usd: '1', per: month, hard: true}\n"
    assert numbers(batch(*plain, long), rules({"budgets.yaml": budget})) == [[0, 1], [2], [3]]


def test_what_is_not_asked_is_not_told() -> None:
    """A batch is recorded under its caller's tags, so nothing says that a policy set any."""
    tags = "policies:\n  - {name: t, why: w, mode: enforce, then: {tags: {team: x}, on_disconnect: drain}}\n"
    under = rules({"policies/ours.yaml": tags})
    (group,) = sort_out(batch(params()), under).all
    plan = plan_strictly(group.request, facts(group.request, batched=True), under, lambda _: True)
    assert {Action.TAGS, Action.ON_DISCONNECT} < {each.action for each in plan.decisions}
    (kind,) = made_of([Ruled(group, plan)], under).kinds
    assert [each.action for each in kind.decisions] == [Action.VERSION, Action.BUNDLE, Action.CONTAINER]


def test_conversations_that_go_on_do_not_blur_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them stands alone in any case, so they count for nothing where lengths are told apart."""
    monkeypatch.setattr("planner.core.batch.requests.MOST_SIZES", 2)
    ranged = "policies:\n  - {name: p, why: w, mode: enforce, match: {prompt_tokens: {below: 40}}, then: {deny: No.}}\n"
    going_on = [params(messages=[USER, ANSWER, USER])] * 3
    found = numbers(batch(params("a"), params("ab"), *going_on), rules({"policies/ours.yaml": ranged}))
    assert found == [[0], [1], [2], [3], [4]]


def test_new_bounds_in_the_middle_are_proven_too() -> None:
    """A conversation whose caller has changed its web tools is bounded anew, and no batch takes that unproven."""
    rows = "policies:\n  - {name: w, why: w, mode: enforce, then: {web: {max_uses: 3}}}\n"
    under = rules({"policies/ours.yaml": rows})
    request = ask(tools=[BASIC_SEARCH | {"max_uses": 9}], messages=[USER, ANSWER, USER])
    first = ask(tools=[BASIC_SEARCH])
    world = facts(request, batched=True)
    known = plan_strictly(first, facts(first), under, lambda _: True).conversation
    assert known is not None
    world = msgspec.structs.replace(world, conversation=known)
    done = plan_strictly(request, world, under, lambda _: True)
    left = plan_strictly(request, world, under, lambda _: False)
    assert (len(done.edits), left.edits) == (1, ())


def test_the_header_tells_what_was_done_first() -> None:
    """One edit among many requests that were left is what the caller should know; then what would be done."""
    request = ask()
    plans = [
        plan_strictly(request, facts(request), BOOK, lambda _: True),
        plan_strictly(request, facts(request), BOOK, lambda _: False),
        leave(Reason.NO_CODE_EXECUTION),
    ]
    groups = [sort_out(batch(params(n), params(n), params(n)), BOOK).all[0] for n in "abc"]
    ruled = [Ruled(group, plan) for group, plan in zip(groups, plans, strict=True)]
    for told in (0, 1, 2):
        decisions = summary(ruled[told:])
        assert [each.action for each in decisions] == [Action.VERSION, Action.BUNDLE, Action.CONTAINER]
        assert decisions[1] == plans[told].decisions[1]
