"""Containers: 30 days of life, one workspace, a short rolling expiry, and the calls that wait inside them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from planner.simulator.canonical import Json
from planner.simulator.config import Config
from planner.simulator.errors import ApiError, invalid
from planner.simulator.ids import RequestIds


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """Code that waits for the results of the tools it called."""

    tool_id: str
    calls: Sequence[str]
    tools_digest: bytes
    since: datetime
    stdout: str
    seconds: float
    sealed: bool = False


class Container:
    """One sandbox; `requests` have run in it, `running` do so now, and `most_at_once` did at any time."""

    def __init__(self, container_id: str, workspace: str, now: datetime) -> None:
        self.id = container_id
        self.workspace = workspace
        self.created = now
        self.expires = now
        self.pending: dict[str, Pending] = {}
        self.files: dict[str, str] = {}
        self.skills: list[Json] = []
        self.requests = 0
        self.running = 0
        self.most_at_once = 0

    def enter(self) -> None:
        """A request runs in it from now on."""
        self.requests += 1
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)

    def leave(self) -> None:
        """A request that ran in it has ended."""
        self.running -= 1

    def answer(self, expires: datetime) -> Json:
        """The `container` object of a response."""
        found: Json = {"id": self.id, "expires_at": timestamp(expires)}
        found["skills"] = list(self.skills) or None
        return found


class Containers:
    """All containers of one simulator."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._all: dict[str, Container] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Container]:
        """Every container that was started, in that order."""
        return iter(self._all.values())

    def create(self, workspace: str, ids: RequestIds, now: datetime) -> Container:
        """A fresh container."""
        container = Container(ids.new("container"), workspace, now)
        container.expires = self.expiry(container, now)
        self._all[container.id] = container
        return container

    def find(self, container_id: str, workspace: str, now: datetime) -> Container:
        """A container by id.

        Raises:
            ApiError: unknown, of another workspace, or past its life; 400, or a bare 500 when so configured.
        """
        container = self._all.get(container_id)
        if container is None or container.workspace != workspace:
            raise invalid(f"container: Container {container_id} was not found.")
        life = timedelta(seconds=self._config.container_life)
        idle = self._config.switches.container_after_idle == "refuse" and now >= container.expires
        if now >= container.created + life or idle:
            if self._config.dead_container_500:
                raise ApiError(500, "Internal server error")
            raise invalid(f"container: Container {container_id} has expired.")
        return container

    def touch(self, container: Container, now: datetime) -> None:
        """Roll a container's expiry after use."""
        container.expires = max(container.expires, self.expiry(container, now))

    def expiry(self, container: Container, used: datetime) -> datetime:
        """When a container last used then goes idle: never past its life."""
        rolling = used + timedelta(seconds=self._config.container_idle)
        return min(rolling, container.created + timedelta(seconds=self._config.container_life))


def requested(body: Json) -> tuple[str | None, Sequence[Json]]:
    """The container id and skills a request names; `container` is a string or `{id?, skills?}`."""
    value = body.get("container")
    if isinstance(value, str):
        return value, ()
    if isinstance(value, Mapping):
        skills = value.get("skills")
        name = value.get("id")
        listed = [skill for skill in skills if isinstance(skill, dict)] if isinstance(skills, list) else []
        return (name if isinstance(name, str) else None), listed
    return None, ()


def timestamp(at: datetime) -> str:
    """RFC 3339 with microseconds and a `Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
