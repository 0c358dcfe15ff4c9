"""Edits of a request body by byte span: outside the declared spans nothing changes, and the empty plan is the identity.

A body that could be read in two ways is refused instead of edited: a relevant key that is written twice, a byte order
mark, a `tools` that is no array. The caller's bytes then go as they came.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias, TypeVar

import msgspec
from msgspec import Raw

_MOST_ENTRIES: Final = 10_000
"""Members or elements that are walked one by one; a request of the API has some dozens."""

_SPACE: Final = rb"[ \t\n\r]*+"
_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_GAP: Final = re.compile(_SPACE)
_KEY: Final = re.compile(_SPACE + b"(" + _STRING + b")" + _SPACE + b":" + _SPACE, re.DOTALL)
_SCALAR: Final = re.compile(_STRING + rb"|[^\s,\]}\[{\"]+", re.DOTALL)
_NESTING: Final = re.compile(_STRING + rb"|[\[\]{}]", re.DOTALL)
_BRACE: Final = 0x7D
_OPENS: Final = b"[{"
_CLOSES: Final = b"]}"
_FOLLOWS: Final = b",]}"
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ARRAY: Final = msgspec.json.Decoder(list[Raw])
_STR: Final = msgspec.json.Decoder(str)

T = TypeVar("T")


class SpliceError(ValueError):
    """The body cannot be edited without doubt about what it then says; the message names why."""


class Place(msgspec.Struct, frozen=True):
    """A value in the body: the offsets of its first byte and behind its last."""

    start: int
    end: int


class ObjectPlace(msgspec.Struct, frozen=True, kw_only=True):
    """An object in the body: its members' values (of a repeated key the last), and where another member would go."""

    members: dict[str, Place]
    repeated: frozenset[str]
    tail: int


class ArrayPlace(msgspec.Struct, frozen=True):
    """An array in the body: its elements, and where another element would go."""

    items: tuple[Place, ...]
    tail: int


class Spans(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are in a body; `tools` is None when the key is missing, repeated, or holds no array."""

    top: ObjectPlace
    tools: ArrayPlace | None


class AppendTool(msgspec.Struct, frozen=True, tag_field="edit", tag="append_tool"):
    """Put a tool, given as the JSON of an object, in the last place of `tools`."""

    raw: bytes


class ReplaceTool(msgspec.Struct, frozen=True, tag_field="edit", tag="replace_tool"):
    """Put another tool, given as the JSON of an object, in the place of the one at `index`."""

    index: int
    raw: bytes


class ReplaceToolType(msgspec.Struct, frozen=True, tag_field="edit", tag="replace_tool_type"):
    """Change the value of `type` of the tool at `index`; add `members` (name, JSON), which it must not have yet."""

    index: int
    type: str
    members: tuple[tuple[str, bytes], ...] = ()


class SetToolMember(msgspec.Struct, frozen=True, tag_field="edit", tag="set_tool_member"):
    """Let the member `name` of the tool at `index` have a value (JSON), in the place of its own where it has one."""

    index: int
    name: str
    raw: bytes


class SetContainer(msgspec.Struct, frozen=True, tag_field="edit", tag="set_container"):
    """Name a container where the caller names none: `container` is missing or null, or an object without an id."""

    id: str


Edit: TypeAlias = AppendTool | ReplaceTool | ReplaceToolType | SetToolMember | SetContainer


class Span(msgspec.Struct, frozen=True):
    """One change: bytes `start` to `end_old` of the old body became `start_new` to `end_new` of the new one."""

    start: int
    end_old: int
    start_new: int
    end_new: int


class Spliced(msgspec.Struct, frozen=True):
    """The edited body, and where it differs, in order and without overlap."""

    body: bytes
    spans: tuple[Span, ...]


class Patch(msgspec.Struct, frozen=True):
    """The bytes from `start` to `end` become `new`."""

    start: int
    end: int
    new: bytes


def locate(body: bytes) -> Spans:
    """Find the members of a request body and the elements of its `tools`, without decoding them.

    Raises:
        SpliceError: the body is no JSON object, begins with a byte order mark, or has members beyond counting.
    """
    top = whole(body)
    place = top.members.get("tools")
    if place is None or "tools" in top.repeated or body[place.start : place.start + 1] != b"[":
        return Spans(top=top, tools=None)
    return Spans(top=top, tools=array_at(body, place))


def whole(body: bytes) -> ObjectPlace:
    """Walk the members of the object that a body is. Raises SpliceError."""
    return object_at(body, Place(_gap(body, 0), len(body)))


def apply(body: bytes, edits: Sequence[Edit]) -> Spliced:
    """Apply the edits to the body, each placed by the body as it came.

    Raises:
        SpliceError: an edit has no place, two edits meet, or what an edit touches could be read in two ways.
    """
    if not edits:
        return Spliced(body, ())
    spans = locate(body)
    patches: list[Patch] = []
    appended: list[bytes] = []
    members: dict[int, list[SetToolMember]] = {}
    for edit in edits:
        if isinstance(edit, AppendTool):
            appended.append(_tool(edit.raw))
        elif isinstance(edit, SetContainer):
            patches.append(_container(body, spans.top, edit.id))
        elif isinstance(edit, ReplaceTool):
            place = _tool_place(spans, edit.index)
            patches.append(Patch(place.start, place.end, _tool(edit.raw)))
        elif isinstance(edit, SetToolMember):
            members.setdefault(edit.index, []).append(edit)
        else:
            patches.extend(_retype(body, _tool_place(spans, edit.index), edit))
    for index, group in members.items():
        patches.extend(_members(body, _tool_place(spans, index), group, edits))
    if sum(isinstance(edit, SetContainer) for edit in edits) > 1:
        raise SpliceError("Two edits set the container.")
    if appended:
        tools = _tools(spans)
        patches.append(_insert(tools.tail, appended, first=not tools.items))
    return patched(body, patches)


def patched(body: bytes, patches: Iterable[Patch]) -> Spliced:
    """The body with its patches, which do not overlap. Raises SpliceError."""
    pieces: list[bytes | memoryview] = []
    spans: list[Span] = []
    view = memoryview(body)
    done = length = 0
    for patch in sorted(patches, key=lambda patch: (patch.start, patch.end)):
        if patch.start < done:
            raise SpliceError("Two edits touch the same bytes.")
        pieces += (view[done : patch.start], patch.new)
        length += patch.start - done
        spans.append(Span(patch.start, patch.end, length, length + len(patch.new)))
        length += len(patch.new)
        done = patch.end
    pieces.append(view[done:])
    return Spliced(b"".join(pieces), tuple(spans))


def _container(body: bytes, top: ObjectPlace, name: str) -> Patch:
    value = msgspec.json.encode(name)
    place = _single(top, "container")
    if place is None:
        return _insert(top.tail, [b'"container":' + value], first=not top.members)
    if _is_null(body, place):
        return Patch(place.start, place.end, value)
    if body[place.start : place.start + 1] != b"{":
        raise SpliceError("The caller names a container of its own.")
    inside = object_at(body, place)
    held = _single(inside, "id")
    if held is None:
        return _insert(inside.tail, [b'"id":' + value], first=not inside.members)
    if not _is_null(body, held):
        raise SpliceError("The caller names a container of its own.")
    return Patch(held.start, held.end, value)


def _retype(body: bytes, place: Place, edit: ReplaceToolType) -> list[Patch]:
    tool = object_at(body, place)
    kind = _single(tool, "type")
    if kind is None or body[kind.start : kind.start + 1] != b'"':
        raise SpliceError(f"Tool {edit.index} has no type that could be changed.")
    patches = [Patch(kind.start, kind.end, msgspec.json.encode(edit.type))]
    names = [name for name, _ in edit.members]
    if any(name in tool.members for name in names) or len(set(names)) < len(names):
        raise SpliceError(f"Tool {edit.index} would get a member twice.")
    if edit.members:
        added = [msgspec.json.encode(name) + b":" + _json(raw) for name, raw in edit.members]
        patches.append(_insert(tool.tail, added, first=False))
    return patches


def _members(body: bytes, place: Place, group: Sequence[SetToolMember], edits: Sequence[Edit]) -> list[Patch]:
    """What sets the members of one tool: each in its own place, the new ones together behind the last."""
    index = group[0].index
    retypes = (edit for edit in edits if isinstance(edit, ReplaceToolType) and edit.index == index)
    names = [each.name for each in group] + [name for edit in retypes for name in ("type", *dict(edit.members))]
    if len(set(names)) < len(names):
        raise SpliceError(f"Two edits set one member of tool {index}.")
    tool = object_at(body, place)
    patches, added = [], []
    for each in group:
        held = _single(tool, each.name)
        if held is None:
            added.append(msgspec.json.encode(each.name) + b":" + _json(each.raw))
        else:
            patches.append(Patch(held.start, held.end, _json(each.raw)))
    if added:
        patches.append(_insert(tool.tail, added, first=not tool.members))
    return patches


def _insert(at: int, entries: Sequence[bytes], *, first: bool) -> Patch:
    return Patch(at, at, (b"" if first else b",") + b",".join(entries))


def _tools(spans: Spans) -> ArrayPlace:
    if spans.tools is None:
        raise SpliceError("The body has no `tools` array, or more than one.")
    return spans.tools


def _tool_place(spans: Spans, index: int) -> Place:
    items = _tools(spans).items
    if not 0 <= index < len(items):
        raise SpliceError(f"There is no tool {index}: `tools` has {len(items)}.")
    return items[index]


def _single(inside: ObjectPlace, key: str) -> Place | None:
    if key in inside.repeated:
        raise SpliceError(f"The key `{key}` is written twice.")
    return inside.members.get(key)


def _is_null(body: bytes, place: Place) -> bool:
    return body[place.start : place.end] == b"null"


def _tool(raw: bytes) -> bytes:
    if not _json(raw).startswith(b"{"):
        raise SpliceError("A tool is a JSON object.")
    return raw


def _json(raw: bytes) -> bytes:
    """Let only whole JSON values in, so that an edit cannot close what it stands in."""
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SpliceError(f"What an edit inserts is not JSON: {error}.") from error
    return raw


# ---------------------------------------------------------------- finding places


def object_at(body: bytes, place: Place) -> ObjectPlace:
    """Walk the members of the object that begins at `place.start`. Raises SpliceError.

    msgspec checks the syntax and cuts out the values; the walk finds each again where it must begin. Only an earlier
    value of a repeated key is not among them, and is skipped byte by byte.
    """
    values = _decoded(_OBJECT, body, place)
    members: dict[str, Place] = {}
    repeated: set[str] = set()
    count = 0
    at = tail = place.start + 1
    while body[at := _gap(body, at)] != _BRACE:
        key = _KEY.match(body, at)
        count += 1
        if key is None or count > _MOST_ENTRIES:
            raise SpliceError("The body has members that cannot be told apart.")
        name = _STR.decode(key[1])
        tail = _value_end(body, key.end(), values[name])
        if name in members:
            repeated.add(name)
        members[name] = Place(key.end(), tail)
        at = _behind_comma(body, tail)
    return ObjectPlace(members=members, repeated=frozenset(repeated), tail=tail)


def array_at(body: bytes, place: Place, most: int = _MOST_ENTRIES) -> ArrayPlace:
    """Find the elements of the array that begins at `place.start`, which may be so many. Raises SpliceError."""
    values = _decoded(_ARRAY, body, place)
    if len(values) > most:
        raise SpliceError("The body has more elements than can be told apart.")
    items: list[Place] = []
    at = tail = place.start + 1
    for raw in values:
        start = _gap(body, at)
        tail = _value_end(body, start, raw)
        items.append(Place(start, tail))
        at = _behind_comma(body, tail)
    return ArrayPlace(tuple(items), tail)


def _decoded(decoder: "msgspec.json.Decoder[T]", body: bytes, place: Place) -> T:
    try:
        return decoder.decode(memoryview(body)[place.start : place.end])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SpliceError(f"The body cannot be read: {error}.") from error


def _value_end(body: bytes, at: int, raw: Raw) -> int:
    """Find where the value that begins at `at` ends; `raw` is that value, unless its key is repeated.

    A value cannot begin with another whole value, but for a number that goes on: so what follows decides.
    """
    if body.startswith(raw, at):
        end = at + memoryview(raw).nbytes
        if body[_gap(body, end)] in _FOLLOWS:
            return end
    return _skip(body, at)


def _skip(body: bytes, at: int) -> int:
    scalar = _SCALAR.match(body, at)
    if scalar is not None:
        return scalar.end()
    depth = 0
    for count, token in enumerate(_NESTING.finditer(body, at)):
        mark = body[token.start()]
        depth += (mark in _OPENS) - (mark in _CLOSES)
        if depth == 0:
            return token.end()
        if count > _MOST_ENTRIES:
            break
    raise SpliceError("A repeated key holds more than can be told apart.")


def _behind_comma(body: bytes, at: int) -> int:
    at = _gap(body, at)
    return at + 1 if body[at : at + 1] == b"," else at


def _gap(body: bytes, at: int) -> int:
    """The offset of the first byte from `at` on that is no white space."""
    found = _GAP.match(body, at)
    return at if found is None else found.end()
