"""Who calls: the key becomes a fingerprint before anything else sees it, and tags are read against an allow-list."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from planner.core.ledger.entry import Mode
from planner.core.rulebook.book import Callers
from planner.core.rulebook.spending import Spender
from planner.proxy.headers import Field, value

FINGERPRINT_DIGITS: Final = 16
TAG_KEYS: Final = frozenset({"team", "project", "agent", "environment", "feature"})
LONGEST_TAG: Final = 64
LONGEST_WORKSPACE: Final = 64
ANONYMOUS: Final = "anonymous"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The caller of one request; `principal` is a name of `callers.yaml` or a key's fingerprint.

    `account` is what the API knows the caller by, and so what one scope is learnt for: the key itself, since two keys
    of one name may live in two workspaces, with the workspace that the request names, where it names one. `declared`
    are the tags that `callers.yaml` settles: `team`, `project`.
    """

    principal: str
    account: str = ""
    team: str | None = None
    project: str | None = None
    organization: str | None = None
    workspace: str | None = None
    subscription: bool = False
    flags: tuple[str, ...] = ()
    named: bool = False
    declared: frozenset[str] = frozenset()
    tags: dict[str, str] = {}
    session: str | None = None
    mode: Mode = "plan"

    @property
    def identifiable(self) -> bool:
        """Whether the next request of this caller will be known as its own, so that an edit can be repeated.

        A login's token changes by the hour, and without a key everyone is the same: both need a name or a session.
        """
        lasting = self.principal != ANONYMOUS and not self.subscription
        return self.named or self.session is not None or lasting


def spender_of(caller: Caller) -> Spender:
    """Whose budgets its requests count in: tags never say so, and a subscription is not billed by the token."""
    if caller.subscription:
        return Spender()
    team, project = (getattr(caller, key) if key in caller.declared else None for key in ("team", "project"))
    return Spender(principal=caller.principal, team=team, project=project)


def tagged(caller: Caller, tags: Mapping[str, str]) -> Caller:
    """The caller as its request is recorded: a policy's tags beat the client's, and `callers.yaml` beats both."""
    if not tags:
        return caller
    merged = {**caller.tags, **tags}
    own = {key: getattr(caller, key) if key in caller.declared else merged.get(key) for key in ("team", "project")}
    return msgspec.structs.replace(caller, tags=merged, **own)


def fingerprint(key: bytes) -> str:
    """The first 16 hex digits of SHA-256 over `planner`, a zero byte, and the key."""
    return sha256(b"planner\0" + key).hexdigest()[:FINGERPRINT_DIGITS]


def identify(fields: Sequence[Field], callers: Callers) -> Caller:
    """The caller of a request with these header fields."""
    key, oauth = _key(fields)
    digest = ANONYMOUS if key is None else fingerprint(key)
    row = callers.find(digest)
    tags = read_tags(value(fields, b"planner-tags"))
    mode = value(fields, b"planner-mode")
    session = value(fields, b"planner-session")
    named = value(fields, b"anthropic-workspace-id")
    workspace = None if named is None else named.decode("latin-1")[:LONGEST_WORKSPACE]
    return Caller(
        principal=digest if row is None else row.name,
        account=digest if named is None else f"{digest}@{fingerprint(named)}",
        team=(row.team if row else None) or tags.get("team"),
        project=(row.project if row else None) or tags.get("project"),
        organization=row.organization if row else None,
        workspace=workspace or (row.workspace if row else None),
        subscription=row.billing == "subscription" if row and row.billing else oauth,
        flags=row.flags if row else (),
        named=row is not None,
        declared=frozenset(key for key in ("team", "project") if row is not None and getattr(row, key)),
        tags=tags,
        session=None if session is None else session.decode("latin-1"),
        mode="observe" if mode == b"observe" else "off" if mode == b"off" else "plan",
    )


def _key(fields: Sequence[Field]) -> tuple[bytes | None, bool]:
    """The key, the same for `x-api-key` and Bearer, and whether it is an OAuth login.

    OAuth access tokens of subscriptions begin with `sk-ant-oat`: reported by others [C], checked 2026-11-22.
    """
    key = value(fields, b"x-api-key")
    if not key:
        scheme, _, rest = (value(fields, b"authorization") or b"").partition(b" ")
        key = rest.strip() if scheme.lower() == b"bearer" else None
    return key or None, key is not None and key.startswith(b"sk-ant-oat")


def read_tags(content: bytes | None) -> dict[str, str]:
    """`team=search,project=alpha` as a dict; keys that are not allowed, and what is no tag, are left out."""
    if content is None:
        return {}
    pairs = (item.partition("=") for item in content.decode("latin-1").split(","))
    return {
        key.strip(): text.strip()[:LONGEST_TAG]
        for key, equals, text in pairs
        if equals and key.strip() in TAG_KEYS and text.strip()
    }
