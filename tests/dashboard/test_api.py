"""`POST /planner/api/plan`: what it takes and answers, who may ask, and that nothing is sent or counted by it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from planner.access import cookie_of
from planner.core.conversations import Scope
from planner.core.preview.told import Asker, Explanation
from planner.core.splice import SpliceError
from planner.core.workflow.told import WorkflowPlan
from planner.dashboard import api
from planner.dashboard.api import LARGEST, PARAMETERS, as_yaml, asker_of, is_workflow
from planner.dashboard.told import ErrorTold
from planner.dashboard.view import AddressError
from planner.reckoning import ReckonError
from planner.stores import StoreError
from tests.dashboard.test_routes import AFAR, get, visited
from tests.doubles.client import Answer, request
from tests.doubles.deciding import body, cached
from tests.doubles.proxy import Proxied, read_ledger
from tests.doubles.upstream import Field

JSON, YAML_TYPE = b"application/json", b"application/yaml"
PATH = "/planner/api/plan"
WORKFLOW = (Path(__file__).parent.parent.parent / "docs/workflows/csv-analysis.yaml").read_bytes()


async def ask(
    proxy: Proxied, sent: bytes, *fields: Field, query: str = "", kind: bytes = JSON, host: bytes = b"localhost"
) -> Answer:
    """Ask what would be done."""
    async with proxy.client() as client:
        return await client.ask(request("POST", PATH + query, (b"Content-Type", kind), *fields, body=sent, host=host))


def wrong(answer: Answer) -> str:
    """What an answer says that went wrong."""
    return msgspec.json.decode(answer.body, type=ErrorTold).error.message


def test_a_request(tmp_path: Path) -> None:
    """Answered as `planner plan --json` does, by whoever is said to ask; nothing of it is sent, stored or counted."""

    async def scenario(proxy: Proxied) -> None:
        before = await proxy.metrics()
        answer = await ask(
            proxy, body(system=cached()), query="?scope=acme/main&team=web&flag=zdr&tags=project%3Dalpha"
        )
        told = msgspec.json.decode(answer.body, type=Explanation)
        assert answer.value(b"content-type") == b"application/json"
        assert answer.value(b"cache-control") == b"no-store"
        assumed = told.assumed
        assert (assumed["organization"], assumed["team"], assumed["project"]) == ("acme", "web", "alpha")
        assert {each.reason for each in told.decisions if each.action == "bundle"} == {"zdr"}
        assert await read_ledger(proxy.store) == []
        counted = {name for name, value in (await proxy.metrics()).items() if value != before[name]}
        assert counted <= {"planner_rules_age_seconds"}

    visited(tmp_path, scenario)


def test_a_workflow(tmp_path: Path) -> None:
    """As YAML, or the same as JSON: the plan, or all that is wrong with it."""

    async def scenario(proxy: Proxied) -> None:
        as_json = json.dumps(YAML(typ="safe", pure=True).load(WORKFLOW), indent="\t").encode()
        plans = []
        for sent, kind in ((WORKFLOW, YAML_TYPE), (as_json, JSON)):
            answer = await ask(proxy, sent, kind=kind)
            assert answer.status == 200, answer.body
            plans.append(msgspec.json.decode(answer.body, type=WorkflowPlan))
        assert plans[0].requests == plans[1].requests
        assert plans[0].saving_nano.likely > 0
        broken = await ask(
            proxy, b"workflow: w\nsteps: [{name: a, prompt: 1, output: 1, after: [b]}]\n", kind=YAML_TYPE
        )
        assert broken.status == 422
        found = msgspec.json.decode(broken.body, type=ErrorTold)
        assert found.error.message == "planner: the workflow has 2 findings"
        assert {each.code for each in found.findings} == {"missing-field", "unknown-step"}

    visited(tmp_path, scenario)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """Says where and why, in Anthropic's shape."""

    async def scenario(proxy: Proxied) -> None:
        place = await ask(proxy, b'{"model": "m",\n "messages": }')
        assert (place.status, wrong(place)[:24]) == (400, "planner: request.json:2:")
        assert (await ask(proxy, body(), kind=b"text/plain")).status == 415
        assert (await ask(proxy, body(), query="?teem=x")).status == 400
        large = await ask(proxy, b'{"a": "' + b"x" * LARGEST + b'"}')
        assert (large.status, wrong(large)) == (413, "planner: the body is larger than 2,097,152 bytes")
        assert (await get(proxy, PATH)).status == 405

    visited(tmp_path, scenario)


def test_a_batch_is_not_taken_for_a_request(tmp_path: Path) -> None:
    """A 400 that says what it is, and what to ask with instead."""

    async def scenario(proxy: Proxied) -> None:
        answer = await ask(proxy, b'{"requests":[{"custom_id":"a","params":' + body() + b"}]}")
        assert answer.status == 400
        assert "the body is a message batch of 1 request, which is not explained as a whole" in wrong(answer)

    visited(tmp_path, scenario)


def test_who_may_ask(tmp_path: Path) -> None:
    """Those who may look; and no page of another site may in their name, by cookie or from this machine."""
    cookie = (b"Cookie", f"planner-login={cookie_of('s3cret')}".encode())

    async def scenario(proxy: Proxied) -> None:
        assert (await ask(proxy, body(), host=AFAR)).status == 403
        for fields in ([(b"Authorization", b"Bearer s3cret")], [cookie]):
            assert (await ask(proxy, body(), *fields, host=AFAR)).status == 200
        same = [(b"Origin", b"https://" + AFAR), (b"Sec-Fetch-Site", b"same-origin")]
        assert (await ask(proxy, body(), cookie, *same, host=AFAR)).status == 200
        for other in ((b"Origin", b"https://evil.example"), (b"Sec-Fetch-Site", b"cross-site"), (b"Origin", b"null")):
            assert (await ask(proxy, body(), cookie, other, host=AFAR)).status == 403
            assert "another site" in wrong(await ask(proxy, body(), other))

    visited(tmp_path, scenario, admin_token="s3cret")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (StoreError("the disk is gone"), 503, "planner: the ledger cannot be read"),
        (TimeoutError(), 503, "planner: looking up what is known took too long"),
        (ReckonError("no process"), 503, "planner: no process"),
        (SpliceError("a tool twice"), 400, "planner: it would be forwarded untouched"),
        (KeyError("x"), 500, "planner: an error of its own"),
    ],
)
def test_what_went_wrong_is_told(tmp_path: Path, error: Exception, status: int, said: str) -> None:
    """Each with a status of its own; of a bug no more than its kind, in the log."""

    class Broken:
        """Answers nothing."""

        async def request(self, *_: Any) -> Explanation:
            """Fail."""
            raise error

    async def scenario(proxy: Proxied) -> None:
        proxy.app._asking = Broken()  # type: ignore[assignment]  # noqa: SLF001 - a failure, made for the test
        answer = await ask(proxy, body())
        assert (answer.status, wrong(answer)[: len(said)]) == (status, said)
        assert ("KeyError" in proxy.log.getvalue()) == (status == 500)
        proxy.app._asking = None  # noqa: SLF001 - as it is while the planner starts
        assert (await ask(proxy, body())).status == 503

    visited(tmp_path, scenario)


def test_who_is_taken_to_ask() -> None:
    """Every parameter is read; what is none, stands twice or cannot be so is told."""
    query = (
        b"principal=key-1&team=web&project=alpha&billing=subscription&scope=a/b/c&tags=team%3Dx&session=s&mode=plan"
        b"&flag=zdr&flag=hipaa"
    )
    assert asker_of(query) == Asker(
        principal="key-1",
        team="web",
        project="alpha",
        billing="subscription",
        flags=("zdr", "hipaa"),
        scope=Scope("a", "b/c"),
        tags="team=x",
        session="s",
        mode="plan",
    )
    assert {part.partition(b"=")[0].decode() for part in query.split(b"&")} == set(PARAMETERS)
    assert asker_of(b"") == Asker()
    for bad in (
        b"x=1",
        b"team=a&team=b",
        b"mode=on",
        b"flag=x",
        b"scope=a",
        b"team=%ff",
        b"team=\xff",
        b"&".join([b"flag=zdr"] * 99),
    ):
        with pytest.raises(AddressError):
            asker_of(bad)


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b'{"workflow": "w", "steps": []}', True),
        (b'{"workflow": "w", "messages": []}', False),
        (b'{"model": "m"}', False),
        (b"[", False),
        (b"[1]", False),
        (b'{"\xff": 1}', False),
    ],
)
def test_a_body_is_a_workflow_by_what_it_names(sent: bytes, found: bool) -> None:  # noqa: FBT001 - a column
    """A request is everything else."""
    assert is_workflow(sent) is found


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans() | st.none(),
        lambda each: st.lists(each) | st.dictionaries(st.text(max_size=80), each),
    )
)
def test_json_is_read_as_yaml(value: Any) -> None:
    """Whatever JSON says, also with characters escaped and tabs between values; but YAML ends a key at 1,024."""
    text = api.as_yaml(json.dumps([value], indent="\t").encode())
    assert b"\t" not in text
    assert text.count(b"\n") == json.dumps([value], indent="\t").count("\n")
    assert YAML(typ="safe", pure=True).load(text) == [value]


def test_an_escape_that_is_none_stays() -> None:
    """Two backslashes are one character, and no beginning of another."""
    assert as_yaml(rb'"\\ud83d\\ude00"') == rb'"\\ud83d\\ude00"'
    assert as_yaml(rb'"\\\ud83d\ude00"') == rb'"\\\U0001F600"'
