"""Sums by day: those of the report, read once, with today's read each time and older days again while nobody waits."""

import asyncio
from datetime import date, timedelta
from functools import cache

import msgspec
from hypothesis import HealthCheck, given, settings

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import DecisionKey, DecisionModelKey, Key, Rollup, ShadowModelKey, TagKey, rollup
from planner.core.reports.closing import by_day
from planner.core.reports.folding import of_organizations
from planner.dashboard.days import RENEW_AFTER, Days
from tests.doubles.entries import ledgers
from tests.doubles.months import made
from tests.doubles.paged import NOW, SumsStore
from tests.doubles.reported import closing_of

FIRST, LAST = date(2026, 10, 1), date(2026, 11, 1)


@cache
def month() -> Rollup:
    """The sums of October."""
    return rollup(made().entries)


def store() -> SumsStore:
    """A store of October."""
    kept = SumsStore()
    kept.sums = month()
    return kept


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(ledgers())
def test_they_are_the_sums_of_the_report(entries: list[Entry]) -> None:
    """Folded by day, of every kind, whatever the entries are."""

    async def work() -> None:
        days, now = Days(SumsStore(entries)), NOW.replace(month=12)
        sums = await days.sums(FIRST, date(2026, 12, 1), now, (Key, TagKey, DecisionKey))
        whole = by_day(rollup(entries))
        assert (sums.requests, sums.tags, sums.decisions) == (whole.requests, whole.tags, whole.decisions)
        assert await days.hours(FIRST, date(2026, 12, 1), now) == of_organizations(rollup(entries).requests)
        modelled = await days.sums(FIRST, date(2026, 12, 1), now, (DecisionModelKey, ShadowModelKey))
        assert (modelled.decision_models, modelled.shadow_models) == (whole.decision_models, whole.shadow_models)
        assert modelled.decisions == {key: each for key, each in whole.decisions.items() if each}

    asyncio.run(work())


def test_a_name_that_goes_out_of_a_closing_goes_out_of_pages() -> None:
    """A closing is read again a minute later, since a name may go out of it."""
    told = closing_of([])

    async def work() -> None:
        kept = SumsStore()
        days = Days(kept)
        await days.sums(FIRST, FIRST, NOW)
        assert await days.closing(told.month) is None
        kept.closings[told.month] = msgspec.json.encode(told).decode()
        assert await days.closing(told.month) == told
        kept.closings[told.month] = msgspec.json.encode(msgspec.structs.replace(told, version="later")).decode()
        assert await days.closing(told.month) == told
        await days.sums(FIRST, FIRST, NOW + 2 * RENEW_AFTER)
        renewed = await days.closing(told.month)
        assert renewed is not None
        assert renewed.version == "later"

    asyncio.run(work())


def test_a_second_look_reads_today_alone() -> None:
    """One statement, and no more rows than today has; what is asked twice in one page is read once."""

    async def work() -> None:
        kept = store()
        days = Days(kept)
        first = await days.sums(FIRST, LAST, NOW)
        whole = sum(key.hour[:10] <= "2026-10-21" for key in month().requests)
        assert kept.rows == whole
        assert kept.statements <= whole // 1000 + 1
        kept.rows = kept.statements = 0
        await days.hours(FIRST, LAST, NOW)
        assert await days.sums(FIRST, LAST, NOW + timedelta(seconds=20)) == first
        today = sum(key.hour[:10] == "2026-10-21" for key in month().requests)
        assert kept.statements == 1
        assert kept.rows == today
        assert today < whole / 10

    asyncio.run(work())


def test_days_to_come_are_not_read() -> None:
    """What a clock that went wrong wrote there is nobody's yet."""

    async def work() -> None:
        sums = await Days(store()).sums(FIRST, LAST, NOW)
        assert max(key.hour[:10] for key in sums.requests) == "2026-10-21"

    asyncio.run(work())


def test_days_that_are_over_are_read_again_one_by_one() -> None:
    """A correction of the second appears; each look reads one day, the oldest look first, until all are fresh."""

    async def work() -> None:
        kept = store()
        days = Days(kept)
        await days.sums(FIRST, LAST, NOW)
        assert not await days.renew()
        later = NOW + RENEW_AFTER + timedelta(seconds=1)
        await days.sums(FIRST, LAST, later)
        assert days.as_of(FIRST, LAST) == NOW
        key = next(key for key in kept.sums.requests if key.hour.startswith("2026-10-02"))
        kept.sums = month() + Rollup({key._replace(endpoint="correction"): {"nano.input": 7, "corrections": 1}})
        kept.rows = rounds = 0
        while await days.renew():
            rounds += 1
        assert rounds == 20
        assert days.as_of(FIRST, LAST) == later
        sums = await days.sums(FIRST, LAST, later)
        assert sum(each.get("corrections", 0) for each in sums.requests.values()) == 1 + sum(
            each.get("corrections", 0) for key, each in month().requests.items() if key.hour[:10] <= "2026-10-21"
        )

    asyncio.run(work())


def test_what_is_kept_has_a_bound() -> None:
    """Days that were asked for long ago are let go, never those that are asked for now."""

    async def work() -> None:
        days = Days(store())
        for month_ in range(1, 13):
            await days.sums(date(2025, month_, 1), date(2025, month_, 28), NOW)
        sums = await days.sums(FIRST, LAST, NOW)
        assert sums.requests
        assert days.as_of(date(2025, 1, 1), date(2025, 1, 2)) is None
        assert days.as_of(FIRST, LAST) is not None

    asyncio.run(work())
