"""Rows hold from midnight to midnight, UTC."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from planner.core.pricing.dated import Dated, one_of, utc_day

DAY = date(2026, 10, 6)


def row(since: date | None = None, until: date | None = None, *, revoked: bool = False) -> Dated:
    """A row of no kind."""
    return Dated(since=since, until=until, source="s", checked=DAY, mark="A", revoked=revoked)


@pytest.mark.parametrize(
    ("dated", "held"),
    [
        (row(), [True, True, True]),
        (row(since=DAY), [False, True, True]),
        (row(until=DAY), [True, False, False]),
        (row(since=DAY, until=DAY + timedelta(1)), [False, True, False]),
        (row(revoked=True), [False, False, False]),
    ],
)
def test_a_row_holds_from_its_first_day_until_its_last(dated: Dated, held: list[bool]) -> None:
    """`since` is inclusive, `until` exclusive, and a revoked row never holds."""
    assert [dated.in_force(DAY + timedelta(days)) for days in (-1, 0, 1)] == held


def test_a_day_is_that_of_utc() -> None:
    """Wherever one is; a time without a zone has none."""
    assert utc_day(datetime(2026, 10, 6, tzinfo=UTC)) == DAY
    assert utc_day(datetime(2026, 10, 7, 1, tzinfo=timezone(timedelta(hours=2)))) == DAY
    with pytest.raises(ValueError, match="zone"):
        utc_day(datetime(2026, 10, 6))  # noqa: DTZ001 - the point


def test_globs_match_whole_words() -> None:
    """Any of them will do; case counts."""
    matches = one_of(["a-*", "b"])
    assert [bool(matches(word)) for word in ("a-1", "b", "b1", "A-1", "")] == [True, True, False, False, False]
