"""Domains as web tools take them: lists that say what two lists allow together, or that no list can.

An entry is a host, which stands for its sub-domains too, with a path where it has one, which may hold a `*`. What the
API makes of a port, a wild card, letters beyond ASCII or a path under a sub-domain is not said in every detail, so an
entry lies in another only where that is sure under any reading, and has nothing in common with it likewise; whatever
is between the two is a conflict, for a bound must never widen what somebody else said.
https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools#domain-filtering, checked 2026-11-22.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PORT: Final = re.compile(r":\d*$")
_LITERAL: Final = re.compile(r"[A-Za-z0-9._~!$&'()+,;=:@/-]*")
_STEPS: Final = frozenset({"", ".", ".."})


class ConflictError(Exception):
    """What two lists say leaves nothing, or what one list cannot say."""


class _Entry(NamedTuple):
    """An entry as it is compared.

    `text` is as written, the host in lower case. `host` is None where nobody knows which one is meant; `plain` says
    that it was written as it is here. `literal` is how much of `path` stands for itself.
    """

    text: str
    host: str | None
    plain: bool
    path: str
    literal: str

    @property
    def sure(self) -> bool:
        """Whether all that it reaches is known, but for sub-domains under a path."""
        return self.plain and self.literal == self.path


def both(one: Sequence[str], two: Sequence[str]) -> list[str]:
    """What two lists both allow: of each pair that overlaps the narrower entry, in the order of the first list.

    Raises ConflictError.
    """
    return _filled(_narrower(one, two))


def without(allowed: Sequence[str], blocked: Sequence[str]) -> list[str]:
    """The allowed entries that are not blocked. Raises ConflictError where only a part of one is."""
    return _filled(_left(allowed, blocked))


def _narrower(one: Sequence[str], two: Sequence[str]) -> Iterator[str]:
    theirs = [(text, _read(text)) for text in two]
    for mine in one:
        entry = _read(mine)
        if any(_lies_in(entry, other) for _, other in theirs):
            yield mine
            continue
        for text, other in theirs:
            if _lies_in(other, entry):
                yield text
            elif _meets(entry, other):
                raise ConflictError


def _left(allowed: Sequence[str], blocked: Sequence[str]) -> Iterator[str]:
    others = [_read(text) for text in blocked]
    for text in allowed:
        entry = _read(text)
        if any(_lies_in(entry, other) for other in others):
            continue
        if any(_meets(entry, other) for other in others):
            raise ConflictError
        yield text


def _filled(domains: Iterable[str]) -> list[str]:
    """At least one domain: without any the tool would reach every one. Raises ConflictError."""
    found = list(dict.fromkeys(domains))
    if not found:
        raise ConflictError
    return found


def _read(text: str) -> _Entry:
    """An entry as it is compared: the host without what does not name it, in lower case and ASCII."""
    written, _, path = _SCHEME.sub("", text.strip()).partition("/")
    lower = written.lower()
    host = _ascii(_PORT.sub("", lower).removesuffix("."))
    literal = _LITERAL.match(path)
    opaque = literal is None or "%" in path or bool(_STEPS.intersection(path.rstrip("/").split("/")))
    stands = "" if opaque or literal is None else literal[0]
    return _Entry(text.replace(written, lower, 1), host, lower == host and text.startswith(written), path, stands)


def _ascii(host: str) -> str | None:
    try:
        found = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return None
    return found if _HOST.fullmatch(found) else None


def _lies_in(narrow: _Entry, wide: _Entry) -> bool:
    """Whether every page of an entry is sure to be one of another: sub-domains of a whole host, and deeper paths."""
    if narrow.text == wide.text:
        return True
    if not (narrow.plain and wide.sure) or narrow.host is None or wide.host is None:
        return False
    if not wide.path:
        return narrow.host == wide.host or narrow.host.endswith("." + wide.host)
    return narrow.host == wide.host and narrow.literal.startswith(wide.path.rstrip("/") + "/")


def _meets(one: _Entry, two: _Entry) -> bool:
    """Whether two entries could have a page in common, under some reading of them."""
    if one.host is None or two.host is None:
        return True
    host, other = one.host.removeprefix("www."), two.host.removeprefix("www.")
    if host != other and not host.endswith("." + other) and not other.endswith("." + host):
        return False
    path, root = one.literal.rstrip("/").lower(), two.literal.rstrip("/").lower()
    return path.startswith(root) or root.startswith(path)
