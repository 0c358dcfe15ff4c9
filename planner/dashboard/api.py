"""`POST /planner/api/plan`: what would be done with a request or a workflow, by all that the running planner knows.

What is asked comes in a body of its own media type, which no page of another site can send unasked.
"""

import re
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

import msgspec
from litestar import Response

from planner.core.findings import errors
from planner.core.preview.told import Asker, Explanation, no_request, place_in
from planner.core.splice import SpliceError
from planner.core.wire import WireError
from planner.dashboard.answers import HEADERS, NEVER, Visit, plain, posted
from planner.dashboard.asked import Form
from planner.dashboard.view import AddressError
from planner.reckoning import Reckoned, ReckonError
from planner.stores import StoreError

LARGEST: Final = 2 * 1024 * 1024
"""Bytes of a body: what is planned beside the event loop when it is sent is not planned for asking."""
JSON, YAML = "application/json", "application/yaml"
SEVERAL: Final = "flag"
"""The parameter that may be given more than once."""
PARAMETERS: Final = (
    "principal",
    "team",
    "project",
    "billing",
    "scope",
    "tags",
    "session",
    "mode",
    SEVERAL,
)
MOST_WORDS: Final = 50


class Answering(Protocol):
    """The running planner, as far as it is asked."""

    async def request(self, body: bytes, asker: Asker) -> Explanation:
        """What would be done with a request. Raises WireError, SpliceError, StoreError, TimeoutError."""

    async def workflow(self, text: bytes, asker: Asker) -> Reckoned:
        """The cheapest way through a workflow. Raises ReckonError."""


async def plan_it(request: Visit, answering: Answering) -> Response[bytes]:
    """Answer one question; whoever asks may look."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {JSON, YAML}:
        return plain(415, "json", f"the body is {kind or 'of no type'}. Send {JSON}, or a workflow as {YAML}")
    body = await posted(request, LARGEST)
    if body is None:
        return plain(413, "json", f"the body is larger than {LARGEST:,} bytes")
    try:
        asker = asker_of(request.scope["query_string"])
        if kind == YAML or is_workflow(body):
            return _reckoned(await answering.workflow(body if kind == YAML else as_yaml(body), asker))
        other = no_request(body)
        if other is not None:
            return plain(400, "json", f"the body is {other}")
        return _json(await answering.request(body, asker))
    except _TROUBLES as error:
        return plain(*_trouble(error, body))


_TROUBLES: Final = (AddressError, WireError, SpliceError, StoreError, TimeoutError, ReckonError)


def _trouble(error: Exception, body: bytes) -> tuple[int, Form, str]:
    """What went wrong, as whoever asks is told."""
    match error:
        case WireError():
            return 400, "json", f"request.json{place_in(body, error.offset)}: {error.message}"
        case SpliceError():
            return 400, "json", f"it would be forwarded untouched, because no edit could be made safely: {error}"
        case AddressError():
            return 400, "json", str(error)
        case StoreError():
            return 503, "json", f"the ledger cannot be read, so conversations are not known: {error}"
        case TimeoutError():
            return 503, "json", "looking up what is known took too long. Ask again"
        case _:
            return 503, "json", str(error)


def asker_of(query: bytes) -> Asker:
    """Who is taken to ask. Raises AddressError for what is no parameter, is given twice, or cannot be so."""
    try:
        words = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_WORDS, errors="strict")
    except ValueError as error:
        raise AddressError("the address has parameters that cannot be read") from error
    said: dict[str, Any] = {}
    for name, value in words:
        if name not in PARAMETERS:
            raise AddressError(f"there is no parameter {name!r}. There are: {', '.join(PARAMETERS)}")
        if name == SEVERAL:
            said.setdefault("flags", []).append(value)
        elif name in said:
            raise AddressError(f"{name} is given twice")
        else:
            said[name] = _scope(value) if name == "scope" else value
    try:
        return msgspec.convert(said, Asker)
    except msgspec.ValidationError as error:
        raise AddressError(f"a parameter cannot be so: {error}") from error


def is_workflow(body: bytes) -> bool:
    """Whether a JSON body is a workflow: it has a name and steps, and is no request."""
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return "workflow" in members and "messages" not in members


def as_yaml(body: bytes) -> bytes:
    """Sound JSON as YAML reads it, line for line: no tab between values, and a character in one escape, not two."""
    return _ESCAPE.sub(_escaped, body.replace(b"\t", b" "))


_ESCAPE: Final = re.compile(rb"\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)", re.IGNORECASE | re.DOTALL)


def _escaped(found: re.Match[bytes]) -> bytes:
    """An escape, with two halves of a character (UTF-16) made one."""
    if found[1] is None:
        return found[0]
    high, low = int(found[1], 16), int(found[2], 16)
    return b"\\U%08X" % (0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF))


def _scope(value: str) -> dict[str, str]:
    organization, _, workspace = value.partition("/")
    if not organization or not workspace:
        raise AddressError(f"scope is ORGANIZATION/WORKSPACE, not {value!r}")
    return {"organization": organization, "workspace": workspace}


def _reckoned(found: Reckoned) -> Response[bytes]:
    if found.plan is not None:
        return _json(found.plan)
    if found.unpriced is not None:
        return plain(422, "json", f"the workflow cannot be priced: {found.unpriced}", found.findings)
    number = len(errors(found.findings))
    return plain(422, "json", f"the workflow has {number} finding{'' if number == 1 else 's'}", found.findings)


def _json(told: msgspec.Struct) -> Response[bytes]:
    return Response(msgspec.json.encode(told), media_type=JSON, headers=HEADERS | NEVER)
