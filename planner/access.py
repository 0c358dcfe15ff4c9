"""Who may look at the planner's own pages: someone on this machine, or someone with the operator's token."""

import hmac
import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final, Literal

from litestar.types import Scope

COOKIE: Final = "planner-login"
_OF_COOKIE: Final = b"planner-login 1"
_HOST: Final = re.compile(rb"(?:localhost|[0-9.]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.IGNORECASE)

Field = tuple[bytes, bytes]
Way = Literal["local", "bearer", "cookie"]


def way_in(scope: Scope, token: str | None) -> Way | None:
    """How this request may see metrics and dashboard; None if it may not.

    Without a token, a direct loopback peer with a loopback `Host` and nothing that says it was forwarded: the `Host`
    check keeps a web page that rebinds its name to 127.0.0.1 out. With a token, the bearer of it, or of the cookie that
    `/planner/login` gives for it.
    """
    fields = tuple(scope["headers"])
    if token is not None:
        scheme, _, given = (_value(fields, b"authorization") or b"").partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), token.encode()):
            return "bearer"
        if any(hmac.compare_digest(cookie, cookie_of(token).encode()) for cookie in _cookies(fields)):
            return "cookie"
    return "local" if _is_local(scope, fields) else None


def may_look(scope: Scope, token: str | None) -> bool:
    """Whether this request may see metrics and dashboard."""
    return way_in(scope, token) is not None


def seen_as(scope: Scope) -> str | None:
    """Our address as a direct caller on this machine sees it, such as `http://127.0.0.1:8484`; None for any other.

    HTTP/1.0 is spoken by no client of ours but by reverse proxies, which may hide whom they ask for.
    """
    fields = tuple(scope["headers"])
    hosts = [content for name, content in fields if name == b"host"]
    if len(hosts) != 1 or scope["http_version"] == "1.0" or not _is_local(scope, fields):
        return None
    return None if _HOST.fullmatch(hosts[0]) is None else f"http://{hosts[0].decode('ascii')}"


def from_elsewhere(scope: Scope) -> bool:
    """Whether a page of another site sends this request: what a browser says of it, in two ways.

    No site may ask in the name of somebody who may look, by a cookie or by being on this machine.
    """
    fields = tuple(scope["headers"])
    if (_value(fields, b"sec-fetch-site") or b"none") not in {b"none", b"same-origin"}:
        return True
    origin, host = _value(fields, b"origin"), _value(fields, b"host") or b""
    return origin is not None and origin.partition(b"://")[2].lower() != host.lower()


def is_token(given: str, token: str | None) -> bool:
    """Whether somebody gave the operator's token, compared in the same time however wrong it is."""
    return token is not None and hmac.compare_digest(given.encode(), token.encode())


def cookie_of(token: str) -> str:
    """What a browser keeps in place of the token: 64 hex digits, from which nobody finds the token again."""
    return hmac.digest(token.encode(), _OF_COOKIE, "sha256").hex()


def _cookies(fields: Sequence[Field]) -> list[bytes]:
    pairs = (pair.strip().partition(b"=") for name, line in fields if name == b"cookie" for pair in line.split(b";"))
    return [content for name, _, content in pairs if name == COOKIE.encode()]


def _value(fields: Sequence[Field], name: bytes) -> bytes | None:
    return next((content for key, content in fields if key == name), None)


def _is_local(scope: Scope, fields: Sequence[Field]) -> bool:
    peer = scope["client"]
    if peer is None or not _loopback(peer[0]):
        return False
    if any(_tells_of_forwarding(name) for name, _ in fields):
        return False
    host = (_value(fields, b"host") or b"").decode("latin-1")
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    return name.lower() == "localhost" or _loopback(name)


def _tells_of_forwarding(name: bytes) -> bool:
    return name in {b"forwarded", b"via", b"x-real-ip"} or name.startswith(b"x-forwarded-")


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
