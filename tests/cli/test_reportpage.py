"""The pages of a report: golden files, columns that add up, and names that could be taken for something else."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from planner.cli.reportpage import SHARED, Report, as_csv, as_json, as_text, columns
from planner.core.ledger.entry import Code, Lost, Seconds
from planner.core.money import parse_nano
from planner.core.reasons import Action, Decision, Outcome
from planner.core.reports.wording import dollars
from tests.cli.test_reading import fill
from tests.doubles.reported import BEGIN, GOLDEN, asked, month, pages, reported, request


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The golden pages as they are made now."""
    return pages(tmp_path_factory.mktemp("golden"))


NAMES = sorted(path.name for path in GOLDEN.glob("report-*"))


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_pages(made: dict[str, str], name: str) -> None:
    """`python -m tests.doubles.reported` writes them anew."""
    assert made[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_every_page_has_its_golden_file(made: dict[str, str]) -> None:
    """None is forgotten."""
    assert sorted(made) == NAMES


@pytest.fixture
def whole(tmp_path: Path) -> Report:
    """The month by team."""
    return reported(fill(tmp_path / "l.db", *month()), asked("team"))


def rows_of(page: str) -> list[dict[str, str]]:
    """The rows of a CSV page by column."""
    return list(csv.DictReader(io.StringIO(page)))


def test_the_columns_add_up_to_the_total(whole: Report) -> None:
    """Counts, milliseconds and money; dollars are the same amounts in other words."""
    rows, total = rows_of(as_csv(whole)), json.loads(as_json(whole))["total"]
    assert list(rows[0]) == ["record", "team", *columns(), *SHARED]
    assert sum(int(row["requests"]) for row in rows) == total["requests"]
    for name in ("listed", "code_execution", "credit", "cost", "estimated", "untouched", "compared", "saved"):
        assert sum(int(row[f"{name}_nano"]) for row in rows) == total[name]["nano"]
        assert sum(parse_nano(row[f"{name}_usd"]) for row in rows) == total[name]["nano"]
    assert sum(int(row["tokens_output"]) for row in rows) == total["tokens"]["output"]
    assert sum(int(row["container_ms_likely"]) for row in rows) == total["container_ms"]["likely"]


def test_shared_columns_are_there_where_rows_are_teams(whole: Report, tmp_path: Path) -> None:
    """They change no total; of other rows they are empty."""
    rows = rows_of(as_csv(whole))
    for shared, fell in (("credit_shared_nano", "credit_nano"), ("cost_shared_nano", "cost_nano")):
        assert sum(int(row[shared]) for row in rows) == sum(int(row[fell]) for row in rows)
    assert any(row["credit_shared_nano"] != row["credit_nano"] for row in rows)
    store = fill(tmp_path / "m.db", *month())
    both = rows_of(as_csv(reported(store, asked("organization", "team"))))
    assert sum(int(row["cost_shared_nano"]) for row in both) == whole.total.cost.nano
    models = rows_of(as_csv(reported(store, asked("team", "model"))))
    assert all(row[name] == "" for row in models for name in SHARED)


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("by", [("team",), ("day", "team"), ("team", "model", "principal"), ("tags.feature",)])
def test_every_page_fits(tmp_path: Path, width: int, by: tuple[str, ...]) -> None:
    """No line is wider than the terminal."""
    page = as_text(reported(fill(tmp_path / "l.db", *month()), asked(*by)), width)
    assert max(map(cell_len, page.splitlines())) <= width


def test_names_are_no_markup_no_escape_and_no_formula(tmp_path: Path) -> None:
    """Clients may call a team anything; JSON has it as it is."""
    names = ("[red]a[/red]", "=cmd(),\n", "-1", "\x9b31mred", "plain")
    store = fill(tmp_path / "l.db", *(request(number, BEGIN, team=name) for number, name in enumerate(names)))
    report = reported(store, asked("team"))
    page = as_text(report, 100)
    assert "[red]a[/red]" in page
    assert "?31mred" in page
    assert "\x9b" not in page
    assert {row["team"] for row in rows_of(as_csv(report))} == {names[0], "'=cmd(),\n", "'-1", names[3], "plain"}
    assert {line["key"]["team"] for line in json.loads(as_json(report))["rows"]} == set(names)


def test_many_rows_are_cut_on_the_page_alone(tmp_path: Path) -> None:
    """The other forms have them all."""
    entries = [request(number, BEGIN, team=f"team-{number:03}") for number in range(60)]
    report = reported(fill(tmp_path / "l.db", *entries), asked("team"))
    page = as_text(report, 100)
    assert "team-049" in page
    assert "team-050" not in page
    assert "… 10 more in --format csv" in page
    assert len(rows_of(as_csv(report))) == 60


@given(st.integers(-(10**18), 10**18), st.sampled_from([2, 4]))
def test_rounding_never_makes_nothing_of_something(nano: int, decimals: int) -> None:
    """Dollars for people are near to what they stand for."""
    text = dollars(nano, decimals).replace(",", "")
    if text.startswith(("<", ">")):
        assert 0 < abs(nano) <= 10 ** (9 - decimals)
        assert text.startswith("<") == (nano > 0)
    else:
        assert abs(parse_nano(text) - nano) <= 10 ** (9 - decimals) // 2
        assert (parse_nano(text) == 0) == (nano == 0)


def test_dollars() -> None:
    """As people write them."""
    assert dollars(1_234_567_890_000, 2) == "1,234.57"
    assert dollars(-5_000_000, 2) == ">-0.01"
    assert dollars(-12_345_000_000, 4) == "-12.3450"
    assert dollars(0, 2) == "0.00"


def test_what_became_of_containers(tmp_path: Path) -> None:
    """A sentence where there is something to say, and none where every container was new."""
    code = Code(1, Seconds(0.0, 2.0, 3.0), "covered", avoided_nano=4_000_000, start_saved_ms=1_500)
    threaded = (Decision(Action.CONTAINER, Outcome.THREADED),)
    gone = Lost("c", "refused", ours=True)
    entries = (
        request(1, BEGIN, code=code, container="c", decisions=threaded),
        request(2, BEGIN, lost=gone, replayed="container"),
    )
    said = " ".join(as_text(reported(fill(tmp_path / "l.db", *entries), asked("team")), 80).split())
    assert (
        "Containers: 0 started, 1 gone on in, 1 lost; 1 request sent again. "
        "Spared, as estimated: 1 minimum ($0.004) and 1.5 s of starts."
    ) in said
    assert "Containers:" not in as_text(reported(fill(tmp_path / "m.db", *month()), asked("team")), 80)
