"""What finance reads is documented: fields, columns and dimensions of reports, of closings and of the estimate."""

from typing import get_args

import msgspec
import pytest

from planner.cli import estimate, reportclose, reportpage
from planner.core.reports.closing import Verified
from planner.core.reports.dimensions import COMMON, MODEL, OF_DECISIONS, OF_REQUESTS
from planner.core.reports.figures import Figures, Money
from tests.test_contract import fields, section, table, words


@pytest.mark.parametrize(
    ("title", "shape"),
    [("Report of a period", reportpage.Report), ("Figures", Figures), ("Estimate of savings", estimate.Estimate)],
)
def test_every_field_of_a_report_is_documented(title: str, shape: type) -> None:
    """What finance reads, as JSON; amounts of money and figures are told once."""
    assert set(table(title)) == set(fields(shape, whole=(Money, Figures) if shape is not Figures else (Money,)))


def test_every_column_of_a_report_is_documented() -> None:
    """A figure is a column, and an amount of money two; those around them are named."""
    money = {field.name for field in msgspec.structs.fields(Figures) if Money in (field.type, *get_args(field.type))}
    told = [name.replace(".", "_") for name in table("Figures")]
    found = [column for name in told for column in ([f"{name}_usd", f"{name}_nano"] if name in money else [name])]
    assert found == list(reportpage.columns())
    assert {"record", "row", "since-closing", *reportpage.SHARED} <= set(words(section("Figures").partition("|")[0]))


def test_every_dimension_of_a_report_is_documented() -> None:
    """With the sums that it is of, which says what it can be crossed with."""
    told = {name: cells[0] for name, cells in table("Dimensions of a report").items()}
    of = {
        "all": COMMON,
        "requests": set(OF_REQUESTS) - set(COMMON) - {MODEL},
        "requests, decisions": {MODEL},
        "decisions": OF_DECISIONS,
        "tags": {"tag", "tags.KEY"},
    }
    assert told == {name: sums for sums, names in of.items() for name in names}


def test_every_field_of_a_closing_is_documented() -> None:
    """Of a month that is closed, and of one that is verified."""
    closed, verified = section("planner report close").partition("As JSON:")[2].split("With `--verify`:")
    assert set(words(closed)) == set(fields(reportclose.ClosedMonth, whole=(Money,)))
    assert set(words(verified)) == set(fields(Verified, whole=(Money,)))
