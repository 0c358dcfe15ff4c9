"""The Skills API."""

from planner.simulator import multipart, pages
from planner.simulator.errors import invalid
from planner.simulator.files import Upload
from planner.simulator.http import Answer, Request, Route, json_reply
from planner.simulator.shape import NEW_VERSION
from planner.simulator.skills import Skill
from planner.simulator.state import State


def _skill(state: State, request: Request) -> Skill:
    return state.skills.get(request.params["skill_id"], request.workspace)


def _is_new(request: Request) -> bool:
    return (request.version or "") >= NEW_VERSION


def _upload(request: Request) -> tuple[str | None, list[Upload]]:
    found = multipart.parts(request.headers.get("content-type", ""), request.body)
    files = [part for name, part in found if name in ("files", "files[]")]
    if not files:
        raise invalid("files: Field required")
    title = next((part.data for name, part in found if name in ("display_name", "display_title")), None)
    return (None if title is None else title.decode(errors="replace")), files


async def create(state: State, request: Request) -> Answer:
    """Upload a skill."""
    title, files = _upload(request)
    skill = state.skills.create(title, files, request.workspace, ids=request.ids, now=state.clock.now())
    return json_reply(skill.value(new=_is_new(request)))


async def listed(state: State, request: Request) -> Answer:
    """A page of skills."""
    skills = state.skills.listed(request.workspace, request.first("source"))
    return json_reply(pages.by_cursor([skill.value(new=_is_new(request)) for skill in skills], request))


async def retrieve(state: State, request: Request) -> Answer:
    """One skill."""
    return json_reply(_skill(state, request).value(new=_is_new(request)))


async def delete(state: State, request: Request) -> Answer:
    """Forget a skill that has no versions."""
    return json_reply(state.skills.delete(_skill(state, request)))


async def create_version(state: State, request: Request) -> Answer:
    """Upload a version."""
    skill = _skill(state, request)
    version = state.skills.add_version(skill, _upload(request)[1], ids=request.ids, now=state.clock.now())
    return json_reply(version)


async def list_versions(state: State, request: Request) -> Answer:
    """A page of versions, newest first."""
    return json_reply(pages.by_cursor(list(reversed(_skill(state, request).versions.values())), request))


async def retrieve_version(state: State, request: Request) -> Answer:
    """One version; `latest` is the newest."""
    return json_reply(state.skills.version(_skill(state, request), request.params["version"]))


async def delete_version(state: State, request: Request) -> Answer:
    """Forget a version."""
    skill = _skill(state, request)
    version = state.skills.version(skill, request.params["version"])
    if skill.workspace is None:
        raise invalid(f"Skill {skill.id} cannot be changed.")
    del skill.versions[version["id"]]
    return json_reply({"id": version["id"], "type": "skill_version_deleted"})


ROUTES = (
    Route("POST", "/v1/skills", create, limit="files_limit"),
    Route("GET", "/v1/skills", listed),
    Route("GET", "/v1/skills/{skill_id}", retrieve),
    Route("DELETE", "/v1/skills/{skill_id}", delete),
    Route("POST", "/v1/skills/{skill_id}/versions", create_version, limit="files_limit"),
    Route("GET", "/v1/skills/{skill_id}/versions", list_versions),
    Route("GET", "/v1/skills/{skill_id}/versions/{version}", retrieve_version),
    Route("DELETE", "/v1/skills/{skill_id}/versions/{version}", delete_version),
)
