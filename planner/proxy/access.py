"""Who may look at the planner's own pages: someone on this machine, or someone with the operator's token."""

from collections.abc import Sequence
from hmac import compare_digest
from ipaddress import ip_address
from typing import Final

from litestar.types import Scope

from planner.proxy.headers import Field, value
from planner.proxy.protocol import fields_of

COOKIE: Final = b"planner-login"


def may_look(scope: Scope, token: str | None) -> bool:
    """Whether this request may see metrics and dashboard.

    Without a token, a direct loopback peer with a loopback `Host` and nothing that says it was forwarded: the `Host`
    check keeps a web page that rebinds its name to 127.0.0.1 out. With a token, the bearer of it.
    """
    fields = fields_of(scope)
    if token is not None and _bears(fields, token):
        return True
    return _is_local(scope, fields)


def _bears(fields: Sequence[Field], token: str) -> bool:
    scheme, _, given = (value(fields, b"authorization") or b"").partition(b" ")
    if scheme.lower() == b"bearer" and compare_digest(given.strip(), token.encode()):
        return True
    cookies = (pair.strip().partition(b"=") for pair in (value(fields, b"cookie") or b"").split(b";"))
    return any(name == COOKIE and compare_digest(content, token.encode()) for name, _, content in cookies)


def _is_local(scope: Scope, fields: Sequence[Field]) -> bool:
    peer = scope["client"]
    if peer is None or not _loopback(peer[0]):
        return False
    if any(_tells_of_forwarding(name.lower()) for name, _ in fields):
        return False
    host = (value(fields, b"host") or b"").decode("latin-1")
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    return name.lower() == "localhost" or _loopback(name)


def _tells_of_forwarding(name: bytes) -> bool:
    return name in {b"forwarded", b"via", b"x-real-ip"} or name.startswith(b"x-forwarded-")


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
