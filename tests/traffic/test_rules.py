"""The month's rules are rules like any other: they are read without a finding, and name everybody."""

from planner.core.rulefile import read
from planner.rulesource import read_files
from planner.traffic.rules import overrides, rule_files
from planner.traffic.teams import AGENTS


def test_they_are_read_without_a_finding() -> None:
    """With a contract and without; each agent is known, and who pays for it."""
    for discounts in (False, True):
        reading = read(rule_files(read_files(None), discounts=discounts), overrides(5_000))
        assert reading.findings == ()
        assert reading.book is not None
        assert bool(reading.book.prices.discounts) is discounts
        for agent in AGENTS:
            row = reading.book.callers.find(agent.fingerprint)
            assert row is not None
            assert (row.name, row.team, row.billing or "api") == (agent.name, agent.team, agent.billing)


def test_free_hours_shrink_with_the_month() -> None:
    """A whole month has what Anthropic gives, the smallest one hour."""
    assert overrides(300_000) == {"free_hours.limit": "1550"}
    assert overrides(5_000) == {"free_hours.limit": "26"}
    assert overrides(0) == {"free_hours.limit": "1"}
