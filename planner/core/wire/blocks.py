"""Content blocks, of a request's history or of a response, reduced to the few words that decisions rest on."""

from hashlib import sha256
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from planner.core.wire.reading import Maybe, elements, present, shaped, text


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One content block.

    Attributes:
        type: as on the wire; empty when it is missing or no string.
        id: of a call (`toolu_…`, `srvtoolu_…`).
        name: of the called tool.
        tool_use_id: of the call that this block answers.
        caller: the type of the caller (`direct`, `code_execution_20260120`).
        file_id: of a `container_upload`.
        inner: the type of the object in `content`, as `code_execution_result` or `web_search_tool_result_error`.
        cached: whether this block carries a cache breakpoint, itself or on a block inside it.
        seal: of a thinking block: a digest of its signature, or of its data where the thinking is redacted.
    """

    type: str = ""
    id: str | None = None
    name: str | None = None
    tool_use_id: str | None = None
    caller: str | None = None
    file_id: str | None = None
    inner: str | None = None
    cached: bool = False
    seal: str | None = None

    @property
    def programmatic(self) -> bool:
        """Whether code in a container made this call."""
        return self.caller is not None and self.caller.startswith("code_execution")

    @property
    def server_call(self) -> bool:
        """Whether this is a call that Anthropic's side runs."""
        return self.type == "server_tool_use"

    @property
    def failed(self) -> bool:
        """Whether the result in this block is an error."""
        return self.inner is not None and self.inner.endswith("_error")


class _Fields(msgspec.Struct):
    type: Maybe = UNSET
    id: Maybe = UNSET
    name: Maybe = UNSET
    tool_use_id: Maybe = UNSET
    caller: Maybe = UNSET
    file_id: Maybe = UNSET
    content: Maybe = UNSET
    cache_control: Maybe = UNSET
    signature: Maybe = UNSET
    data: Maybe = UNSET


class _Typed(msgspec.Struct):
    type: Maybe = UNSET


_SEAL_DIGITS: Final = 32
_FIELDS: Final = msgspec.json.Decoder(_Fields)
_MANY: Final = msgspec.json.Decoder(list[_Fields])
_TYPED: Final = msgspec.json.Decoder(_Typed)


def read_block(raw: Raw) -> Block | None:
    """Read one block; None when it is no object."""
    fields = shaped(_FIELDS, raw)
    return None if fields is None else _block(fields)


def read_blocks(content: Maybe) -> tuple[Block, ...]:
    """Read the blocks of a `content` array; a string, and what is no object, counts as none."""
    return tuple(_block(fields) for fields in _all_fields(content))


def sealed(signature: str | None) -> str | None:
    """What is kept of a thinking block's signature, which is long, to know it again; None where there is none."""
    return f"thinking_{sha256(signature.encode()).hexdigest()[:_SEAL_DIGITS]}" if signature else None


def carries_breakpoint(content: Maybe) -> bool:
    """Tell whether a block of this `content` array, or a block inside one, carries a `cache_control`."""
    return any(_cached(fields) for fields in _all_fields(content))


def stable_part(content: Raw) -> bytes:
    """The blocks of a content array up to and with the first that carries a `cache_control`; all of it if none does."""
    blocks = elements(content)
    if blocks is None:
        return bytes(content)
    kept = []
    for raw in blocks:
        kept.append(bytes(raw))
        fields = shaped(_FIELDS, raw)
        if fields is not None and _cached(fields):
            break
    return b"\0".join(kept)


def _all_fields(content: Maybe) -> list[_Fields]:
    many = shaped(_MANY, content)
    if many is not None:
        return many
    each = [shaped(_FIELDS, raw) for raw in elements(content) or ()]
    return [fields for fields in each if fields is not None]


def _block(fields: _Fields) -> Block:
    caller = shaped(_TYPED, fields.caller)
    inner = shaped(_TYPED, fields.content)
    kind = text(fields.type) or ""
    return Block(
        type=kind,
        id=text(fields.id),
        name=text(fields.name),
        tool_use_id=text(fields.tool_use_id),
        caller=None if caller is None else text(caller.type),
        file_id=text(fields.file_id),
        inner=None if inner is None else text(inner.type),
        cached=_cached(fields),
        seal=sealed(text(fields.data if kind == "redacted_thinking" else fields.signature)),
    )


def _cached(fields: _Fields) -> bool:
    """A result nests at most one level of blocks, so one level is looked into."""
    if present(fields.cache_control):
        return True
    inner = shaped(_MANY, fields.content)
    return inner is not None and any(present(block.cache_control) for block in inner)
