"""The dashboard's addresses: pages and data for those who may look, the way in for those who may not, and its files.

Nothing is decided here but who may look. What a page says is made by the desk, in a process of its own.
"""

from collections.abc import Callable, Mapping
from typing import Final, cast
from urllib.parse import parse_qs, quote, urlsplit

from litestar import HttpMethod, Litestar, Response, post, route
from litestar.datastructures import Cookie
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.types import Scope
from structlog.typing import FilteringBoundLogger

from planner.access import COOKIE, cookie_of, from_elsewhere, is_token, seen_as, way_in
from planner.dashboard.answers import HEADERS, TYPES, Visit, answered, moved, plain, posted
from planner.dashboard.api import Answering, plan_it
from planner.dashboard.asked import DESCRIPTION, Ask, Form, Standing
from planner.dashboard.assets import PREFIX, served
from planner.dashboard.desk import Desk, DeskError

ROOT: Final = "/planner"
LOGIN: Final = f"{ROOT}/login"
FIRST: Final = "overview"
LONGEST_FORM: Final = 4096
"""Bytes of the form that somebody signs in with."""
LOOKING: Final = [HttpMethod.GET, HttpMethod.HEAD]
FOR_EVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
NOT_FOR_YOU: Final = (
    "the dashboard answers this machine alone; from elsewhere, set PLANNER_ADMIN_TOKEN and sign in at /planner/login,"
    " or send it as a bearer token"
)
SUFFIXES: Final[Mapping[str, Form]] = {"csv": "csv", "json": "json"}


class Door:
    """What the handlers share: who may look, the desk, and what is told to it of the running process."""

    def __init__(
        self,
        desk: Desk,
        standing: Callable[[], Standing],
        token: str | None,
        log: FilteringBoundLogger,
        answering: Callable[[], Answering | None],
        public_url: str | None = None,
    ) -> None:
        self._desk, self._standing, self._log = desk, standing, log
        self._answering = answering
        self.token, self._public_url = token, public_url

    async def plan(self, request: Visit) -> Response[bytes]:
        """What would be done with a request or a workflow, for those who may look and were not led to it by others."""
        if way_in(request.scope, self.token) is None:
            return plain(403, "json", NOT_FOR_YOU)
        if from_elsewhere(request.scope):
            return plain(403, "json", "a page of another site asks for this, which no site may")
        answering = self._answering()
        if answering is None:
            return plain(503, "json", "the planner is starting or shutting down")
        return await plan_it(request, answering)

    async def show(
        self, request: Visit, page: str, form: Form, table: str = "", named: str | None = None
    ) -> Response[bytes]:
        """A page, its data or one of its tables; the way in for whoever may not look.

        `named` is what of the page's kind is asked for, where its path says so: it counts as the parameter `id`.
        """
        way = way_in(request.scope, self.token)
        if way is None:
            return self._refused(request, form)
        return await self.made(request, page, form, table, named, leaves=way == "cookie")

    async def made(
        self,
        request: Visit,
        page: str,
        form: Form,
        table: str = "",
        named: str | None = None,
        *,
        leaves: bool = False,
    ) -> Response[bytes]:
        """What the desk makes of a question."""
        query = request.scope["query_string"].decode("latin-1")
        if named is not None:
            query = "&".join(filter(None, (query, f"id={quote(named, safe='')}")))
        address = self._public_url or seen_as(request.scope) or ""
        ask = Ask(
            page=page, form=form, table=table, query=query, leaves=leaves, address=address, standing=self._standing()
        )
        try:
            answer = await self._desk.ask(ask)
        except DeskError as error:
            self._log.error("dashboard", trouble=str(error))
            return plain(503, form, str(error))
        if answer.error is not None:
            self._log.error("dashboard", page=page, error=answer.error)
        return answered(answer)

    def failed(self, _: Visit, error: Exception) -> Response[bytes]:
        """A bug of ours, of which nobody is told more than its kind."""
        self._log.error("dashboard", error=type(error).__name__)
        return plain(500, "json", "an error of its own")

    def _refused(self, request: Visit, form: Form) -> Response[bytes]:
        """Lead people to where they sign in, if they can; tell programs."""
        if form != "page" or self.token is None:
            return plain(403, form, NOT_FOR_YOU)
        path, query = f"{ROOT}{request.scope['path']}", request.scope["query_string"].decode("latin-1")
        target = quote(f"{path}?{query}" if query else path, safe="")
        return moved(f"{LOGIN}?next={target}")


def below(scope: Scope) -> Scope | None:
    """A request as it is below /planner, however often slashes are doubled; None for what is not the dashboard's."""
    parts = [part for part in scope["path"].split("/") if part]
    if parts[:1] != [ROOT[1:]]:
        return None
    return cast("Scope", {**scope, "path": "/" + "/".join(parts[1:]), "root_path": ROOT})


def pages(door: Door) -> Litestar:
    """Everything below /planner, as an application of its own that is mounted there."""
    return Litestar(
        route_handlers=[*_shown(door), *_told(door), *_ways_in(door)],
        exception_handlers={HTTPException: _not_here, Exception: door.failed},
        logging_config=None,
        openapi_config=None,
    )


def _shown(door: Door) -> list[HTTPRouteHandler]:
    """The handlers of pages and files; addresses begin below /planner."""

    @route("/", http_method=LOOKING)
    async def first(request: Visit) -> Response[bytes]:
        """The overview, with and without a slash at the end."""
        return await door.show(request, FIRST, "page")

    @route("/{page:str}", http_method=LOOKING)
    async def one(request: Visit, page: FromPath[str]) -> Response[bytes]:
        """A page."""
        return await door.show(request, page, "page")

    @route("/requests", http_method=LOOKING)
    async def requests(request: Visit) -> Response[bytes]:
        """The list, which has an address of its own because there are addresses below it."""
        return await door.show(request, "requests", "page")

    @route("/requests/{request_id:str}", http_method=LOOKING)
    async def one_request(request: Visit, request_id: FromPath[str]) -> Response[bytes]:
        """What explains one request; its data has the address `/api/request?id=…`."""
        return await door.show(request, "request", "page", named=request_id)

    @route("/static/{digest:str}/{name:str}", http_method=LOOKING, sync_to_thread=False)
    def static(digest: FromPath[str], name: FromPath[str]) -> Response[bytes]:
        """A file of the pages; there is nothing in it that not everybody may know."""
        asset = served().get(f"{PREFIX}/{digest}/{name}")
        if asset is None:
            return plain(404, "json", "no such file")
        return Response(asset.content, media_type=asset.media_type, headers=HEADERS | FOR_EVER)

    return [first, one, requests, one_request, static]


def _told(door: Door) -> list[HTTPRouteHandler]:
    """The handlers of data for programs."""

    @route("/api/openapi.json", http_method=LOOKING)
    async def described(request: Visit) -> Response[bytes]:
        """What all of these addresses take and answer, as OpenAPI."""
        return await door.show(request, DESCRIPTION, "json")

    @post("/api/plan", status_code=200)
    async def planned(request: Visit) -> Response[bytes]:
        """What would be done with a request, or the cheapest way through a workflow; nothing is sent."""
        return await door.plan(request)

    @route("/api/{page:str}", http_method=LOOKING)
    async def data(request: Visit, page: FromPath[str]) -> Response[bytes]:
        """All of a page as JSON."""
        return await door.show(request, page, "json")

    @route("/api/{page:str}/{table:str}", http_method=LOOKING)
    async def one_table(request: Visit, page: FromPath[str], table: FromPath[str]) -> Response[bytes]:
        """One table, as JSON or, where its name ends so, as CSV."""
        name, _, suffix = table.rpartition(".")
        form = SUFFIXES.get(suffix)
        return await door.show(request, page, form or "json", name if form else table)

    return [described, planned, data, one_table]


def _ways_in(door: Door) -> list[HTTPRouteHandler]:
    """The handlers by which somebody comes in and leaves."""

    @route("/login", http_method=LOOKING)
    async def login(request: Visit) -> Response[bytes]:
        """The form to sign in with, for everyone."""
        if door.token is None:
            return await door.show(request, FIRST, "page")
        return await door.made(request, "login", "page")

    @post("/login", status_code=303)
    async def sign_in(request: Visit) -> Response[bytes]:
        """Take the token, and give a cookie in its place."""
        said = _form(await posted(request, LONGEST_FORM) or b"")
        target = _inside(said.get("next", [""])[-1])
        if not is_token(said.get("token", [""])[-1].strip(), door.token):
            return moved(f"{LOGIN}?wrong=1&next={quote(target, safe='')}")
        response = moved(target)
        response.set_cookie(_cookie(request, cookie_of(door.token or "")))
        return response

    @post("/logout", status_code=303, sync_to_thread=False)
    def sign_out(request: Visit) -> Response[bytes]:
        """Take the cookie away."""
        response = moved(LOGIN)
        response.set_cookie(_cookie(request, "", seconds=0))
        return response

    return [login, sign_in, sign_out]


def _not_here(_: Visit, error: HTTPException) -> Response[bytes]:
    """An address or a method that there is none of."""
    status = error.status_code if error.status_code in TYPES else 404
    return plain(status, "json", "no such page" if status != 405 else "this page does not take this method")


def _form(body: bytes) -> dict[str, list[str]]:
    """What a form says; one of too many fields says nothing."""
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=10, keep_blank_values=True)
    except ValueError:
        return {}


def _inside(target: str) -> str:
    """Where to go after signing in: a page of ours, whatever somebody put into the address."""
    parts = urlsplit(target)
    ours = parts.path.startswith(f"{ROOT}/") and not parts.scheme and not parts.netloc and "\\" not in target
    return target if ours and target.isprintable() and not parts.path.startswith(LOGIN) else f"{ROOT}/"


def _cookie(request: Visit, value: str, *, seconds: int | None = None) -> Cookie:
    """The cookie, until the browser is closed; sent over TLS alone where the visitor came by it."""
    secure = request.headers.get("x-forwarded-proto", request.scope["scheme"]) == "https"
    return Cookie(key=COOKIE, value=value, path=ROOT, httponly=True, samesite="strict", secure=secure, max_age=seconds)
