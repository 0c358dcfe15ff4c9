"""Our own API as an OpenAPI document, made of the structs that it answers with and of the pages there are.

Handlers answer with bytes that another process makes, so nothing could be read off them; addresses are written here,
and a test holds them to the routes. Source: https://spec.openapis.org/oas/v3.1.1.html
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from planner.access import COOKIE
from planner.core.preview.told import Asker, Explanation
from planner.core.workflow.steps import Workflow
from planner.core.workflow.told import WorkflowPlan
from planner.dashboard.api import LARGEST
from planner.dashboard.pages import BY_NAME
from planner.dashboard.parameters import NEXT, WRONG, components, key_of
from planner.dashboard.room import Page
from planner.dashboard.told import ErrorTold, PageTold, TableTold

Json = dict[str, Any]

OPENAPI: Final = "3.1.1"
PARAMETERS: Final = components((*(page.takes for page in BY_NAME.values()), (WRONG, NEXT)))
SHAPES: Final = (Explanation, WorkflowPlan, Workflow, PageTold, TableTold, ErrorTold)
PLAN: Final = "/planner/api/plan"
WHY: Final[Mapping[int, str]] = {
    400: "What was asked for cannot be read, or there is none of it.",
    403: "This is for those who may look: a direct peer on this machine, or whoever has the operator's token.",
    404: "There is no such page, or no such table on it.",
    413: f"The body is larger than {LARGEST:,} bytes.",
    415: "The body is of another type.",
    422: "The workflow has findings, or something in it has no price.",
    503: "The ledger, or the process that would answer, is not there; requests are forwarded all the same.",
}
ASKER: Final[Mapping[str, str]] = {
    "principal": "Who is taken to ask: a name or key fingerprint of `callers.yaml`.",
    "team": "Its team; as `callers.yaml` says where it is left out.",
    "project": "Its project, likewise.",
    "billing": "How it pays, likewise.",
    "scope": "Where it is answered: ORGANIZATION/WORKSPACE; where the planner has seen it answered if left out.",
    "tags": "What it says in `planner-tags`.",
    "session": "What it says in `planner-session`.",
    "mode": "What it says in `planner-mode`; `plan` decides also where the process itself decides nothing new.",
    "flag": "What holds for it; may be given more than once.",
}


def description(version: str) -> Json:
    """The document, for this version of the planner."""
    _, components = msgspec.json.schema_components(SHAPES, ref_template="#/components/schemas/{name}")
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Planner",
            "version": version,
            "summary": "What the planner answers itself; everything else goes to the Claude API behind it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict(_paths()),
        "components": {
            "schemas": {name: _short(made) for name, made in sorted(components.items())},
            "parameters": {key: each.described for key, each in sorted(PARAMETERS.items())},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "PLANNER_ADMIN_TOKEN"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
        "security": [{}, {"token": []}, {"cookie": []}],
    }


def _paths() -> Iterator[tuple[str, Json]]:
    """Every address with what can be done there."""
    yield PLAN, {"post": _plan()}
    document = _body("application/json", {"type": "object"})
    yield "/planner/api/openapi.json", {"get": _get("described", "This document.", document)}
    for page in BY_NAME.values():
        shown = _parameters(page)
        name, title = page.name, page.title
        wrong = (400, 404, 503) if page.under else (400, 503)
        whole, table = _body("application/json", _ref(PageTold)), _body("application/json", _ref(TableTold))
        data = _get(f"{name}_data", f"All of {title} as JSON.", whole, shown, wrong)
        yield f"/planner/api/{name}", {"get": data}
        of = (_in_path("table", "The name of a table of the page, as all of its data tells them."), *shown)
        text = f"One table of {title}"
        yield (
            f"/planner/api/{name}/{{table}}",
            {"get": _get(f"{name}_table", f"{text} as JSON.", table, of, (400, 404, 503))},
        )
        rows = _body("text/csv", {"type": "string"})
        yield (
            f"/planner/api/{name}/{{table}}.csv",
            {"get": _get(f"{name}_csv", f"{text} as CSV, without its total.", rows, of, (400, 404, 503))},
        )
        yield f"/planner/{name}", {"get": _page(f"{name}_page", f"{title}, for people.", shown, wrong)}
    first = _parameters(BY_NAME["overview"])
    yield "/planner/", {"get": _page("first_page", "The overview, for people.", first, (400, 503))}
    one = (_in_path("request_id", "The id in the answer's field `planner-request-id`."),)
    yield (
        "/planner/requests/{request_id}",
        {"get": _page("one_request", "What explains one request.", one, (400, 404, 503))},
    )
    form = tuple({"$ref": f"#/components/parameters/{key_of(each)}"} for each in (NEXT, WRONG))
    yield "/planner/login", {"get": _page("login", "The form to sign in with.", form), "post": _sign_in()}
    yield "/planner/logout", {"post": _moved("sign_out", "Take the cookie away.")}
    for path, title in (("/healthz", "Whether the process runs."), ("/readyz", "Whether requests can be served.")):
        word = _body("text/plain", {"type": "string"})
        more = {"503": {"description": "Not yet.", **word}} if path == "/readyz" else {}
        said = {"operationId": path[1:], "summary": title, "security": []}
        yield path, {"get": said | {"responses": {"200": {"description": title, **word}, **more}}}
    scraped = _body("text/plain", {"type": "string"})
    yield "/metrics", {"get": _get("metrics", "Every metric in Prometheus' text format.", scraped)}


def _plan() -> Json:
    """The operation that plans and sends nothing."""
    answers = {"application/json": {"schema": {"anyOf": [_ref(Explanation), _ref(WorkflowPlan)]}}}
    request: Json = {
        "type": "object",
        "description": "The body of a POST /v1/messages, read as leniently as the proxy reads it.",
        "properties": {
            "model": {"type": "string"},
            "max_tokens": {"type": "integer"},
            "system": {},
            "tools": {"type": "array", "items": {"type": "object"}},
            "messages": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["model", "messages"],
    }
    return {
        "operationId": "plan",
        "summary": "What would be done with a request, or the cheapest way through a workflow. Nothing is sent.",
        "parameters": [*_askers()],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"anyOf": [request, _ref(Workflow)]}},
                "application/yaml": {"schema": _ref(Workflow)},
            },
        },
        "responses": {"200": {"description": "What `planner plan --json` says.", "content": answers}}
        | _wrong((400, 403, 413, 415, 422, 503)),
    }


def _askers() -> Iterator[Json]:
    """The parameters of who asks, with the types of the struct that they are read into."""
    _, components = msgspec.json.schema_components((Asker,), ref_template="#/components/schemas/{name}")
    types = components["Asker"]["properties"]
    for name, text in ASKER.items():
        if name == "scope":
            schema: Json = {"type": "string", "pattern": "^[^/]+/.+$"}
        else:
            schema = _said(types["flags" if name == "flag" else name])
        yield {"name": name, "in": "query", "description": text, "schema": schema}


def _said(schema: Json) -> Json:
    """The type of a value that is said, and not left out."""
    kept = [each for each in schema.get("anyOf", [schema]) if each != {"type": "null"}]
    return {key: value for key, value in kept[0].items() if key != "default"} if len(kept) == 1 else {"anyOf": kept}


def _parameters(page: Page) -> tuple[Json, ...]:
    """What may be asked for of a page."""
    return tuple({"$ref": f"#/components/parameters/{key_of(each)}"} for each in page.takes)


def _get(name: str, summary: str, content: Json, parameters: Sequence[Json] = (), wrong: Sequence[int] = ()) -> Json:
    """An operation that reads, for those who may look."""
    operation: Json = {"operationId": name, "summary": summary}
    if parameters:
        operation["parameters"] = list(parameters)
    return operation | {"responses": {"200": {"description": summary, **content}} | _wrong((403, *wrong))}


def _page(name: str, summary: str, parameters: Sequence[Json] = (), wrong: Sequence[int] = ()) -> Json:
    """A page for people: whoever may not look is led to where they sign in, and errors are pages, too."""
    html = _body("text/html", {"type": "string"})
    made = _get(name, summary, html, parameters)
    for status in wrong:
        made["responses"][str(status)] = {"description": WHY[status], **html}
    made["responses"]["403"] = {"description": WHY[403], **_body("text/plain", {"type": "string"})}
    made["responses"]["303"] = {"description": "Sign in first, where there is a token to sign in with."}
    return made


def _sign_in() -> Json:
    form = {"type": "object", "properties": {"token": {"type": "string"}, "next": {"type": "string"}}}
    body = {"content": {"application/x-www-form-urlencoded": {"schema": form}}}
    return _moved("sign_in", "Take the token, and give a cookie in its place.") | {"requestBody": body}


def _moved(name: str, summary: str) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"303": {"description": "Where to go on."}},
    }


def _in_path(name: str, text: str) -> Json:
    return {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}


def _wrong(statuses: Sequence[int]) -> Json:
    content = _body("application/json", _ref(ErrorTold))
    return {str(status): {"description": WHY[status], **content} for status in sorted(statuses)}


def _body(media_type: str, schema: Json) -> Json:
    return {"content": {media_type: {"schema": schema}}}


def _ref(shape: type) -> Json:
    return {"$ref": f"#/components/schemas/{shape.__name__}"}


def _short(made: Json) -> Json:
    """A schema with the first paragraph of what it says of itself; attributes are told where they are documented."""
    if "description" not in made:
        return made
    return made | {"description": " ".join(made["description"].split("\n\n")[0].split())}
