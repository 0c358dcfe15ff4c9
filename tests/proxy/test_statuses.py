"""What a caller is told of a budget."""

from datetime import UTC, datetime, timedelta

import msgspec

from planner.proxy.statuses import Status, header, refusal, retry_after

RESETS = datetime(2026, 12, 1, tzinfo=UTC)
STATUS = Status(
    budget="finance-month", value="", spent=80_123_456_789, limit=100_000_000_000, resets=RESETS, percent=80
)


def test_the_header_is_a_structured_field() -> None:
    """A List of Strings with parameters; exact amounts, the moment at which it begins anew, and what was reached."""
    said = b'"finance-month";spent="80.123456789";limit="100";percent=80;resets=@1796083200'
    assert header([STATUS]) == said
    other = msgspec.structs.replace(STATUS, budget='a "b\\é', value="team-1", percent=None)
    assert header([STATUS, other]) == said + (
        b', "a \\"b\\\\?";value="team-1";spent="80.123456789";limit="100";resets=@1796083200'
    )


def test_a_refusal_says_what_and_until_when() -> None:
    """In dollars and cents; one that is not spent has too little left."""
    assert refusal(STATUS) == (
        "the budget finance-month has not enough left for this request: $80.12 of $100.00. "
        "It begins anew at 2026-12-01T00:00:00Z"
    )
    spent = msgspec.structs.replace(STATUS, value="finance", spent=100_000_000_000)
    assert refusal(spent).startswith("the budget finance-month of finance is spent: $100.00 of $100.00.")


def test_the_wait_is_whole_seconds() -> None:
    """Rounded up, and at least one."""
    assert retry_after(STATUS, RESETS - timedelta(seconds=90, milliseconds=1)) == b"91"
    assert retry_after(STATUS, RESETS) == b"1"
