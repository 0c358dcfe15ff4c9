"""A prepared bill: charges of requests that this simulator never answered, read from JSON Lines.

With one, the report APIs serve a bill that somebody else made, so that what reads them can be tried on a whole month.
A line is a *charged item*: requests that are alike in all that a report tells apart, and what they came to together.
The format is in docs/simulator.md.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final, Literal

import msgspec

from planner.simulator.bill import TOKEN_KINDS, Charge, Line, Work

UNITS: Final = {"web_search": "searches", "code_execution": "seconds", "allowance_credit": "seconds"} | dict.fromkeys(
    TOKEN_KINDS, "tokens"
)


_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal[
        "input",
        "output",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "web_search",
        "code_execution",
        "allowance_credit",
    ]
    quantity: int | str
    nano: int
    list_nano: int | None = None


class _Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: datetime
    organization: str
    workspace: str
    api_key: str
    model: str
    service_tier: Literal["standard", "batch"] = "standard"
    inference_geo: Literal["global", "us", "not_available"] = "global"
    speed: Literal["standard", "fast"] = "standard"
    context_window: Literal["0-200k", "200k-1M"] = "0-200k"
    requests: int = 1
    spans: int = 0
    lines: tuple[_Line, ...] = ()


class BillError(ValueError):
    """A line that is no charged item: `line` counts lines of the file from 1."""

    def __init__(self, line: int, problem: str) -> None:
        self.line = line
        super().__init__(problem)


_ITEM: Final = msgspec.json.Decoder(_Item)


def read(lines: Iterable[bytes]) -> Iterator[Charge]:
    """The charges of a prepared bill; blank lines are skipped. Raises BillError for the first line that is no item."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _charge(_ITEM.decode(line), number)
        except ValueError as error:  # msgspec's own are ValueErrors too
            raise BillError(number, " ".join(str(error).split())) from error


def check_bill(path: str, lines: Iterable[bytes]) -> list[str]:
    """What is wrong with a prepared bill, as `file:line:col: subject: problem`: its first problem, or nothing."""
    try:
        for _ in read(lines):
            pass
    except BillError as error:
        return [f"{path}:{error.line}:1: this line: it is no charged item. {error}."]
    return []


def _charge(item: _Item, number: int) -> Charge:
    """The charge of an item. Raises ValueError for what no bill could hold."""
    if item.at.tzinfo is None:
        raise ValueError("`at` has no time zone: write it in UTC, as 2026-10-01T09:00:00Z")
    if item.requests < 0 or item.spans < 0:
        raise ValueError(f"`requests` is {item.requests} and `spans` is {item.spans}: both are counts from 0 up")
    name = f"prepared_{number}"
    work = Work(
        request_id=name,
        message_id=name,
        at=item.at.astimezone(UTC),
        organization=item.organization,
        workspace=item.workspace,
        api_key_id=item.api_key,
        model=item.model,
        tier=item.service_tier,
        geo=item.inference_geo,
        fast=item.speed == "fast",
        spans=item.spans,
    )
    return Charge(work, tuple(_line(line, item) for line in item.lines), item.requests)


def _line(line: _Line, item: _Item) -> Line:
    tokens = line.kind in TOKEN_KINDS
    if _DECIMAL.fullmatch(str(line.quantity)) is None:
        raise ValueError(f"`quantity` is {line.quantity}: it is a decimal number")
    return Line(
        kind=line.kind,
        quantity=Fraction(line.quantity),
        unit=UNITS[line.kind],
        model=item.model if tokens else None,
        exact=Fraction(line.nano),
        context_window=item.context_window if tokens else None,
        listed=None if line.list_nano is None else Fraction(line.list_nano),
    )
