"""The ledger as a flat table: one row an entry, for a spreadsheet. Nothing is left out; an unknown cost is empty.

Quantities are those of the cost lines; where there are none because the cost is unknown, the tokens that were read.
What a subscription pays for costs 0 and stands in a column of its own, so that the costs add up to the bill.
"""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from planner.core.exports.tabular import Cell, Column, Kind, Row, at_scale, key_values
from planner.core.ledger.charges import LeftOut, balance, by_kind, deciding_policy, is_notional, outcomes
from planner.core.ledger.entry import Entry
from planner.core.pricing.prices import CODE, CREDIT

NANO: Final = 9
MILLI: Final = 3
_TOKENS: Final = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")


def _of(name: str, kind: Kind = "text", scale: int = 0, *, null: bool = True) -> Column:
    return Column(name=name, kind=kind, scale=scale, nullable=null)


COLUMNS: Final[tuple[Column, ...]] = (
    _of("request_id", null=False),
    _of("at", "time", null=False),
    _of("endpoint", null=False),
    _of("outcome", null=False),
    _of("status", "integer"),
    _of("principal", null=False),
    _of("organization"),
    _of("workspace"),
    _of("team"),
    _of("project"),
    _of("tags", "json"),
    _of("model"),
    _of("served_model"),
    _of("mode", null=False),
    _of("cost_usd", "decimal", NANO),
    _of("list_usd", "decimal", NANO),
    _of("untouched_usd", "decimal", NANO),
    _of("saving_usd", "decimal", NANO),
    _of("allowance_credit_usd", "decimal", NANO),
    _of("notional_usd", "decimal", NANO),
    _of("unpriced"),
    *(_of(f"{kind}_tokens", "integer") for kind in _TOKENS),
    _of("web_searches", "integer"),
    _of("container_seconds", "decimal", MILLI),
    _of("free_container_seconds", "decimal", MILLI),
    _of("code_runs", "integer"),
    _of("container"),
    _of("policy"),
    _of("decisions", "json"),
    _of("corrects"),
    _of("corrected_at", "time"),
    _of("rules_digest", null=False),
    _of("prices_digest", null=False),
)
_NAMES: Final = tuple(column.name for column in COLUMNS)


class EntryTable:
    """Makes the row of each entry; `total` names the column whose sum is the bill. `left_out` stays empty."""

    columns = COLUMNS
    total = "cost_usd"

    def __init__(self) -> None:
        self.left_out = LeftOut()

    def rows(self, entry: Entry) -> list[Row]:
        """The one row of an entry. Raises UnbalancedError where its lines do not add up to its cost."""
        balance(entry)
        corrected = entry.corrected_at
        cells: dict[str, Cell] = {
            "request_id": entry.request_id,
            "at": datetime.fromisoformat(entry.at).astimezone(UTC),
            "endpoint": entry.endpoint,
            "outcome": entry.outcome,
            "status": entry.status,
            "principal": entry.principal,
            "organization": entry.organization or None,
            "workspace": entry.workspace or None,
            "team": entry.team or None,
            "project": entry.project or None,
            "tags": key_values(entry.tags),
            "model": entry.model or None,
            "served_model": entry.served_model or None,
            "mode": entry.mode,
            "unpriced": entry.unpriced,
            "code_runs": None if entry.code is None else entry.code.runs,
            "container": entry.container,
            "policy": deciding_policy(entry),
            "decisions": key_values(outcomes(entry)),
            "corrects": entry.corrects,
            "corrected_at": None if corrected is None else datetime.fromisoformat(corrected).astimezone(UTC),
            "rules_digest": entry.digests.rules,
            "prices_digest": entry.digests.prices,
        }
        cells |= _amounts(entry) | _quantities(entry)
        return [tuple(cells.get(name) for name in _NAMES)]


def _amounts(entry: Entry) -> dict[str, Cell]:
    if entry.cost_nano is None:
        return {}
    if is_notional(entry):
        return {"cost_usd": 0, "list_usd": 0, "notional_usd": entry.cost_nano}
    untouched = entry.untouched_nano
    credit = sum(line.nano for line in entry.lines if line.kind == CREDIT)
    return {
        "cost_usd": entry.cost_nano,
        "list_usd": sum(line.listed for line in entry.lines),
        "untouched_usd": untouched,
        "saving_usd": None if untouched is None else untouched - entry.cost_nano,
        "allowance_credit_usd": credit,
    }


def _quantities(entry: Entry) -> dict[str, Cell]:
    if entry.cost_nano is None:
        tokens = entry.tokens
        return {} if tokens is None else {f"{kind}_tokens": getattr(tokens, kind) for kind in _TOKENS}
    used = by_kind(entry.lines)
    cells: dict[str, Cell] = {f"{kind}_tokens": int(used.get(kind, 0)) for kind in _TOKENS}
    return cells | {
        "web_searches": int(used.get("web_search", 0)),
        "container_seconds": at_scale(used.get(CODE, Fraction()), MILLI),
        "free_container_seconds": at_scale(used.get(CREDIT, Fraction()), MILLI),
    }
