"""Batches whose requests are planned: what goes out, what the results cost, and what is told and remembered of it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest

from planner.core.ledger.entry import Entry
from planner.core.reasons import Outcome, Reason
from tests.agreement.mix import CODE, HAIKU, HEADERS
from tests.agreement.test_batches import sums
from tests.doubles.client import connected, request
from tests.doubles.proxy import run
from tests.doubles.simulated import Heard, Simulated, rules, simulated

Work = Callable[[Simulated, anthropic.AsyncAnthropic], Awaitable[None]]
KEY = HEADERS["x-api-key"]
FIELDS = ((b"x-api-key", KEY.encode()), (b"anthropic-version", b"2023-06-01"), (b"content-type", b"application/json"))
SURE = {"batches.confidence": "0.5", "decision.confidence": "0.5"}
ENFORCED = SURE | {"batches.edits": "enforce"}
DENIED = """
policies:
  - {name: no, why: A test., mode: enforce, match: {max_tokens: {at_least: 5000}}, then: {deny: Ask finance first.}}
"""
ALWAYS = """
policies:
  - {name: a, why: A test., mode: enforce, match: {max_tokens: {at_least: 4000}}, then: {bundle: always}}
"""
BOUNDED = """
policies:
  - {name: w, why: A test., mode: enforce, then: {web: {max_uses: 3}}}
"""
BUDGET = """
budgets:
  - {name: s, why: A test., mode: enforce, for: {principal: ["*"]}, each: true, usd: "0.000001", per: month, hard: true}
"""


def through(
    directory: Path, work: Work, settings: dict[str, str] | None = None, files: dict[str, str] | None = None
) -> None:
    """Run work with the SDK through a planner whose address the batches name for their results."""

    async def main() -> None:
        book = rules(files, {"free_hours.limit": "0"} | (settings or {}))
        async with simulated(directory, book=book, simulator={"settings": {"free_hours.limit": 0}}) as planner:
            planner.simulator.state.base_url = planner.address
            async with anthropic.AsyncAnthropic(base_url=planner.address, api_key=KEY, max_retries=0) as client:
                await work(planner, client)

    run(main())


def asked(words: str, **fields: Any) -> Any:
    """The parameters of one request that may run code."""
    said = [{"role": "user", "content": words}]
    return {"model": HAIKU, "max_tokens": 4096, "system": "Count.", "tools": [CODE], "messages": said} | fields


def items(*params: Any) -> Any:
    """The requests of a batch."""
    return [{"custom_id": f"r{number}", "params": each} for number, each in enumerate(params)]


async def live(planner: Simulated, client: anthropic.AsyncAnthropic, words: str = "[short] live") -> Any:
    """Two live requests, after which the scope is known and the API has taken the edit of the second one."""
    await client.messages.create(**asked("Hello."))
    answer = await client.messages.create(**asked(words))
    planner.advance(1)
    return answer


def made(planner: Simulated) -> list[Heard]:
    """The batches as they came out of the planner."""
    return [each for each in planner.simulator.heard if (each.method, each.path) == ("POST", "/v1/messages/batches")]


def tools_of(heard: Heard) -> list[list[str]]:
    """The types of the tools of each request of a batch."""
    return [[tool["type"] for tool in item["params"].get("tools", ())] for item in heard.json()["requests"]]


async def making(planner: Simulated) -> Entry:
    """The ledger's entry of the last batch that was made."""
    number = 1
    while True:
        entries = await planner.entries(number)
        found = [each for each in entries if (each.endpoint, each.method) == ("batches", "POST")]
        if found:
            return found[-1]
        number = len(entries) + 1


def kinds(entry: Entry) -> list[tuple[int, str, str | None]]:
    """How many requests of a batch were decided how on the bundle, and why."""
    assert entry.batch is not None
    assert entry.batch.made is not None
    found = []
    for kind in entry.batch.made.kinds:
        bundle = next(each for each in kind.decisions if each.action == "bundle")
        found.append((kind.requests, str(bundle.outcome), None if bundle.reason is None else str(bundle.reason)))
    return sorted(found)


@pytest.mark.parametrize(("settings", "reason"), [(SURE, Reason.BATCH), (ENFORCED, Reason.UNPROVEN)])
def test_what_is_not_allowed_or_proven_is_only_shown(tmp_path: Path, settings: dict[str, str], reason: Reason) -> None:
    """Every byte goes as it came; header, ledger and metrics say what would have been done, and to how many."""

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        await client.messages.create(**asked("Hello.", tools=[]))
        body = msgspec.json.encode({"requests": items(*[asked(f"[short] {n}") for n in range(5)], asked("", tools=[]))})
        async with connected(planner.address) as own:
            answer = await own.ask(request("POST", "/v1/messages/batches", *FIELDS, body=body))
            page = await own.ask(request("GET", "/metrics", body=None))
        assert answer.status == 200
        assert answer.value(b"planner-body") == b"unchanged"
        assert f"bundle=shadow;reason={reason}" in (answer.value(b"planner-plan") or b"").decode()
        assert made(planner)[0].body == body
        entry = await making(planner)
        assert kinds(entry) == [(1, "declined", "no-code-execution"), (5, "shadow", str(reason))]
        assert entry.batch is not None
        assert len(entry.batch.id) == 16
        assert entry.expected_nano is not None
        assert entry.expected_nano.planned < entry.expected_nano.untouched
        assert b"r3" not in msgspec.json.encode(entry)
        line = f'planner_decisions_total{{action="bundle",outcome="shadow",reason="{reason}"}} 5.0'
        assert line in page.body.decode()

    through(tmp_path, work, settings)


def test_a_proven_edit_is_made_and_metered(tmp_path: Path) -> None:
    """Ledger and bill agree about a batch with edits; what it would have cost untouched has its minimums in it."""

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        await live(planner, client)
        before = len(planner.simulator.bill.charges)
        wanted = items(*[asked(f"[short] {number}") for number in range(4)], asked("Hello.", tools=[]))
        batch = await client.messages.batches.create(requests=wanted)
        (heard,) = made(planner)
        assert tools_of(heard) == [[CODE["type"].replace("20250825", "20260120"), "web_fetch_20260318"]] * 4 + [[]]
        assert kinds(await making(planner)) == [(1, "declined", "no-code-execution"), (4, "applied", None)]
        planner.advance(61)
        results = [item async for item in await client.messages.batches.results(batch.id)]
        assert {item.result.type for item in results} == {"succeeded"}
        entries = await planner.entries(5)
        (entry,) = [each for each in entries if each.endpoint == "batch_results"]
        bill = sums(line for charge in list(planner.simulator.bill.charges)[before:] for line in charge.lines)
        assert sums(entry.lines) == bill
        assert "code_execution" not in bill
        assert entry.code is not None
        assert (entry.code.charge, entry.code.hours_ms, entry.code.untouched_hours_ms) == ("free", 0, 4 * 300_000)
        assert entry.untouched_nano is not None
        assert entry.cost_nano is not None
        assert entry.untouched_nano > entry.cost_nano + 3 * 4_166_667
        assert [str(each.outcome) for each in entry.decisions][:2] == ["applied", "applied"]
        planner.advance(1)
        again = [item async for item in await client.messages.batches.results(batch.id)]
        assert len(again) == 5
        last = (await planner.entries(len(entries) + 2))[-1]
        assert (last.cost_nano, last.untouched_nano) == (0, 0)

    through(tmp_path, work, ENFORCED)


def test_an_edit_goes_on_after_the_batch(tmp_path: Path) -> None:
    """A conversation that began in a batch goes on live with its edit, and one that began live goes on in a batch."""

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        answer = await live(planner, client, "[short] first")
        turns = [
            {"role": "user", "content": "[short] first"},
            {"role": "assistant", "content": answer.content},
            {"role": "user", "content": "[short] And now?"},
        ]
        stranger = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hi."}, turns[2]]
        wanted = items(asked("", messages=turns), asked("", messages=stranger), asked("[short] batched"))
        batch = await client.messages.batches.create(requests=wanted)
        bundled, alone, begun = tools_of(made(planner)[0])
        assert bundled == begun
        assert bundled[-1] == "web_fetch_20260318"
        assert alone == [CODE["type"]]
        outcomes = kinds(await making(planner))
        assert (1, "kept", "repeated") in outcomes
        assert (1, "declined", "mid-conversation") in outcomes
        planner.advance(61)
        results = {item.custom_id: item.result async for item in await client.messages.batches.results(batch.id)}
        result = results["r2"]
        assert result.type == "succeeded"
        going_on = [
            {"role": "user", "content": "[short] batched"},
            {"role": "assistant", "content": result.message.content},
            {"role": "user", "content": "Go on."},
        ]
        await client.messages.create(**asked("", messages=going_on))
        assert [tool["type"] for tool in planner.heard[-1].json()["tools"]] == begun

    through(tmp_path, work, ENFORCED)


def test_thinking_of_a_batch_goes_on_with_the_edit_that_it_was_thought_under(tmp_path: Path) -> None:
    """Nothing but its beginning tells the conversation, since nobody has read the answer: its thinking is taken."""
    thinks = {"model": "claude-sonnet-5-5", "thinking": {"type": "adaptive"}}

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        for _ in range(2):
            await client.messages.create(**asked(f"Hello {_}.", **thinks))
        planner.advance(1)
        batch = await client.messages.batches.create(requests=items(asked("[think] batched", **thinks)))
        (edited,) = tools_of(made(planner)[0])
        assert edited[-1] == "web_fetch_20260318"
        planner.advance(61)
        (item,) = [item async for item in await client.messages.batches.results(batch.id)]
        assert item.result.type == "succeeded"
        assert "thinking" in {block.type for block in item.result.message.content}
        said = [
            {"role": "user", "content": "[think] batched"},
            {"role": "assistant", "content": item.result.message.content},
            {"role": "user", "content": "Go on."},
        ]
        await client.messages.create(**asked("", messages=said, **thinks))
        assert [tool["type"] for tool in planner.heard[-1].json()["tools"]] == edited

    through(tmp_path, work, ENFORCED, {"policies/ours.yaml": ALWAYS})


def test_bounds_go_on_in_a_batch(tmp_path: Path) -> None:
    """What a policy bounded live is bounded in a batch that goes on with it, and header and ledger say so."""
    search = {"type": "web_search_20250305", "name": "web_search"}

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        await client.messages.create(**asked("Hello."))
        answer = await client.messages.create(**asked("first", tools=[search]))
        (live,) = planner.heard[-1].json()["tools"]
        assert live["max_uses"] == 3
        planner.advance(1)
        said = [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": answer.content},
            {"role": "user", "content": "And now?"},
        ]
        body = msgspec.json.encode({"requests": items(asked("", tools=[search], messages=said))}, enc_hook=vars)
        async with connected(planner.address) as own:
            heard = await own.ask(request("POST", "/v1/messages/batches", *FIELDS, body=body))
        assert made(planner)[0].json()["requests"][0]["params"]["tools"] == [live]
        assert "web=kept;reason=repeated" in (heard.value(b"planner-plan") or b"").decode()

    through(tmp_path, work, SURE, {"policies/ours.yaml": BOUNDED})


def test_what_could_be_read_in_two_ways_is_left(tmp_path: Path) -> None:
    """One request of the batch spells a member twice: it goes as it came, byte for byte, and the others are edited."""

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        await live(planner, client)
        whole = msgspec.json.encode({"requests": items(asked("[short] one"), asked("[short] two"))})
        twice = whole.replace(b'"params":', b'"params":{},"params":', 1).replace(b'{"requests":', b'{ "requests" :\n')
        async with connected(planner.address) as own:
            answer = await own.ask(request("POST", "/v1/messages/batches", *FIELDS, body=twice))
        assert answer.status == 200
        sent = made(planner)[0].body
        at = twice.index(b'"r1"')
        assert sent[:at] == twice[:at]
        assert b"web_fetch" in sent[at:]
        assert kinds(await making(planner)) == [(1, "applied", None), (1, "declined", "edit-refused")]

    through(tmp_path, work, ENFORCED)


def test_a_policy_refuses_the_whole_batch(tmp_path: Path) -> None:
    """The answer says which request it is about, and nothing goes upstream."""

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        wanted = items(asked("Hello."), asked("Hello.", max_tokens=8000))
        with pytest.raises(anthropic.PermissionDeniedError, match=r"requests\.1: Ask finance first\."):
            await client.messages.batches.create(requests=wanted)
        assert made(planner) == []
        entry = await making(planner)
        assert (entry.outcome, entry.cost_nano, entry.batch) == ("refused", 0, None)

    through(tmp_path, work, files={"policies/ours.yaml": DENIED})


def test_a_budget_without_room_refuses_a_batch(tmp_path: Path) -> None:
    """As it refuses a request: 429, once what there was is spent."""

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        await client.messages.create(**asked("Hello."))
        with pytest.raises(anthropic.RateLimitError):
            await client.messages.batches.create(requests=items(asked("Hello."), asked("Hello.")))
        assert made(planner) == []

    through(tmp_path, work, files={"budgets.yaml": BUDGET})


def test_a_batch_may_not_have_what_is_left_as_one_request_may(tmp_path: Path) -> None:
    """Its requests fit, or it is refused whatever is left and in flight, off or not; a smaller one goes."""
    budget = BUDGET.replace("0.000001", "0.05")

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        many = items(*(asked("Hello.", max_tokens=8000) for _ in range(1000)))
        for headers in ({}, {"planner-mode": "off"}):
            with pytest.raises(anthropic.RateLimitError, match="has not enough left"):
                await client.messages.batches.create(requests=many, extra_headers=headers)
        assert made(planner) == []
        await client.messages.batches.create(requests=items(asked("Hello.")))
        assert len(made(planner)) == 1

    through(tmp_path, work, files={"budgets.yaml": budget})


def test_what_is_off_goes_as_it_came(tmp_path: Path) -> None:
    """`planner-mode: off` sends every byte as it came; the ledger knows what the batch is made of, to price it by."""

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        await live(planner, client)
        fetch = {"type": "web_fetch_20260318", "name": "web_fetch"}
        free = [{"type": "code_execution_20260120", "name": "code_execution"}, fetch]
        wanted = items(asked("[short] one"), asked("[short] two", tools=free))
        await client.messages.batches.create(requests=wanted, extra_headers={"planner-mode": "off"})
        assert tools_of(made(planner)[0]) == [[CODE["type"]], [each["type"] for each in free]]
        entry = await making(planner)
        assert {(each.outcome, each.reason) for each in entry.decisions} >= {(Outcome.DECLINED, Reason.OFF)}
        assert kinds(entry) == [(1, "declined", "off")] * 2
        assert entry.batch is not None
        assert entry.batch.made is not None
        assert {each.free for each in entry.batch.made.kinds} == {False, True}

    through(tmp_path, work, ENFORCED)


def test_what_is_off_is_refused_all_the_same(tmp_path: Path) -> None:
    """A caller's own `planner-mode` opens no `deny`."""

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        wanted = items(asked("Hello.", max_tokens=8000))
        with pytest.raises(anthropic.PermissionDeniedError, match=r"requests\.0: Ask finance first\."):
            await client.messages.batches.create(requests=wanted, extra_headers={"planner-mode": "off"})
        assert made(planner) == []

    through(tmp_path, work, files={"policies/ours.yaml": DENIED})
