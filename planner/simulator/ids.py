"""Ids are hashes of a seed and a count, so that the same seed and the same requests give the same bytes."""

from hashlib import blake2b

BYTES = 11


class RequestIds:
    """The ids that one request hands out; they depend on its place in the order of arrival and on nothing else."""

    __slots__ = ("_count", "_root")

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._count = 0

    def new(self, prefix: str) -> str:
        """A fresh id such as `msg_01…`."""
        self._count += 1
        digest = blake2b(self._root + self._count.to_bytes(4, "big"), digest_size=BYTES).hexdigest()
        return f"{prefix}_01{digest}"


class IdSource:
    """The root of all ids of one simulator."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._requests = 0

    def request(self) -> RequestIds:
        """The ids for the next request."""
        self._requests += 1
        root = blake2b(self._seed + b"\0" + self._requests.to_bytes(8, "big"), digest_size=20).digest()
        return RequestIds(root)
