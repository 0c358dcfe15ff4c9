"""The Files API."""

from datetime import timedelta

from planner.simulator import multipart, pages
from planner.simulator.canonical import Json
from planner.simulator.errors import invalid
from planner.simulator.files import Upload
from planner.simulator.http import Answer, Reply, Request, Route, json_reply
from planner.simulator.state import State

MAX_LIFE = int(timedelta(days=365).total_seconds())


async def upload(state: State, request: Request) -> Answer:
    """Keep an uploaded file."""
    found = multipart.parts(request.headers.get("content-type", ""), request.body)
    sent = next((part for name, part in found if name == "file"), None)
    if sent is None:
        raise invalid("file: Field required")
    life = next((part.data for name, part in found if name == "expires_in_seconds"), None)
    if life is not None and not (life.isdigit() and 0 < int(life) <= MAX_LIFE):
        raise invalid(f"expires_in_seconds: Input should be between 1 and {MAX_LIFE}")
    kept = Upload(
        name=sent.name, data=sent.data, mime_type=sent.mime_type, expires_in=None if life is None else int(life)
    )
    stored = state.files.add(kept, request.workspace, request.ids, state.clock.now())
    return json_reply(stored.metadata())


async def listed(state: State, request: Request) -> Answer:
    """A page of files: `next_page` for new clients, `first_id` and `last_id` for older ones."""
    wanted = request.several("ids")
    items: list[Json] = [stored.metadata() for stored in state.files.listed(request.workspace)]
    if wanted:
        items = [item for item in items if item["id"] in wanted]
    if request.first("after_id") or request.first("before_id"):
        return json_reply(pages.by_id(items, request, most=1000))
    page = pages.by_cursor(items, request)
    ids = [item["id"] for item in page["data"]]
    return json_reply({**page, "first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None})


async def retrieve(state: State, request: Request) -> Answer:
    """A file's metadata."""
    stored = state.files.get(request.params["file_id"], request.workspace, state.clock.now())
    return json_reply(stored.metadata())


async def download(state: State, request: Request) -> Answer:
    """A file's bytes."""
    stored = state.files.content(request.params["file_id"], request.workspace, state.clock.now())
    headers = {"content-disposition": f'attachment; filename="{stored.name}"'}
    return Reply(body=stored.data, content_type=stored.mime_type, headers=headers)


async def delete(state: State, request: Request) -> Answer:
    """Forget a file."""
    return json_reply(state.files.delete(request.params["file_id"], request.workspace, state.clock.now()))


ROUTES = (
    Route("POST", "/v1/files", upload, limit="files_limit"),
    Route("GET", "/v1/files", listed),
    Route("GET", "/v1/files/{file_id}", retrieve),
    Route("GET", "/v1/files/{file_id}/content", download),
    Route("DELETE", "/v1/files/{file_id}", delete),
)
