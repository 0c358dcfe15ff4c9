"""Price rows read as plain data and kept as exact fractions: the simulator's own reading, shared with nobody."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import lru_cache
from typing import Any

import msgspec
from ruamel.yaml import YAML

CLASSES = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")


class Tier(msgspec.Struct, frozen=True):
    """Nano-dollars per token of each class."""

    nano: Mapping[str, Fraction]


class ModelPrice(msgspec.Struct, frozen=True, kw_only=True):
    """One dated row of model prices."""

    name: str
    models: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    base: Tier
    over_tokens: int | None
    over: Tier | None
    multipliers: Mapping[str, Fraction]

    def tier(self, prompt_tokens: int) -> Tier:
        """The prices of a request with a prompt of that size: the whole request, not the part above."""
        if self.over is not None and self.over_tokens is not None and prompt_tokens > self.over_tokens:
            return self.over
        return self.base

    def covers(self, model: str, at: datetime) -> bool:
        """Whether this row prices that model at that time."""
        return _in_force(self.since, self.until, at) and any(fnmatchcase(model, glob) for glob in self.models)


class ToolPrice(msgspec.Struct, frozen=True, kw_only=True):
    """One dated row of a tool's price, in nano-dollars per use or per second."""

    component: str
    since: datetime | None
    until: datetime | None
    nano: Fraction
    minimum_seconds: Fraction


class PriceRows(msgspec.Struct, frozen=True):
    """All rows, in file order; the first that covers model and time wins."""

    models: tuple[ModelPrice, ...]
    tools: tuple[ToolPrice, ...]

    def model(self, model: str, at: datetime) -> ModelPrice | None:
        """The row for a model at a time, or None: unpriced."""
        return next((row for row in self.models if row.covers(model, at)), None)

    def tool(self, component: str, at: datetime) -> ToolPrice | None:
        """The row for `web_search` or `code_execution` at a time, or None: unpriced."""
        rows = (row for row in self.tools if row.component == component and _in_force(row.since, row.until, at))
        return next(rows, None)


@lru_cache(maxsize=8)
def read(texts: tuple[str, ...]) -> PriceRows:
    """Price rows from the texts of `rules/prices/*.yaml`; dates are midnight UTC, `from` inclusive, `until` not."""
    models: list[ModelPrice] = []
    tools: list[ToolPrice] = []
    for text in texts:
        data = YAML(typ="safe", pure=True).load(text) or {}
        models += [_model(row) for row in data.get("prices") or () if not row.get("revoked")]
        tools += [_tool(row) for row in data.get("tools") or () if not row.get("revoked")]
    return PriceRows(tuple(models), tuple(tools))


def _model(row: Mapping[str, Any]) -> ModelPrice:
    over = row.get("over")
    return ModelPrice(
        name=row["name"],
        models=tuple(row["models"]),
        since=_midnight(row.get("from")),
        until=_midnight(row.get("until")),
        base=_tier(row["usd_per_million"]),
        over_tokens=over["prompt_tokens"] if over else None,
        over=_tier(over["usd_per_million"]) if over else None,
        multipliers={name: Fraction(str(value)) for name, value in (row.get("multipliers") or {}).items()},
    )


def _tool(row: Mapping[str, Any]) -> ToolPrice:
    if "usd_per_thousand" in row:
        nano = Fraction(str(row["usd_per_thousand"])) * 1_000_000
    else:
        nano = Fraction(str(row["usd_per_hour"])) * 1_000_000_000 / 3600
    return ToolPrice(
        component=row["component"],
        since=_midnight(row.get("from")),
        until=_midnight(row.get("until")),
        nano=nano,
        minimum_seconds=Fraction(str(row.get("minimum_minutes", 0))) * 60,
    )


def _tier(prices: Mapping[str, Any]) -> Tier:
    return Tier({name: Fraction(str(prices[name])) * 1000 for name in CLASSES})


def _midnight(value: date | str | None) -> datetime | None:
    if value is None:
        return None
    day = date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return datetime.combine(day, time(), UTC)


def _in_force(since: datetime | None, until: datetime | None, at: datetime) -> bool:
    return (since is None or since <= at) and (until is None or at < until)
