"""Container hours count in the month and for the organization in which they were used."""

from datetime import UTC, datetime, timedelta, timezone

from planner.proxy.hours import MS_PER_HOUR, Hours, beginning

OCTOBER = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


def test_each_organization_has_its_own() -> None:
    """One that is not known is one as well; the total is everybody's."""
    hours = Hours()
    hours.add("one", NOVEMBER, MS_PER_HOUR, 2 * MS_PER_HOUR)
    hours.add("", NOVEMBER, 3 * MS_PER_HOUR, 0)
    assert (hours.of("one", NOVEMBER), hours.untouched("one", NOVEMBER)) == (1, 2)
    assert (hours.of("", NOVEMBER), hours.untouched("", NOVEMBER)) == (3, 0)
    assert hours.of("two", NOVEMBER) == 0
    assert hours.total(NOVEMBER) == 4


def test_a_month_begins_at_zero() -> None:
    """At midnight UTC, wherever the clock's zone is."""
    hours = Hours()
    hours.add("o", OCTOBER, MS_PER_HOUR, MS_PER_HOUR)
    assert hours.of("o", NOVEMBER) == 0
    west = timezone(timedelta(hours=-8))
    assert hours.of("o", OCTOBER.astimezone(west)) == 1
    assert hours.of("o", NOVEMBER.astimezone(west)) == 0


def test_a_request_that_ends_in_the_next_month() -> None:
    """It counts in the month that it began in, and wipes nothing out of the next."""
    hours = Hours()
    hours.add("o", NOVEMBER, MS_PER_HOUR, MS_PER_HOUR)
    hours.add("o", OCTOBER, MS_PER_HOUR, MS_PER_HOUR)
    assert (hours.of("o", NOVEMBER), hours.of("o", OCTOBER)) == (1, 1)


def test_old_months_are_let_go() -> None:
    """What is kept does not grow with the age of the process."""
    hours = Hours()
    for month in range(1, 13):
        hours.add("o", datetime(2026, month, 1, tzinfo=UTC), MS_PER_HOUR, 0)
    assert hours.of("o", datetime(2026, 12, 5, tzinfo=UTC)) == 1
    assert hours.of("o", datetime(2026, 11, 5, tzinfo=UTC)) == 1
    assert hours.of("o", datetime(2026, 2, 5, tzinfo=UTC)) == 0


def test_a_restart() -> None:
    """The ledger's sums of this month count on."""
    hours = Hours()
    now = datetime(2026, 11, 22, 3, tzinfo=timezone(timedelta(hours=2)))
    hours.restore({"o": (MS_PER_HOUR, 2 * MS_PER_HOUR)}, now)
    hours.add("o", now, MS_PER_HOUR, 0)
    assert (hours.of("o", now), hours.untouched("o", now)) == (2, 2)
    assert beginning(now) == NOVEMBER
