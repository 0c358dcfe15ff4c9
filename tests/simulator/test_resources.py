"""Files, skills, models, batches and threads: the corners that the SDK's happy path does not visit."""

from typing import Any

import pytest

from tests.simulator.asgi import CODE, KEY, MODEL, WEATHER, Api, request

FORM = {**KEY, "content-type": "multipart/form-data; boundary=b"}
THREADS = {**KEY, "anthropic-beta": "message-threads-2026-08-12"}


def form(*parts: tuple[str, str, str]) -> bytes:
    """A multipart body of (field, file name, content)."""
    text = ""
    for field, name, content in parts:
        shown = f'; filename="{name}"' if name else ""
        text += f'--b\r\nContent-Disposition: form-data; name="{field}"{shown}\r\n\r\n{content}\r\n'
    return (text + "--b--\r\n").encode()


def upload(api: Api, *parts: tuple[str, str, str]) -> Any:
    """The answer to an upload."""
    return api.call("POST", "/v1/files", form(*parts), headers=FORM)


def test_files_keep_their_last_path_component_and_guess_their_type(api: Api) -> None:
    """Only the last part of a name is kept; the type follows from it."""
    made = upload(api, ("file", "../../etc/data.csv", "1")).json()
    assert (made["filename"], made["mime_type"]) == ("data.csv", "text/csv")
    assert upload(api, ("file", "odd", "1")).json()["mime_type"] == "application/octet-stream"


def test_files_expire(api: Api) -> None:
    """`expires_in_seconds` is the end of a file."""
    made = upload(api, ("expires_in_seconds", "", "60"), ("file", "a.txt", "1")).json()
    assert made["expires_at"] is not None
    api.clock.advance(60)
    gone = api.call("GET", f"/v1/files/{made['id']}")
    assert (gone.status, gone.json()["error"]["details"]["error_code"]) == (404, "file_expired")
    assert upload(api, ("expires_in_seconds", "", "soon"), ("file", "a.txt", "1")).status == 400


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=b", b"--b\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--"),
        ("multipart/form-data; boundary=b", form(("other", "a", "1"))),
    ],
)
def test_uploads_that_are_none(api: Api, content_type: str, body: bytes) -> None:
    """A body that is no form, or a form without a file, is a 400."""
    assert api.call("POST", "/v1/files", body, headers={**KEY, "content-type": content_type}).status == 400


def test_file_lists_page_both_ways(api: Api) -> None:
    """New clients follow `next_page`, older ones `last_id`."""
    ids = [upload(api, ("file", f"{n}.txt", "1")).json()["id"] for n in range(3)][::-1]
    first = api.get("/v1/files", [("limit", "2")])
    assert [item["id"] for item in first["data"]] == ids[:2]
    second = api.get("/v1/files", [("limit", "2"), ("page", first["next_page"])])
    assert ([item["id"] for item in second["data"]], second["next_page"]) == (ids[2:], None)
    older = api.get("/v1/files", [("after_id", first["last_id"])])
    assert [item["id"] for item in older["data"]] == ids[2:]
    before = api.get("/v1/files", [("before_id", ids[2]), ("limit", "1")])
    assert ([item["id"] for item in before["data"]], before["has_more"]) == ([ids[1]], True)
    assert [item["id"] for item in api.get("/v1/files", [("ids[]", ids[1])])["data"]] == [ids[1]]
    assert api.call("GET", "/v1/files", query=[("page", "page_!")]).status == 400
    assert api.call("GET", "/v1/files", query=[("limit", "0")]).status == 400


def test_skills_that_cannot_be(api: Api) -> None:
    """A skill needs a SKILL.md; what Anthropic ships stays as it is; versions go before their skill."""
    assert api.call("POST", "/v1/skills", form(("files[]", "a/README.md", "x")), headers=FORM).status == 400
    assert api.call("POST", "/v1/skills", form(("name", "", "x")), headers=FORM).status == 400
    assert api.call("DELETE", "/v1/skills/pptx").status == 400
    assert api.call("DELETE", "/v1/skills/pptx/versions/latest").status == 400
    made = api.call("POST", "/v1/skills", form(("files", "ours/SKILL.md", "x")), headers=FORM).json()
    assert made["display_name"] == "ours"
    assert made["source"] == "custom"
    assert api.call("DELETE", f"/v1/skills/{made['id']}").status == 400
    assert api.call("GET", f"/v1/skills/{made['id']}/versions/none").status == 404
    second = api.call("POST", f"/v1/skills/{made['id']}/versions", form(("files", "ours/SKILL.md", "y")), headers=FORM)
    assert api.get(f"/v1/skills/{made['id']}")["latest_version_id"] == second.json()["id"]


def test_models_that_are_not_there(api: Api) -> None:
    """An unknown model is a 404, an alias is found."""
    assert api.call("GET", "/v1/models/claude-none").status == 404
    assert api.get("/v1/models/claude-sonnet-4-5")["lifecycle"] == "deprecated"
    page = api.get("/v1/models", [("limit", "3")])
    assert (len(page["data"]), page["has_more"]) == (3, True)


def batch(api: Api, *params: Any) -> Any:
    """A batch of requests with counted ids."""
    requests = [{"custom_id": f"c{n}", "params": item} for n, item in enumerate(params)]
    return api.call("POST", "/v1/messages/batches", {"requests": requests}).json()


def test_a_batch_is_judged_only_when_processed(api: Api) -> None:
    """Wrong requests are accepted and come back as errored; good ones cost half."""
    made = batch(api, request("hi"), request("hi", max_tokens=0), request("[500]"), request("hi", stream=True), 7)
    assert (made["processing_status"], made["results_url"]) == ("in_progress", None)
    assert made["request_counts"]["processing"] == 5
    assert api.call("GET", f"/v1/messages/batches/{made['id']}/results").status == 404
    assert api.call("DELETE", f"/v1/messages/batches/{made['id']}").status == 400
    api.clock.advance(60)
    ended = api.get(f"/v1/messages/batches/{made['id']}")
    assert ended["request_counts"] == {"processing": 0, "succeeded": 1, "errored": 4, "canceled": 0, "expired": 0}
    lines = api.call("GET", f"/v1/messages/batches/{made['id']}/results").body.splitlines()
    assert len(lines) == 5
    assert [charge.work.tier for charge in api.bill.charges] == ["batch"]
    assert api.call("POST", f"/v1/messages/batches/{made['id']}/cancel").status == 400


def test_a_cancelled_batch_ends_with_nothing_done(api: Api) -> None:
    """What was not processed is canceled."""
    made = batch(api, request())
    assert api.call("POST", f"/v1/messages/batches/{made['id']}/cancel").json()["processing_status"] == "canceling"
    ended = api.get(f"/v1/messages/batches/{made['id']}")
    assert (ended["processing_status"], ended["request_counts"]["canceled"]) == ("ended", 1)
    assert api.bill.requests == 0


@pytest.mark.parametrize(
    "requests", [None, [], [{}], [{"custom_id": "a", "params": {}}] * 2, [{"custom_id": 1, "params": {}}]]
)
def test_batches_that_cannot_be(api: Api, requests: Any) -> None:
    """The outer shape is judged at once."""
    assert api.call("POST", "/v1/messages/batches", {"requests": requests}).status == 400
    assert api.call("GET", "/v1/messages/batches/none").status == 404


def thread(api: Api, kind: dict[str, str], text: str = "hi", **fields: Any) -> Any:
    """A request with a `thread` field."""
    return api.ask(text, thread=kind, headers=THREADS, **fields)


def test_a_thread_remembers_tools_system_and_messages(api: Api) -> None:
    """A continuation sends only what is new and is charged for all of it."""
    first = thread(api, {"type": "create"}, "[csv]", tools=[CODE], system="Be brief.").json()
    second = thread(api, {"type": "continue", "previous_message_id": first["id"]}, "plot it").json()
    assert second["content"][-1]["text"] == "The chart is ready."
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"] // 3


def test_threads_that_cannot_be(api: Api) -> None:
    """Unknown, continued twice, or changed: each has its error code."""
    lost = thread(api, {"type": "continue", "previous_message_id": "msg_none"})
    assert (lost.status, lost.json()["error"]["details"]) == (404, {"error_code": "thread_not_found"})
    first = thread(api, {"type": "create"}, tools=[WEATHER]).json()
    onward = {"type": "continue", "previous_message_id": first["id"]}
    changed = thread(api, onward, tools=[CODE])
    assert changed.json()["error"]["details"]["error_code"] == "thread_fingerprint_mismatch"
    assert thread(api, onward, model=MODEL).status == 200
    twice = thread(api, onward)
    assert twice.json()["error"]["details"]["error_code"] == "thread_already_continued"
    assert "thread.type" in thread(api, {"type": "fork"}).error


def test_a_failed_continuation_can_be_tried_again(api: Api) -> None:
    """An error leaves the thread where it was."""
    first = thread(api, {"type": "create"}).json()
    onward = {"type": "continue", "previous_message_id": first["id"]}
    assert thread(api, onward, "[500]").status == 500
    assert thread(api, onward, max_tokens=0).status == 400
    assert thread(api, onward, "[cut]", stream=True).status == 200
    assert thread(api, onward).status == 200


def test_diagnostics_tell_why_a_cache_missed(api: Api) -> None:
    """The previous request is compared part by part."""
    system = [{"type": "text", "text": "word " * 2_000, "cache_control": {"type": "ephemeral"}}]
    base: dict[str, Any] = {"system": system, "tools": [WEATHER]}
    first = api.ask(**base, diagnostics={"previous_message_id": None}).json()
    assert first["diagnostics"] is None
    asked = {"previous_message_id": first["id"]}

    def reason(**changes: Any) -> Any:
        found = api.ask(**{**base, "diagnostics": asked, **changes}).json()["diagnostics"]
        return None if found is None else found["cache_miss_reason"]

    assert reason() is None
    tools = reason(tools=[WEATHER, {**WEATHER, "name": "other"}])
    assert (tools["type"], tools["cache_missed_input_tokens"] > 2_000) == ("tools_changed", True)
    assert reason(system="other")["type"] == "system_changed"
    assert reason(model="claude-sonnet-5-5")["type"] == "model_changed"
    assert reason(messages=[{"role": "user", "content": "other"}])["type"] == "messages_changed"
    assert reason(tool_choice={"type": "none"}) == {"type": "unavailable"}
    assert reason(diagnostics={"previous_message_id": "msg_x"}) == {"type": "previous_message_not_found"}
    start = api.ask(**base, diagnostics={"previous_message_id": "msg_x"}, stream=True).events()[0][1]
    assert start["message"]["diagnostics"]["cache_miss_reason"]["type"] == "previous_message_not_found"
