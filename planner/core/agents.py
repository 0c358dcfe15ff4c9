"""Who an agent is: the digests by which its requests are told from those of others, and learnt from."""

from hashlib import sha256
from typing import Final

import msgspec

from planner.core.wire import MessagesRequest

DIGITS: Final = 32


class ProfileKey(msgspec.Struct, frozen=True):
    """The digests of a profile and of its parent, (principal, tool types)."""

    own: str
    parent: str


def profile_key(request: MessagesRequest, principal: str) -> ProfileKey:
    """The profile that a request belongs to."""
    types = "\0".join(sorted(tool.type or "custom" for tool in request.tools))
    parent = _digest("parent", principal, types)
    return ProfileKey(_digest("own", parent, request.model or "", request.stable_system.hex()), parent)


def rest_key(key: ProfileKey, model: str) -> str:
    """What rests together once the API refused an edit: a profile on a model, whatever its system prompt says.

    The API refuses tools on a model, never the words around them; and a system prompt with a clock in it would make
    another profile of each conversation, none of which would ever rest.
    """
    return _digest("rest", key.parent, model)


def _digest(kind: str, *parts: str) -> str:
    hashed = sha256(f"planner-profile-{kind}".encode())
    for part in parts:
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(8))
        hashed.update(encoded)
    return hashed.hexdigest()[:DIGITS]
