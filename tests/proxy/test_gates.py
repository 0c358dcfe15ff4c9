"""What policies say besides the bytes, through the whole proxy: refusals, tags, draining, shadows and their money."""

import asyncio
import gzip
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest

from planner.core.ledger.shape import Claims
from planner.core.reasons import Outcome
from planner.core.rulebook.book import CallerRow, Callers, RuleBook
from planner.core.rulebook.policies import BundleRule, Match, Policy, Then, WebRule
from planner.proxy.callers import fingerprint
from tests.doubles.client import request
from tests.doubles.deciding import BASIC_SEARCH, CODE, book, settings
from tests.doubles.messages import ASKED, COST_NANO, MODEL, SSE_END, SSE_HEAD, events, message
from tests.doubles.proxy import proxied, run, settled
from tests.doubles.upstream import Turn, always, answer, chunk

WORDS = "Opus is for the research team. Ask #platform."
SCOPE = ((b"anthropic-organization-id", b"org-1"), (b"anthropic-workspace-id", b"ws-1"))


def rules(mode: Any = "enforce", match: Match = Match(), when: str | None = None, **then: Any) -> RuleBook:  # noqa: B008 - frozen
    """One policy before the shipped ones."""
    first = Policy(name="first", why="w", mode=mode, match=match, when=when, then=Then(**then))
    return book(policies=(first, *book().policies))


@pytest.mark.parametrize("mode", [b"", b"observe", b"off"])
def test_a_refusal_goes_nowhere_and_says_why(tmp_path: Path, mode: bytes) -> None:
    """In Anthropic's shape, not to be tried again, entered at no cost; whatever mode the caller asks for."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message())), rules=rules(deny=WORDS)) as proxy:
            async with proxy.client() as client:
                got = await client.ask(request("POST", "/v1/messages", (b"planner-mode", mode), body=ASKED))
            told = msgspec.json.decode(got.body)
            assert (got.status, told["error"]["type"]) == (403, "permission_error")
            assert told["error"]["message"] == f"planner: {WORDS}"
            assert got.value(b"x-should-retry") == b"false"
            assert got.value(b"planner-body") == b"unchanged"
            left = 'version=kept;reason=policy;policy="first", bundle=declined;reason=policy;policy="first"'
            plan = f'{left}, container=none;reason=policy;policy="first"'
            assert got.value(b"planner-plan") == plan.encode()
            entry = await proxy.entry()
            assert (entry.outcome, entry.status, entry.attempts, entry.cost_nano) == ("refused", 403, 0, 0)
            assert entry.decisions[-1].action == "deny"
            assert proxy.upstream.requests == []
            counted = await proxy.metrics()
            assert counted['planner_decisions_total{action="deny",outcome="applied",reason="policy"}'] == 1
            assert not [series for series, count in counted.items() if series.startswith("planner_unpriced") and count]

    run(scenario())


def test_the_official_client_takes_it_for_a_refusal(tmp_path: Path) -> None:
    """It raises its own error at once and does not try again."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message())), rules=rules(deny=WORDS)) as proxy:
            async with anthropic.AsyncAnthropic(base_url=proxy.address, api_key="sk-test") as client:
                with pytest.raises(anthropic.PermissionDeniedError, match="research team"):
                    await client.messages.create(
                        model=MODEL, max_tokens=9, messages=[{"role": "user", "content": "hello"}]
                    )
            assert len(await proxy.entries()) == 1

    run(scenario())


def test_a_process_that_observes_refuses_nothing(tmp_path: Path) -> None:
    """It says what it would have done."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message())), rules=rules(deny=WORDS), observe=True) as proxy:
            async with proxy.client() as client:
                assert (await client.ask(request(body=ASKED))).status == 200
            entry = await proxy.entry()
            assert (entry.decisions[-1].action, entry.decisions[-1].outcome) == ("deny", Outcome.SHADOW)

    run(scenario())


def test_what_cannot_be_read_is_forwarded(tmp_path: Path) -> None:
    """A refusal is no fire wall: encoded and unreadable bodies go to the API, which judges them; and other paths."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message())), rules=rules(deny=WORDS)) as proxy:
            async with proxy.client() as client:
                squeezed = (b"content-encoding", b"gzip")
                await client.ask(request("POST", "/v1/messages", squeezed, body=gzip.compress(ASKED)))
                await client.ask(request("POST", "/v1/messages", body=b"{"))
                await client.ask(request("POST", "/v1/messages/count_tokens", body=ASKED))
            assert len(proxy.upstream.requests) == 3

    run(scenario())


def test_tags_of_policies_beat_the_clients_and_callers_beat_both(tmp_path: Path) -> None:
    """Of a request that runs no code, too; the request itself stays as it came."""
    key = b"sk-known"
    row = CallerRow(name="known", keys=(fingerprint(key),), team="finance")
    base = rules(tags={"team": "search", "project": "beta", "feature": "reports"})
    named = RuleBook(
        **{name: getattr(base, name) for name in ("prices", "catalog", "policies", "settings")}, callers=Callers((row,))
    )

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message())), rules=named) as proxy:
            async with proxy.client() as client:
                sent = (b"planner-tags", b"team=mine,agent=a1")
                for each in (key, b"sk-stranger"):
                    got = await client.ask(request("POST", "/v1/messages", (b"x-api-key", each), sent, body=ASKED))
                    assert got.value(b"planner-body") == b"unchanged"
            one, two = await proxy.entries(2)
            assert (one.principal, one.team, one.project) == ("known", "finance", "beta")
            assert (two.team, two.project) == ("search", "beta")
            tags = {"agent": "a1", "team": "search", "project": "beta", "feature": "reports"}
            assert one.tags == two.tags == tags
            claimed = {"team": "mine", "agent": "a1"}
            assert [each.shape and each.shape.own for each in (one, two)] == [
                Claims(team="finance", tags=claimed),
                Claims(team="mine", tags=claimed),
            ]
            assert proxy.upstream.requests[0].body == ASKED

    run(scenario())


@pytest.mark.parametrize("streamed", [True, False])
def test_a_drained_answer_is_read_to_its_end(tmp_path: Path, streamed: bool) -> None:  # noqa: FBT001 - a column
    """The caller is gone, the upstream is not closed, and one entry has the exact cost of a cancelled request."""
    go = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        whole = answer(message())
        first, last = (
            (SSE_HEAD + b"".join(map(chunk, events()[:4])), b"".join(map(chunk, events()[4:])) + SSE_END)
            if streamed
            else (whole[:-20], whole[-20:])
        )
        await turn.write(first)
        await go.wait()
        await turn.write(last)

    async def scenario() -> None:
        async with proxied(tmp_path, script, rules=rules(on_disconnect="drain")) as proxy:
            async with proxy.client() as client:
                await client.send(request(body=ASKED))
                await client.piece(await client.head())
                client.cut()
            await asyncio.sleep(0.05)  # the hang-up reaches the server
            go.set()
            entry = await proxy.entry()
            assert (entry.outcome, entry.cost_nano) == ("cancelled", COST_NANO)
            assert {line.basis for line in entry.lines} == {"measured"}
            assert entry.decisions[-1].action == "on_disconnect"

    run(scenario())


def test_an_upstream_that_breaks_while_drained_is_cancelled_too(tmp_path: Path) -> None:
    """One entry, estimated by what was seen; and no task is left."""
    go = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD + b"".join(map(chunk, events()[:4])))
        await go.wait()
        turn.cut()

    async def scenario() -> None:
        async with proxied(tmp_path, script, rules=rules(on_disconnect="drain")) as proxy:
            async with proxy.client() as client:
                await client.send(request(body=ASKED))
                await client.piece(await client.head())
                client.cut()
            await asyncio.sleep(0.05)  # the hang-up reaches the server
            go.set()
            entry = await proxy.entry()
            assert entry.outcome == "cancelled"
            assert {line.basis for line in entry.lines} == {"estimated"}
            await settled(lambda: "watch" not in {task.get_name() for task in asyncio.all_tasks()})

    run(scenario())


def test_shadows_have_a_column_counters_and_money_of_their_own(tmp_path: Path) -> None:
    """Beside the live decisions, which are as if the shadow were not there."""
    asked = {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}], "tools": [CODE]}
    shadow = Policy(
        name="try", why="w", mode="shadow", match=Match(model=(MODEL,)), then=Then(bundle=BundleRule(act="always"))
    )
    base = book(settings=settings(free_hours={"limit": 0.0}))
    trying = RuleBook(
        **{name: getattr(base, name) for name in ("prices", "catalog", "callers", "settings")},
        policies=(shadow, *base.policies),
    )

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message(), *SCOPE)), rules=trying) as proxy:
            async with proxy.client() as client:
                for number in range(2):
                    body = msgspec.json.encode(asked | {"metadata": {"user_id": str(number)}})
                    await client.ask(request("POST", "/v1/messages", (b"x-api-key", b"sk-1"), body=body))
            _, entry = await proxy.entries(2)
            assert "try" not in {each.policy for each in entry.decisions}
            (seen,) = (each for each in entry.shadows if each.policy == "try")
            assert (seen.action, seen.outcome, seen.reason) == ("bundle", "applied", "policy")
            assert seen.expected_nano is not None
            counted = await proxy.metrics()
            series = 'planner_shadow_decisions_total{action="bundle",outcome="applied",policy="try",reason="policy"}'
            assert counted[series] == 1
            money = 'planner_shadow_expected_usd_total{policy="try",side="%s"}'
            assert counted[money % "untouched"] == pytest.approx(seen.expected_nano.untouched / 1e9)
            assert counted[money % "planned"] == pytest.approx(seen.expected_nano.planned / 1e9)

    run(scenario())


def test_conditions_that_fail_are_counted_and_match_nothing(tmp_path: Path) -> None:
    """By policy and kind of error; the request goes on."""
    failing = rules(when='tags.agent == "x"', deny=WORDS)

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message())), rules=failing) as proxy:
            async with proxy.client() as client:
                assert (await client.ask(request(body=ASKED))).status == 200
                tagged = (b"planner-tags", b"agent=x")
                assert (await client.ask(request("POST", "/v1/messages", tagged, body=ASKED))).status == 403
            counted = await proxy.metrics()
            assert counted['planner_policy_errors_total{error="NOT_FOUND",policy="first"}'] == 1

    run(scenario())


def test_web_tools_without_code_are_bounded_and_stay_so(tmp_path: Path) -> None:
    """On the first request of the conversation and on the next, byte for byte; anew where the caller changes them."""
    tools = [BASIC_SEARCH]
    told: list[str] = []
    user = {"role": "user", "content": "hello"}
    said = {"role": "assistant", "content": [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search"}]}
    content = [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}]

    async def scenario() -> None:
        answers = always(answer(message(content=content), *SCOPE))
        async with proxied(tmp_path, answers, rules=rules(web=WebRule(max_uses=2))) as proxy:
            async with proxy.client() as client:
                usual = {"model": MODEL, "max_tokens": 9, "tools": tools}
                for changed, messages in (
                    ({}, [{"role": "user", "content": "scope"}]),
                    ({}, [user]),
                    ({}, [user, said, user]),
                    ({"max_uses": 9}, [user, said, user]),
                    ({"max_uses": 9}, [user, said, user, said, user]),
                ):
                    more = {"messages": messages, "tools": [BASIC_SEARCH | changed]}
                    body = msgspec.json.encode(usual | more)
                    got = await client.ask(request("POST", "/v1/messages", (b"x-api-key", b"sk-1"), body=body))
                    told.append((got.value(b"planner-plan") or b"").decode().rpartition("web=")[2])
            sent = [msgspec.json.decode(each.body)["tools"] for each in proxy.upstream.requests]
            assert sent == [tools, *[[BASIC_SEARCH | {"max_uses": 2}]] * 4]
            assert told == [
                f'{how};policy="first"'
                for how in (
                    "declined;reason=unknown-scope",
                    "applied;reason=policy",
                    "kept;reason=repeated",
                    "applied;reason=policy",
                    "kept;reason=repeated",
                )
            ]

    run(scenario())
