"""Content blocks as the API writes them, version by version."""

from collections.abc import Sequence
from datetime import datetime

from planner.simulator.canonical import Json
from planner.simulator.containers import timestamp
from planner.simulator.scenario import Code, Edit, Fetch, Search
from planner.simulator.seals import Seals
from planner.simulator.tools import CALLER, LEGACY


def caller(tool_id: str | None) -> Json:
    """Who called: the model, or code under a tool id (always reported as `code_execution_20260120`)."""
    return {"type": "direct"} if tool_id is None else {"type": CALLER, "tool_id": tool_id}


def server_use(tool_id: str, name: str, value: Json, called: Json | None) -> Json:
    """A `server_tool_use` block."""
    found: Json = {"type": "server_tool_use", "id": tool_id, "name": name, "input": value}
    return found if called is None else {**found, "caller": called}


def client_use(tool_id: str, name: str, value: Json, called: Json | None) -> Json:
    """A `tool_use` block."""
    found: Json = {"type": "tool_use", "id": tool_id, "name": name, "input": value}
    return found if called is None else {**found, "caller": called}


def code_use(version: str, code: Code) -> tuple[str, Json]:
    """Name and input of a run of code as that version of the tool spells it."""
    if version == LEGACY:
        return "code_execution", {
            "code": code.python or f"import subprocess\nsubprocess.run({code.command!r}, shell=True)"
        }
    command = code.command if code.command is not None else f"python3 - <<'PY'\n{code.python or ''}\nPY"
    return "bash_code_execution", {"command": command}


def code_result(version: str, tool_id: str, code: Code, file_ids: Sequence[str]) -> Json:
    """The result block of a run of code."""
    kind = "code_execution" if version == LEGACY else "bash_code_execution"
    if code.error is not None:
        content: Json = {"type": f"{kind}_tool_result_error", "error_code": code.error}
    else:
        content = {
            "type": f"{kind}_result",
            "stdout": code.stdout,
            "stderr": code.stderr,
            "return_code": code.return_code,
            "content": [{"type": f"{kind}_output", "file_id": file_id} for file_id in file_ids],
        }
    return {"type": f"{kind}_tool_result", "tool_use_id": tool_id, "content": content}


def cell_result(tool_id: str, stdout: str, *, sealed: str | None = None, stderr: str = "") -> Json:
    """The result block of a cell that called tools; its output is sealed when it had searched the web."""
    content: Json = {"type": "code_execution_result", "stdout": stdout}
    if sealed is not None:
        content = {"type": "encrypted_code_execution_result", "encrypted_stdout": sealed}
    content = {**content, "stderr": stderr, "return_code": 1 if stderr else 0, "content": []}
    return {"type": "code_execution_tool_result", "tool_use_id": tool_id, "content": content}


def edit_input(edit: Edit) -> Json:
    """The input of a use of the text editor."""
    if edit.command == "view":
        return {"command": "view", "path": edit.path}
    if edit.command == "create":
        return {"command": "create", "path": edit.path, "file_text": edit.text}
    return {"command": "str_replace", "path": edit.path, "old_str": edit.text, "new_str": edit.new_text}


def edit_result(tool_id: str, edit: Edit, *, existed: bool) -> Json:
    """The result block of a use of the text editor."""
    lines = edit.text.splitlines()
    if edit.command == "view":
        content: Json = {
            "type": "text_editor_code_execution_view_result",
            "file_type": "text",
            "content": edit.text,
            "start_line": 1,
            "num_lines": len(lines),
            "total_lines": len(lines),
        }
    elif edit.command == "create":
        content = {"type": "text_editor_code_execution_create_result", "is_file_update": existed}
    else:
        fresh = edit.new_text.splitlines()
        content = {
            "type": "text_editor_code_execution_str_replace_result",
            "old_start": 1,
            "old_lines": len(lines),
            "new_start": 1,
            "new_lines": len(fresh),
            "lines": [*(f"-{line}" for line in lines), *(f"+{line}" for line in fresh)],
        }
    return {"type": "text_editor_code_execution_tool_result", "tool_use_id": tool_id, "content": content}


def search_results(search: Search, seals: Seals, number: int) -> list[Json]:
    """The `web_search_result` list of a search."""
    return [
        {
            "type": "web_search_result",
            "url": f"https://example.com/{number}/{place}",
            "title": f"Result {place} for {search.query}",
            "encrypted_content": seals.seal(f"{search.query} {number} {place} " + "lorem ipsum " * 20),
            "page_age": None,
        }
        for place in range(1, search.results + 1)
    ]


def search_result(tool_id: str, content: list[Json] | Json, called: Json | None) -> Json:
    """The result block of a search: results, or an error object."""
    found: Json = {"type": "web_search_tool_result", "tool_use_id": tool_id, "content": content}
    return found if called is None else {**found, "caller": called}


def search_error(code: str) -> Json:
    """The error object of a search."""
    return {"type": "web_search_tool_result_error", "error_code": code}


def fetch_result(tool_id: str, fetch: Fetch, error: str | None, *, called: Json | None, now: datetime) -> Json:
    """The result block of a fetch: a document, or an error."""
    if error is not None:
        content: Json = {"type": "web_fetch_tool_result_error", "error_code": error}
    else:
        document = {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": fetch.text},
            "title": fetch.title,
            "citations": None,
        }
        content = {"type": "web_fetch_result", "url": fetch.url, "content": document, "retrieved_at": timestamp(now)}
    found: Json = {"type": "web_fetch_tool_result", "tool_use_id": tool_id, "content": content}
    return found if called is None else {**found, "caller": called}


def citation(result: Json, seals: Seals) -> Json:
    """A citation of a search result."""
    return {
        "type": "web_search_result_location",
        "url": result["url"],
        "title": result["title"],
        "encrypted_index": seals.seal("index of " + result["url"]),
        "cited_text": "lorem ipsum lorem ipsum",
    }
