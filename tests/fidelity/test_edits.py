"""An edited request differs from what came in its declared changes alone."""

from pathlib import Path

import msgspec

from planner.core.rulebook.book import RuleBook
from planner.rulesource import load_rules
from tests.doubles.client import RawClient, request
from tests.doubles.messages import ASKED, message
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import Turn, answer
from tests.fidelity.corpus import EDITED, Case, read_cases
from tests.fidelity.judge import Change, differences

SCOPE = (
    (b"content-type", b"application/json"),
    (b"anthropic-organization-id", b"org"),
    (b"anthropic-workspace-id", b"wrkspc"),
)
KEY = (b"X-Api-Key", b"k")
RETYPED: Change = (b'"code_execution_20250825"', b'"code_execution_20260120"')
NOTHING = b'{"type":"none"}'
PUT_LAST: Change = (
    b"",
    b',{"type":"web_fetch_20260318","name":"web_fetch","max_uses":1,"url_sources":{'
    + b",".join(
        b'"%s":%s' % (kind, NOTHING) for kind in (b"user_input", b"client_tool_results", b"server_tool_results")
    )
    + b"}}",
)


def eager_rules() -> RuleBook:
    """Rules under which free code execution is worth a tool at once."""
    settings = {"free_hours.limit": "0", "decision.confidence": "0.05", "tool_tokens.web_fetch_20260318": "1"}
    return load_rules(None, settings).required()


def changes(case: Case, number: bytes) -> list[Change]:
    """What the planner declares for a kind of edit."""
    name = b'"container_%s"' % number
    return {
        "bundle": [RETYPED, PUT_LAST],
        "container": [(b"", b',"container":' + name)],
        "container-null": [(b"null", name)],
        "container-skills": [(b"", b',"id":' + name)],
    }[case.directives["edit"]]


async def script(turn: Turn) -> None:
    """Answer as the turn in whose container the request with the same number goes on."""
    number = (await turn.body()).rpartition(b"NUMBER ")[2][:3].decode()
    content = [
        {"type": "server_tool_use", "id": f"srvtoolu_{number}", "name": "bash_code_execution", "input": {}},
        {"type": "bash_code_execution_tool_result", "tool_use_id": f"srvtoolu_{number}", "content": {"type": "x"}},
    ]
    container = {"id": f"container_{number}", "expires_at": "2099-01-01T00:00:00Z"}
    await turn.write(answer(message(content=content, container=container), *SCOPE))


async def begin(client: RawClient, number: bytes) -> None:
    """Play the turn before, so that its container is known."""
    body = msgspec.json.encode(
        {
            "model": "claude-opus-5-5",
            "max_tokens": 9,
            "tools": [{"type": "code_execution_20250825", "name": "code_execution"}],
            "messages": [{"role": "user", "content": f"NUMBER {number.decode()}"}],
        }
    )
    assert (await client.ask(request("POST", "/v1/messages", KEY, body=body))).status == 200


def play(directory: Path, kind: str, rules: RuleBook | None) -> list[str]:
    """Send every case of a kind; what the judge says of them."""
    wrong: list[str] = []

    async def scenario() -> None:
        async with proxied(directory, script, rules=rules) as proxy, proxy.client() as client:
            await client.ask(request("POST", "/v1/messages", KEY, body=ASKED))  # the scope is learnt from the answer
            chosen = [case for case in read_cases(EDITED) if case.directives["edit"].startswith(kind)]
            assert len(chosen) > 10
            for index, case in enumerate(chosen):
                number = b"%03d" % index
                if kind == "container":
                    await begin(client, number)
                numbered = msgspec.structs.replace(case, body=(case.body or b"").replace(b"NUMBER", number))
                got = await client.ask(numbered.wire())
                if got.value(b"planner-body") != b"edited":
                    wrong.append(f"{case.name}: not edited, {got.value(b'planner-plan')!r}")
                    continue
                sent = (case.method, case.target, case.fields, numbered.body or b"")
                found = differences(sent, proxy.upstream.requests[-1], changes(case, number))
                wrong.extend(f"{case.name}: {text}" for text in found)

    run(scenario())
    return wrong


def test_containers(tmp_path: Path) -> None:
    """A container that is threaded is the only change."""
    wrong = play(tmp_path, "container", None)
    assert not wrong, "\n".join(wrong)


def test_bundles(tmp_path: Path) -> None:
    """A tool that is put last, and the version that it needs, are the only changes."""
    wrong = play(tmp_path, "bundle", eager_rules())
    assert not wrong, "\n".join(wrong)
