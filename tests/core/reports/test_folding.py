"""What forecasts go by may be folded: they say the same."""

from hypothesis import HealthCheck, given, settings

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import rollup
from planner.core.reports.figures import total
from planner.core.reports.folding import of_organizations
from planner.core.reports.forecast import forecast
from planner.core.rulebook.book import FreeHoursSettings
from tests.doubles.entries import ledgers
from tests.doubles.months import made
from tests.doubles.paged import NOW


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ledgers())
def test_nothing_is_lost(entries: list[Entry]) -> None:
    """The whole is the same, and organizations and hours are still told apart."""
    sums = rollup(entries).requests
    folded = of_organizations(sums)
    assert total(folded.values()) == total(sums.values())
    assert {(key.hour, key.organization) for key in folded} <= {(key.hour, key.organization) for key in sums}


@settings(deadline=None, max_examples=1, suppress_health_check=[HealthCheck.too_slow])
@given(ledgers())
def test_a_forecast_of_folded_sums_is_a_forecast_of_the_sums(more: list[Entry]) -> None:
    """Over a month of traffic, and odd entries on top."""
    sums = rollup((*made().entries, *more)).requests
    known = {key: amounts for key, amounts in sums.items() if key.hour < NOW.isoformat()}
    free = FreeHoursSettings(limit=25)
    assert forecast(of_organizations(known), NOW, free) == forecast(known, NOW, free)
