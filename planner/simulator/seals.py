"""Values the API hands out sealed and takes back only unaltered: thinking signatures and encrypted web content."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import blake2b

from planner.simulator.canonical import Json, blocks_of, canonical

MAC = 16


class Seals:
    """Keyed hashes under one seed."""

    def __init__(self, seed: str) -> None:
        self._key = blake2b(b"seal\0" + seed.encode(), digest_size=32).digest()

    def _mac(self, label: bytes, data: bytes) -> bytes:
        return blake2b(label + b"\0" + data, key=self._key, digest_size=MAC).digest()

    def sign(self, thinking: str, prefix: bytes) -> str:
        """The signature of a thinking block after a prefix (see `Prefix`)."""
        own = self._mac(b"thinking", thinking.encode())
        return b64encode(b"\x12" + own + self._mac(b"prefix", own + prefix)).decode()

    def signed(self, thinking: str, signature: str, prefix: bytes | None) -> bool:
        """Whether a signature belongs to a thinking block, and to that prefix unless it is None."""
        try:
            raw = b64decode(signature, validate=True)
        except ValueError:
            return False
        own = self._mac(b"thinking", thinking.encode())
        bound = raw[MAC + 1 :] if prefix is None else self._mac(b"prefix", own + prefix)
        return len(raw) == 2 * MAC + 1 and hmac.compare_digest(raw, b"\x12" + own + bound)

    def seal(self, text: str) -> str:
        """An opaque value that carries a text, as `encrypted_content` and its kin do."""
        data = text.encode()
        return b64encode(self._mac(b"sealed", data) + data).decode()

    def sealed(self, value: str) -> bool:
        """Whether an opaque value came from here and is unaltered."""
        try:
            raw = b64decode(value, validate=True)
        except ValueError:
            return False
        return hmac.compare_digest(raw[:MAC], self._mac(b"sealed", raw[MAC:]))


class Prefix:
    """The conversation before a thinking block, as a running hash over model, tools, system and blocks by role."""

    def __init__(self, model: str, body: Json) -> None:
        self._hash = blake2b(model.encode(), digest_size=MAC)
        for name in ("tools", "system"):
            for block in blocks_of(body.get(name)):
                self._hash.update(name.encode() + b"\0" + canonical(block) + b"\0")

    def add(self, role: str, block: Json) -> None:
        """Go on by one content block."""
        self._hash.update(role.encode() + b"\0" + canonical(block) + b"\0")

    def add_messages(self, messages: Sequence[Json]) -> None:
        """Go on by whole messages."""
        for message in messages:
            for block in blocks_of(message.get("content")):
                self.add(str(message.get("role")), block)

    def digest(self) -> bytes:
        """The hash so far."""
        return self._hash.copy().digest()
