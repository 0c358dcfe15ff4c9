"""What the reports of the API say, as values: costs by description, tokens by key, code execution by key.

Three reports tell three sides of one bill. The cost report has money and no keys, the usage report has tokens by key
and no code execution, and analytics has code execution by key, with its spans.
Source: https://platform.claude.com/docs/en/build-with-claude/usage-cost-api, checked 2026-11-22.
"""

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

import msgspec

from planner.core.reconcile.cells import CODE, NOTHING, SEARCH, SESSION, Cell, Counts, parse_cents, plus

TOKEN_TYPES: Final = {
    "uncached_input_tokens": "input",
    "cache_creation.ephemeral_5m_input_tokens": "cache_write_5m",
    "cache_creation.ephemeral_1h_input_tokens": "cache_write_1h",
    "cache_read_input_tokens": "cache_read",
    "output_tokens": "output",
}
"""What the reports call the token classes [A]."""


class ReportError(Exception):
    """A report that says what no report can mean; the text says what and where."""


class CostResult(msgspec.Struct, frozen=True):
    """One amount of the cost report, grouped by workspace and description."""

    amount: str
    currency: str = "USD"
    workspace_id: str | None = None
    description: str | None = None
    cost_type: str | None = None
    model: str | None = None
    token_type: str | None = None
    service_tier: str | None = None


class Creation(msgspec.Struct, frozen=True):
    """Tokens written to a cache, by how long it lives."""

    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class ServerTools(msgspec.Struct, frozen=True):
    """Uses of server tools."""

    web_search_requests: int = 0


class UsageResult(msgspec.Struct, frozen=True):
    """Tokens of the usage report, grouped by everything that it has."""

    uncached_input_tokens: int = 0
    cache_creation: Creation = Creation()
    cache_read_input_tokens: int = 0
    output_tokens: int = 0
    server_tool_use: ServerTools | None = None
    api_key_id: str | None = None
    workspace_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None

    @property
    def counts(self) -> Counts:
        """Tokens by class, and searches."""
        made = self.cache_creation
        return (
            self.uncached_input_tokens,
            made.ephemeral_5m_input_tokens,
            made.ephemeral_1h_input_tokens,
            self.cache_read_input_tokens,
            self.output_tokens,
            0 if self.server_tool_use is None else self.server_tool_use.web_search_requests,
        )


class Variant(msgspec.Struct, frozen=True, order=True):
    """Requests that are priced alike: of one key, day and workspace, as they were served."""

    day: str
    workspace: str
    key: str
    model: str
    tier: str = "standard"
    us: bool = False
    fast: bool = False


class CodeCost(msgspec.Struct):
    """Code execution of one key on one day: what it cost, and how many spans it ran; None for not told."""

    nano: Fraction = Fraction(0)
    spans: int | None = None


class Bill(msgspec.Struct):
    """A month as the API bills it.

    Attributes:
        known_until: the moment (aware) up to which the reports know what happened.
        costs: exact nano-dollars by cell.
        described: how the cost report itself describes a cell.
        cost_days: days of which the cost report has anything.
        decimals: most decimals of any amount in cents: what is smaller was rounded away.
        usage: tokens and searches as they were served.
        usage_days: days of which the usage report has anything.
        code: code execution by day, workspace and key.
        code_known: whether analytics told of it at all.
    """

    known_until: datetime
    costs: dict[Cell, Fraction] = {}
    described: dict[Cell, str] = {}
    cost_days: set[str] = set()
    decimals: int = 0
    usage: dict[Variant, Counts] = {}
    usage_days: set[str] = set()
    code: dict[tuple[str, str, str], CodeCost] = {}
    code_known: bool = False

    @property
    def nano(self) -> int:
        """The whole bill."""
        return round(sum(self.costs.values(), Fraction(0)))


def name_default(bill: Bill, workspaces: Iterable[str]) -> str | None:
    """Give the default workspace, which the reports leave without an id, its name in the ledger; return that name.

    It is the only one of the ledger's `workspaces` that the reports do not name; None where there is no such one.
    """
    known = {cell.workspace for cell in bill.costs} | {variant.workspace for variant in bill.usage}
    mine = set(workspaces)
    unnamed = sorted(mine - known)
    if "" not in known or "" in mine or len(unnamed) != 1:
        return None
    name = unnamed[0]
    bill.costs = {_renamed(cell, name): nano for cell, nano in bill.costs.items()}
    bill.described = {_renamed(cell, name): text for cell, text in bill.described.items()}
    bill.usage = {
        variant if variant.workspace else msgspec.structs.replace(variant, workspace=name): counts
        for variant, counts in bill.usage.items()
    }
    bill.code = {(day, workspace or name, key): cost for (day, workspace, key), cost in bill.code.items()}
    return name


def _renamed(cell: Cell, name: str) -> Cell:
    return cell if cell.workspace else cell._replace(workspace=name)


class _CostBucket(msgspec.Struct):
    starting_at: str
    results: list[CostResult]


class _UsageBucket(msgspec.Struct):
    starting_at: str
    results: list[UsageResult]


def read_costs(bill: Bill, buckets: Iterable[Any]) -> None:
    """Take in days of the cost report. Raises ReportError."""
    for bucket in _read(buckets, _CostBucket, "cost report"):
        day = bucket.starting_at[:10]
        for result in bucket.results:
            cell = _cell(day, result)
            if result.currency != "USD":
                raise ReportError(f"the cost report of {day} counts in {result.currency}, not in USD")
            try:
                amount = parse_cents(result.amount)
            except ValueError as error:
                raise ReportError(f"the cost report of {day}, {cell.description}: {error}") from error
            bill.costs[cell] = bill.costs.get(cell, Fraction(0)) + amount.nano
            bill.decimals = max(bill.decimals, amount.decimals)
            bill.described.setdefault(cell, result.description or cell.description)
            bill.cost_days.add(day)


def read_usage(bill: Bill, buckets: Iterable[Any]) -> None:
    """Take in days of the usage report. Raises ReportError."""
    for bucket in _read(buckets, _UsageBucket, "usage report"):
        day = bucket.starting_at[:10]
        for result in bucket.results:
            variant = Variant(
                day,
                result.workspace_id or "",
                result.api_key_id or "",
                result.model or "",
                result.service_tier or "standard",
                us=result.inference_geo == "us",
                fast=result.speed == "fast",
            )
            bill.usage[variant] = plus(bill.usage.get(variant, NOTHING), result.counts)
            bill.usage_days.add(day)


class CodeRow(msgspec.Struct, frozen=True):
    """A row of analytics: code execution of a key on a day; of `amount` (cents) and `spans` one may be untold."""

    day: str
    workspace: str
    key: str
    amount: str | None = None
    spans: int | None = None


def read_code(bill: Bill, rows: Iterable[CodeRow]) -> None:
    """Take in what analytics says of code execution. Raises ReportError."""
    bill.code_known = True
    for row in rows:
        found = bill.code.setdefault((row.day, row.workspace, row.key), CodeCost())
        if row.amount is not None:
            try:
                found.nano += parse_cents(row.amount).nano
            except ValueError as error:
                raise ReportError(f"analytics of {row.day}, code execution: {error}") from error
        if row.spans is not None:
            found.spans = (found.spans or 0) + row.spans


def _cell(day: str, result: CostResult) -> Cell:
    workspace, kind = result.workspace_id or "", result.cost_type or "tokens"
    if kind in (SEARCH, CODE, SESSION):
        return Cell(day, workspace, kind)
    token = TOKEN_TYPES.get(result.token_type or "", result.token_type or result.description or "other")
    return Cell(day, workspace, token, result.model or "", result.service_tier == "batch")


def _read(buckets: Iterable[Any], kind: Any, name: str) -> Iterable[Any]:  # noqa: ANN401 - a struct type and its values
    for bucket in buckets:
        try:
            yield msgspec.convert(bucket, kind)
        except msgspec.ValidationError as error:
            raise ReportError(f"the {name} cannot be read: {error}") from error
