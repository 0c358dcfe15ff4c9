"""How far a budget is spent, as its caller is told: in the header `planner-budget`, and in the words of a refusal."""

import math
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from planner.core.money import format_nano

_NOT_IN_A_STRING: Final = re.compile(r"[^\x20-\x7e]")


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One budget at one moment, in nano-dollars; `percent` is the highest of its soft limits that was reached."""

    budget: str
    value: str
    spent: int
    limit: int
    resets: datetime
    percent: int | None


def header(statuses: Iterable[Status]) -> bytes:
    """The value of `planner-budget`: an RFC 9651 List, a budget's name as a String with parameters.

    Amounts are Strings, since a Decimal of that RFC has three decimals; `resets` is a Date, seconds since 1970.
    """
    return ", ".join(_item(status) for status in statuses).encode()


def refusal(status: Status) -> str:
    """The words for whoever is refused."""
    whose = f" of {status.value}" if status.value else ""
    left = status.limit - status.spent
    why = "is spent" if left <= 0 else "has not enough left for this request"
    return (
        f"the budget {status.budget}{whose} {why}: ${_usd(status.spent)} of ${_usd(status.limit)}. "
        f"It begins anew at {status.resets.isoformat(timespec='seconds').replace('+00:00', 'Z')}"
    )


def retry_after(status: Status, now: datetime) -> bytes:
    """Whole seconds until the budget begins anew, at least one."""
    return str(max(math.ceil((status.resets - now).total_seconds()), 1)).encode()


def _item(status: Status) -> str:
    value = f";value={_string(status.value)}" if status.value else ""
    at = "" if status.percent is None else f";percent={status.percent}"
    amounts = f';spent="{format_nano(status.spent)}";limit="{format_nano(status.limit)}"'
    return f"{_string(status.budget)}{value}{amounts}{at};resets=@{int(status.resets.timestamp())}"


def _string(text: str) -> str:
    return '"' + _NOT_IN_A_STRING.sub("?", text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _usd(nano: int) -> str:
    """Dollars to the cent, for people."""
    return f"{nano / 1_000_000_000:,.2f}"
