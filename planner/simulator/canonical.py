"""Two requests that mean the same have the same canonical bytes: keys sorted, nulls and `cache_control` dropped."""

from typing import Any

import msgspec

Json = dict[str, Any]

IGNORED = frozenset({"cache_control"})
IMAGE_TOKENS = 1_600
UPLOAD_TOKENS = 24
MESSAGE_TOKENS = 3

_encoder = msgspec.json.Encoder(order="sorted")


def canonical(value: object) -> bytes:
    """The canonical JSON bytes of a value."""
    return _encoder.encode(_plain(value))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None and key not in IGNORED}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def blocks_of(content: object) -> list[Json]:
    """Message or system content as a list of blocks: a string is one text block; what is no block is left out."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return [block for block in content if isinstance(block, dict)]
    return []


def text_tokens(text: str) -> int:
    """The documented estimate: a token per four bytes of UTF-8, rounded up."""
    return (len(text.encode("utf-8", "surrogatepass")) + 3) // 4


def block_tokens(block: Json) -> int:
    """The estimated tokens of a content block; media cost a flat figure, base64 is never counted as text."""
    kind = block.get("type")
    if kind == "text":
        text = block.get("text")
        return text_tokens(text) if isinstance(text, str) else 0
    if kind == "image":
        return IMAGE_TOKENS
    if kind == "container_upload":
        return UPLOAD_TOKENS
    source = block.get("source")
    if kind == "document" and isinstance(source, dict) and source.get("type") != "text":
        return IMAGE_TOKENS
    return (len(canonical(block)) + 3) // 4
