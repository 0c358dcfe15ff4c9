"""What the desk is told of a rule book: what people read of it, and nothing that only decides."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from planner import __version__
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import BundleRule, Policy
from planner.dashboard.asked import BookTold, Mode, PolicyTold, PriceTold, RulesTold, SettingTold, Standing
from planner.rulesource import Source, Taken


class Telling:
    """Tells of the running process; what it tells of a book is made once. `containers` counts them, once it can."""

    def __init__(self) -> None:
        self.containers: Callable[[], dict[str, int]] = dict
        self._told: BookTold | None = None

    def standing(  # noqa: PLR0913 - all that is told, named
        self,
        book: RuleBook,
        *,
        now: datetime,
        mode: Mode,
        source: Source | None,
        age: float,
        stale: bool,
        changes: tuple[Taken, ...],
    ) -> Standing:
        """What goes with each question; `source` is None for rules that are not watched."""
        if self._told is None or self._told.digest != book.digest:
            self._told = told(book)
        directory = None if source is None or source.directory is None else str(source.directory)
        return Standing(
            now=now,
            version=__version__,
            mode=mode,
            rules=RulesTold(
                book=self._told,
                age=age,
                changes=changes,
                directory=directory,
                overrides={} if source is None else dict(source.overrides),
                watched=source is not None,
            ),
            stale=stale,
            free_hours=book.settings.free_hours,
            budgets=book.budgets,
            containers=self.containers(),
        )


def told(book: RuleBook) -> BookTold:
    """A rule book as it is told."""
    return BookTold(
        digest=book.digest,
        prices_digest=book.prices.digest,
        prices=(*_models(book), *_tools(book)),
        policies=tuple(map(_policy, book.policies)),
        settings=tuple(
            SettingTold(
                key=row.key,
                value=_text(row.value),
                mark=row.mark,
                source=row.source,
                checked=row.checked,
                overridden=row.overridden,
            )
            for row in book.setting_rows
        ),
        callers=len(book.callers.rows),
    )


def _models(book: RuleBook) -> Iterator[PriceTold]:
    for row in book.prices.rows:
        if not row.revoked:
            yield PriceTold(
                name=row.name,
                models=row.models,
                since=row.since,
                until=row.until,
                rates=msgspec.structs.asdict(row.rates),
                source=row.source,
                checked=row.checked,
                mark=row.mark,
            )


def _tools(book: RuleBook) -> Iterator[PriceTold]:
    for row in book.prices.tools:
        if not row.revoked:
            rates = {"use": row.pico_per_use, "hour": row.pico_per_hour}
            yield PriceTold(
                name=row.component,
                models=(),
                since=row.since,
                until=row.until,
                rates={unit: pico for unit, pico in rates.items() if pico is not None},
                source=row.source,
                checked=row.checked,
                mark=row.mark,
            )


def _policy(policy: Policy) -> PolicyTold:
    return PolicyTold(
        name=policy.name,
        why=policy.why,
        mode=policy.mode,
        match=_said(policy.match),
        when=policy.when,
        then=_said(policy.then) | ({} if policy.then.bundle is None else {"bundle": _bundle(policy.then.bundle)}),
        rollout=policy.rollout.percent,
        holdout=policy.holdout.percent,
        since=policy.since,
        until=policy.until,
    )


def _bundle(rule: BundleRule) -> str:
    """Whether to make code free, by what, and how far that may reach."""
    if rule.act == "never":
        return rule.act
    by = f"adding {rule.tool}" if rule.by == "add" else "raising the caller's web tool"
    bounds = {"domains": rule.domains, "max_uses": rule.max_uses, "url_sources": rule.url_sources}
    return ", ".join([rule.act, by, *(f"{name} {_text(value)}" for name, value in bounds.items() if value is not None)])


def _said(struct: msgspec.Struct) -> dict[str, str]:
    """What a struct says, field by field; what is left out says nothing."""
    found: dict[str, Any] = msgspec.structs.asdict(struct)
    return {name: _text(value) for name, value in found.items() if value is not None}


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a rule file can hold
    """A value as people would write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, tuple | list):
        return ", ".join(map(_text, value))
    if isinstance(value, msgspec.Struct):
        return " ".join(f"{name} {text}" for name, text in _said(value).items())
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(each)}" for name, each in value.items())
    return msgspec.json.encode(value).decode()
