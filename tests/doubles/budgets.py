"""Budgets of one team in this process: rules, requests as they arrive, and what they cost."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from planner.core.conversations import Scope
from planner.core.endpoints import MESSAGES
from planner.core.ledger.entry import Digests, Ending, Entry
from planner.core.money import NANO_PER_USD
from planner.core.plan import Plan
from planner.core.rulebook.book import CallerRow, Callers, RuleBook
from planner.core.rulebook.spending import Budget, For, Spender
from planner.core.wire import MessagesRequest
from planner.proxy.arrive import Arrived
from planner.proxy.callers import Caller, fingerprint, identify, spender_of
from planner.proxy.headers import Field
from planner.proxy.planning import Planned
from tests.doubles.deciding import NOW, book
from tests.doubles.messages import MODEL

KEYS: Final = {"finance": b"sk-finance", "search": b"sk-search"}
"""The key of a caller of each team."""
BODY_TOKENS, MAX_TOKENS = 1_000, 50
WORST: Final = BODY_TOKENS * 4_000 + MAX_TOKENS * 20_000
"""What a request of `sized` costs at most, at $4 and $20 per million tokens."""
CALLERS: Final = Callers(
    tuple(
        CallerRow(name=f"{team}-agent", keys=(fingerprint(key),), team=team, project=f"{team}-p")
        for team, key in KEYS.items()
    )
)


def usd(amount: float) -> int:
    """Nano-dollars."""
    return round(amount * NANO_PER_USD)


def budget(nano: int, **changes: Any) -> Budget:
    """A hard budget of the team finance, by the month."""
    usual: dict[str, Any] = {"name": "finance-month", "why": "w", "mode": "enforce", "per": "month", "hard": True}
    return Budget(**(usual | {"spenders": For(team=("finance",)), "nano": nano} | changes))


def rules(*budgets: Budget) -> RuleBook:
    """The shipped rules with these budgets and two callers."""
    return book(budgets=budgets, callers=CALLERS)


def sized(**members: Any) -> bytes:
    """A body of exactly so many bytes that it is taken for at most `BODY_TOKENS` tokens."""
    usual = {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": ""}]} | members
    bare = len(msgspec.json.encode(usual))
    usual["messages"] = [{"role": "user", "content": "x" * (BODY_TOKENS * 5 // 2 - bare)}]
    return msgspec.json.encode(usual)


def caller(team: str | None = "finance", fields: Iterable[Field] = ()) -> Caller:
    """The caller of a team, by its key; None for one that nobody declares."""
    return identify([(b"x-api-key", KEYS.get(team or "", b"sk-nobody")), *fields], CALLERS)


def arrived(
    number: int, rulebook: RuleBook, at: datetime = NOW, team: str | None = "finance", fields: Iterable[Field] = ()
) -> Arrived:
    """A request that arrived."""
    return Arrived(
        request_id=f"{number:024x}",
        at=at,
        started=0.0,
        method="POST",
        target="/v1/messages",
        fields=(),
        endpoint=MESSAGES,
        caller=caller(team, fields),
        book=rulebook,
    )


def planned(body: bytes | None = None) -> Planned:
    """It goes as it came."""
    body = sized() if body is None else body
    return Planned(body=body, plan=Plan(), request=MessagesRequest.parse(body), scope=Scope("org-1", "ws-1"))


def entered(request: Arrived, cost: int | None, outcome: Ending = "ok") -> Entry:
    """Its entry."""
    return settled_entry(request.request_id, request.at, spender_of(request.caller), cost, outcome)


def settled_entry(
    request_id: str, at: datetime, spender: Spender, cost: int | None, outcome: Ending = "ok", **more: Any
) -> Entry:
    """An entry of a spender."""
    return Entry(
        request_id=request_id,
        at=at.isoformat(timespec="microseconds"),
        principal="p",
        spender=spender,
        endpoint="messages",
        method="POST",
        mode="plan",
        outcome=outcome,
        cost_nano=cost,
        digests=Digests("r", "p"),
        **more,
    )
