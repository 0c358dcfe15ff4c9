"""Containers: their life, their workspace, their rolling expiry, and what refuses an id."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from planner.simulator import Config, Key, Simulator, Switches, serve
from tests.doubles.halting import Halting
from tests.simulator.asgi import CODE, CODE_WEATHER, KEY, NEW_CODE, SEARCH, START, Api, request

RUN: dict[str, Any] = {"tools": [CODE]}


def run(api: Api, container: Any = None, **fields: Any) -> Any:
    """A run of code, in a container when one is given."""
    return api.ask("[short]", **{**RUN, **fields}, container=container).json()


def test_without_an_id_every_run_gets_its_own(api: Api) -> None:
    """Containers are not shared by accident."""
    assert run(api)["container"]["id"] != run(api)["container"]["id"]


@pytest.mark.parametrize("as_object", [False, True])
def test_an_id_goes_on_in_the_same_container(api: Api, *, as_object: bool) -> None:
    """String and object name the same thing."""
    name = run(api)["container"]["id"]
    assert run(api, {"id": name} if as_object else name)["container"]["id"] == name


def test_expiry_rolls_with_use(api: Api) -> None:
    """`expires_at` is a short time after the last use."""
    first = run(api)["container"]
    assert datetime.fromisoformat(first["expires_at"]) == START + timedelta(seconds=300)
    api.clock.advance(200)
    second = run(api, first["id"])["container"]
    assert datetime.fromisoformat(second["expires_at"]) == START + timedelta(seconds=500)


def test_an_idle_container_is_refused_or_restored() -> None:
    """After its expiry an id is refused, unless the switch says it is restored."""
    for switch, status in (("refuse", 400), ("restore", 200)):
        api = Api(switches=Switches(container_after_idle=switch))  # type: ignore[arg-type]  # both values are allowed
        name = run(api)["container"]["id"]
        api.clock.advance(301)
        response = api.ask("[short]", **RUN, container=name)
        assert response.status == status
        assert status == 200 or response.error == f"container: Container {name} has expired."


def test_thirty_days_are_the_end() -> None:
    """Even a container that could be restored ends after thirty days; so configured, as a bare 500."""
    api = Api(switches=Switches(container_after_idle="restore"), dead_container_500=True)
    name = run(api)["container"]["id"]
    api.clock.advance(29 * 86_400)
    assert run(api, name)["container"]["id"] == name
    api.clock.advance(2 * 86_400)
    response = api.ask("[short]", **RUN, container=name)
    assert (response.status, response.json()["error"]) == (
        500,
        {"type": "api_error", "message": "Internal server error"},
    )


def test_another_workspace_cannot_use_it() -> None:
    """An id of another workspace is unknown."""
    api = Api(keys=(Key(key="a", workspace="wrkspc_a"), Key(key="b", workspace="wrkspc_b")))
    version = {"anthropic-version": "2023-06-01"}
    first = api.ask("[short]", **RUN, headers={**version, "x-api-key": "a"}).json()
    response = api.ask("[short]", **RUN, container=first["container"]["id"], headers={**version, "x-api-key": "b"})
    assert (response.status, "was not found" in response.error) == (400, True)


def test_a_web_tool_brings_its_own_container(api: Api) -> None:
    """Dynamic filtering provisions a container that code can go on in."""
    first = api.ask("[research]", tools=[SEARCH]).json()
    assert api.ask("[research]", tools=[SEARCH], container=first["container"]["id"]).status == 200


def test_uploads_need_the_tool_and_the_file(api: Api) -> None:
    """A file to preload must exist, and code execution must be declared."""
    upload = [{"type": "text", "text": "hi"}, {"type": "container_upload", "file_id": "file_x"}]
    assert "requires the code execution tool" in api.ask(upload).error
    assert api.ask(upload, **RUN).status == 404


def test_skills_are_loaded_with_their_version(api: Api) -> None:
    """`latest` is resolved and reported."""
    skills = {"skills": [{"type": "anthropic", "skill_id": "pptx", "version": "latest"}]}
    message = api.ask("hello", **RUN, container=skills).json()
    assert message["container"]["skills"] == [{"type": "anthropic", "skill_id": "pptx", "version": "20251013"}]
    again = api.ask("hello", **RUN, container=message["container"]["id"]).json()
    assert again["container"]["skills"] == message["container"]["skills"]


def test_a_scenario_may_leave_the_container_out() -> None:
    """Later responses of a turn sometimes do not repeat it."""
    text = """
scenarios:
  - name: shy
    match: {marker: SHY}
    turns: [{omit_container: true, steps: [{code: {command: ls}}]}]
"""
    api = Api(scenarios=(text,))
    body = request("SHY", **RUN)
    assert "container" not in api.call("POST", "/v1/messages", body).json()


def test_it_keeps_a_record_of_what_ran_where() -> None:
    """Every container that was started, its requests, and whether two ever ran in it at once; refusals do not count."""
    api = Api()
    name = run(api)["container"]["id"]
    run(api, name)
    run(api)
    assert api.ask("[short]", **RUN, container="container_x").status == 400
    assert api.ask("[500]", **RUN, container=name).status == 500
    record = [(found.requests, found.running, found.most_at_once) for found in api.simulator.state.containers]
    assert record == [(2, 0, 1), (1, 0, 1)]


def test_two_requests_at_once_are_recorded() -> None:
    """Code of one runs while another begins in the same container; the API's word on it is not known, so both may."""

    async def work() -> None:
        clock = Halting(START)
        simulator = Simulator(Config.default(clock=clock, time_factor=1.0))
        async with serve(simulator) as url, aiohttp.ClientSession(url, headers=KEY) as http:

            async def ask(**fields: Any) -> Any:
                async with http.post("/v1/messages", json=request("[short]", **RUN, **fields)) as response:
                    assert response.status == 200
                    return await response.json()

            async def look() -> None:
                await clock.halted(2)
                assert [(each.running, each.most_at_once) for each in simulator.state.containers] == [(2, 2)]
                clock.go.set()

            name = (await ask())["container"]["id"]
            clock.go.clear()
            await asyncio.gather(ask(container=name), ask(container=name), look())
        assert [(each.requests, each.running) for each in simulator.state.containers] == [(3, 0)]

    asyncio.run(work())


@pytest.mark.parametrize(
    ("fields", "marker"),
    [
        ({"tools": [CODE]}, "[short]"),
        ({"tools": [CODE], "container": {"skills": [{"type": "anthropic", "skill_id": "pptx"}]}}, "[short]"),
        ({"tools": [NEW_CODE, CODE_WEATHER | {"name": "query_database"}]}, "[orchestrate]"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_fresh_container_takes_its_time(fields: dict[str, Any], marker: str, *, stream: bool) -> None:
    """What first comes out of it comes later, once; a warm one has started long ago, and nobody is billed for it."""
    took, bills = [], []
    for seconds in (0.0, 4.0):
        api = Api(time_factor=1.0, container_start=seconds)
        before = api.clock.monotonic()
        response = api.ask(marker, **fields, stream=stream)
        assert response.status == 200
        took.append(api.clock.monotonic() - before)
        bills.append(api.bill.totals["code_execution"])
        if marker == "[short]":
            (container,) = api.simulator.state.containers
            before = api.clock.monotonic()
            run(api, container.id)
            assert api.clock.monotonic() - before == pytest.approx(0.8)
    assert took[1] - took[0] == pytest.approx(4.0)
    assert bills[0] == bills[1]
