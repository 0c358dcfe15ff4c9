"""The rules: which are in force since when, what is wrong with the files as they are now, and how old prices are."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Final

from planner.core.findings import Finding
from planner.core.money import format_nano
from planner.core.reports.wording import several
from planner.dashboard.asked import BookTold, PolicyTold, PriceTold, RulesTold
from planner.dashboard.room import Content, Figure, Page, Room
from planner.dashboard.tables import Column, Row, Table
from planner.rulesource import Looked, Rules, Source

OLD_DAYS: Final = 30
"""Prices that nobody compared with their source for longer are called old. Ours."""
MODES: Final = {"enforce": "enforced", "shadow": "in shadow", "off": "off"}
PICO_PER_NANO: Final = 1_000
MARKS: Final = {"A": "official", "B": "official, seen in part", "C": "reported by others", "?": "nobody says"}


async def make(room: Room) -> Content:
    """The rules of the running process."""
    rules, today = room.standing.rules, room.now.astimezone(UTC).date()
    looked, findings = _looked(room)
    tables = (
        _findings(findings),
        _changes(rules),
        _policies(rules.book.policies),
        _prices(rules.book.prices, today),
        _settings(rules.book, today),
    )
    return Content(
        said={
            "rules": rules,
            "verdict": _verdict(room, looked, findings),
            "since": (room.now - timedelta(seconds=rules.age)),
            "shipped": rules.directory is None,
        },
        figures=tuple(_figures(rules.book, today, findings)),
        tables=tables,
    )


PAGE = Page("rules", "Rules", make)


def _looked(room: Room) -> tuple[Looked | None, tuple[Finding, ...]]:
    """What the files hold now, and what is found in them; nothing where they are not watched.

    They are compiled once, and again when they change.
    """
    rules = room.standing.rules
    if not rules.watched:
        return None, ()
    source = Source(None if rules.directory is None else Path(rules.directory), rules.overrides)
    looked = source.look()
    if looked.trouble is not None:
        return looked, ()
    key = f"rules {looked.digest}"
    found: Rules | None = room.memo.get(key)
    if found is None:
        found = room.memo[key] = source.compile(looked.files)
        for other in [name for name in room.memo if name.startswith("rules ") and name != key]:
            del room.memo[other]
    return looked, found.findings


def _verdict(room: Room, looked: Looked | None, findings: tuple[Finding, ...]) -> str:
    """Whether what is in force is what the files say, in a sentence or two."""
    rules = room.standing.rules
    enforced = sum(policy.mode == "enforce" for policy in rules.book.policies)
    shadow = sum(policy.mode == "shadow" for policy in rules.book.policies)
    policies = f"{several(enforced, 'policy is', 'policies are')} enforced, {shadow} in shadow."
    if looked is not None and looked.trouble is not None:
        return f"The rules cannot be read ({looked.trouble}); those in force stay. {policies}"
    if any(finding.level == "error" for finding in findings):
        wrong = several(sum(finding.level == "error" for finding in findings), "error")
        return f"The files have {wrong}, so the rules in force stay until these are mended. {policies}"
    if room.standing.stale:
        return f"The rules have changed and could not be taken; those in force stay. {policies}"
    return f"The rules in force are what the files say. {policies}" if looked is not None else policies


def _figures(book: BookTold, today: date, findings: tuple[Finding, ...]) -> Iterator[Figure]:
    ages = [_age(row.checked, today) for row in book.prices]
    newest, oldest = min(ages, default=0), max(ages, default=0)
    yield Figure(
        name="digest",
        label="Rule book",
        shown=book.digest[:8],
        exact=book.digest,
        unit="text",
        basis="digest",
        note=f"prices {book.prices_digest[:8]}",
    )
    yield Figure(
        name="price_age_days",
        label="Prices compared",
        shown="today" if newest <= 0 else f"{several(newest, 'day')} ago",
        exact=newest,
        unit="days",
        basis="counted",
        note=f"the oldest row {several(oldest, 'day')} ago" + (": old" if oldest > OLD_DAYS else ""),
    )
    wrong = sum(finding.level == "error" for finding in findings)
    yield Figure(
        name="findings",
        label="Findings",
        shown=f"{len(findings):,}",
        exact=len(findings),
        unit="count",
        basis="counted",
        note=f"{several(wrong, 'error')}, {several(len(findings) - wrong, 'warning')}",
    )
    yield Figure(
        name="policies",
        label="Policies",
        shown=f"{len(book.policies):,}",
        exact=len(book.policies),
        unit="count",
        basis="counted",
        note=f"{several(book.callers, 'principal')} in callers.yaml",
    )


def _findings(findings: Iterable[Finding]) -> Table:
    return Table(
        name="findings",
        title="What is found in the files now",
        columns=(
            Column("place", "Place", "code"),
            Column("level", "Level"),
            Column("finding", "Finding", "long"),
            Column("code", "Code", "code"),
        ),
        rows=tuple(
            Row((f"{each.path}:{each.line}:{each.col}", each.level, each.message, each.code)) for each in findings
        ),
        note="As planner rules check says it; a file that is mended is taken by itself, within seconds.",
    )


def _changes(rules: RulesTold) -> Table:
    return Table(
        name="reloads",
        title="Reloads",
        columns=(
            Column("at", "When", "word"),
            Column("result", "Result"),
            Column("digest", "In force since", "code"),
            Column("findings", "Found", "long"),
        ),
        rows=tuple(
            Row(
                (
                    f"{each.at:%Y-%m-%d %H:%M:%S}",
                    "taken" if each.took else "refused",
                    each.digest,
                    "; ".join(finding.partition("\n")[0] for finding in each.findings) or "nothing",
                )
            )
            for each in rules.changes
        ),
        note="Since this process started, the newest first; times are UTC.",
    )


def _policies(policies: Iterable[PolicyTold]) -> Table:
    """Each with what it says, in the order in which they are asked."""
    return Table(
        name="policies",
        title="Policies, in the order in which they are asked",
        columns=(
            Column("policy", "Policy", "word"),
            Column("mode", "Mode", "word"),
            Column("for", "For", "long"),
            Column("does", "Does", "long"),
            Column("rollout", "Roll-out", "share"),
            Column("holdout", "Hold-out", "share"),
            Column("why", "Why", "long"),
        ),
        rows=tuple(
            Row(
                (
                    each.name,
                    MODES[each.mode],
                    _whom(each),
                    "; ".join(f"{name}: {text}" for name, text in each.then.items()),
                    each.rollout / 100,
                    each.holdout / 100,
                    each.why,
                )
            )
            for each in policies
        ),
    )


def _whom(policy: PolicyTold) -> str:
    """Which requests it is for."""
    said = [f"{name} {text}" for name, text in policy.match.items()]
    if policy.when is not None:
        said.append(f"when {policy.when}")
    days = [f"{word} {day}" for word, day in (("from", policy.since), ("until", policy.until)) if day is not None]
    return "; ".join([*said, *days]) or "every request"


def _prices(prices: Iterable[PriceTold], today: date) -> Table:
    """A row a price row; dollars per million tokens, per thousand uses, or per hour."""
    rows = []
    for each in prices:
        rates = each.rates
        cells = [_per_million(rates.get(name)) for name in ("input", "cache_write_5m", "cache_read", "output")]
        besides = [f"{_usd(rates['use'] * 1_000)} a thousand"] if "use" in rates else []
        besides += [f"{_usd(rates['hour'])} an hour"] if "hour" in rates else []
        until = (each.until - timedelta(days=1)).isoformat() if each.until else ""
        span = f"{each.since or ''} to {until}" if each.since or until else "always"
        name = f"{each.name}{': ' if besides else ''}{', '.join(besides)}"
        rows.append(Row((name, span, *cells, _age(each.checked, today), MARKS[each.mark], each.source)))
    return Table(
        name="prices",
        title="Prices",
        columns=(
            Column("row", "Row"),
            Column("days", "Holds", "word"),
            Column("input", "Input", "usd"),
            Column("cache_write", "Cache write", "usd"),
            Column("cache_read", "Cache read", "usd"),
            Column("output", "Output", "usd"),
            Column("age_days", "Compared, days ago", "count"),
            Column("mark", "How sure"),
            Column("source", "Source", "long"),
        ),
        rows=tuple(rows),
        note="Dollars for a million tokens. Long prompts, batches and fast mode have prices of their own in the files.",
    )


def _per_million(pico: int | None) -> int | None:
    """Nano-dollars for a million tokens, of pico-dollars for one."""
    return None if pico is None else pico * 1_000_000 // PICO_PER_NANO


def _age(checked: date, today: date) -> int:
    """Days since a day; whoever's day begins earlier than ours has not seen the future."""
    return max((today - checked).days, 0)


def _usd(pico: int) -> str:
    return f"${format_nano(pico // PICO_PER_NANO)}"


def _settings(book: BookTold, today: date) -> Table:
    return Table(
        name="settings",
        title="Facts that nobody has published, as settings",
        columns=(
            Column("setting", "Setting", "code"),
            Column("value", "Value"),
            Column("from", "From"),
            Column("mark", "How sure"),
            Column("age_days", "Checked, days ago", "count"),
        ),
        rows=tuple(
            Row(
                (
                    each.key,
                    each.value,
                    "--set" if each.overridden else "settings.yaml",
                    MARKS[each.mark],
                    _age(each.checked, today),
                )
            )
            for each in book.settings
        ),
    )
