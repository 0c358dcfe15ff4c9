"""`planner report`: periods, choices, closed months with what came since, and every way to refuse."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings

from planner.cli import main
from planner.cli.report import Asked, make
from planner.cli.sums import opened
from planner.clock import SystemClock
from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import is_notional
from tests.cli.test_reading import fill
from tests.doubles.reported import (
    BEGIN,
    END,
    FREE,
    MIDDLE,
    MONTH,
    amended,
    amendment,
    asked,
    closing_of,
    month,
    reported,
    request,
)


def run(*arguments: str) -> Result:
    """Run it."""
    return CliRunner(env={"COLUMNS": "120"}).invoke(main, ["report", *arguments])


def told(*arguments: str) -> dict[str, Any]:
    """The report as JSON."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A ledger of the month."""
    return fill(tmp_path / "ledger.db", *month())


def close(store: str) -> None:
    """Close the month."""
    with opened(store, write=True) as ledger:
        assert ledger.close(closing_of(list(ledger.entries("", "9"))))


def cost(entries: Sequence[Entry]) -> int:
    """What entries that are billed by the token cost."""
    return sum(entry.cost_nano or 0 for entry in entries if not is_notional(entry))


# ---------------------------------------------------------------- periods and choices


def test_a_month_in_every_form(store: str) -> None:
    """As text, as columns, and as JSON, of which the flag is short."""
    text, table, plain, flagged = (
        run("--store", store, "--month", MONTH, *form)
        for form in ((), ("--format", "csv"), ("--format", "json"), ("--json",))
    )
    assert [each.exit_code for each in (text, table, plain, flagged)] == [0, 0, 0, 0]
    assert text.stdout.startswith(f"Report of {MONTH} (UTC) by team\n")
    assert table.stdout.startswith("record,team,requests,")
    assert plain.stdout == flagged.stdout
    assert json.loads(plain.stdout)["total"]["cost"]["nano"] == cost(month())


def test_days_sum_to_the_month_and_hours_can_be_asked_for(store: str) -> None:
    """A period of whole hours, cut where it is said."""
    days = told("--store", store, "--month", MONTH, "--by", "day")
    assert sum(row["figures"]["cost"]["nano"] for row in days["rows"]) == cost(month())
    some = told("--store", store, "--since", "2025-10-03", "--until", "2025-10-05T06:59:00Z")
    mine = [entry for entry in month() if "2025-10-03" <= entry.at < "2025-10-05T06"]
    assert some["total"]["cost"]["nano"] == cost(mine)
    assert some["period"] == {
        "since": "2025-10-03T00:00:00.000000+00:00",
        "until": "2025-10-05T06:00:00.000000+00:00",
        "month": None,
    }
    assert "ask with --month" in some["notes"][0]


def test_without_a_period_it_is_this_month(tmp_path: Path) -> None:
    """With a forecast, or the sentence that too little is known for one."""
    now = SystemClock().now()
    store = fill(tmp_path / "l.db", request(1, now - timedelta(seconds=1)))
    found = told("--store", store)
    assert found["period"]["month"] == f"{now:%Y-%m}"
    assert found["forecast"]["expected"] is None
    assert "Too little is known for a forecast" in run("--store", store).stdout


def test_what_is_asked_for(store: str) -> None:
    """Of several values any, of several dimensions all."""
    both = told("--store", store, "--month", MONTH, "--where", "team=search", "--where", "team=finance")
    assert {row["key"]["team"] for row in both["rows"]} == {"search", "finance"}
    assert both["where"] == {"team": ["finance", "search"]}
    none = told("--store", store, "--month", MONTH, "--where", "team=", "--by", "model,project")
    assert none["total"]["cost"]["nano"] == cost([entry for entry in month() if entry.team is None])
    assert none["by"] == ["model", "project"]
    bundles = told("--store", store, "--month", MONTH, "--by", "decision", "--where", "action=bundle")
    assert {row["key"]["decision"] for row in bundles["rows"]} == {"applied", "declined", ""}


def test_what_belongs_to_whole_organizations_is_left_out_of_parts(store: str) -> None:
    """And a sentence says so."""
    whole = reported(store, asked("team"), MIDDLE, FREE)
    assert whole.forecast is not None
    assert whole.notes == ()
    team = reported(store, asked("team", team=frozenset({"search"})), MIDDLE, FREE)
    assert team.forecast is None
    assert {share.team for share in team.showback} == {"search"}
    assert ["forecast" in note for note in team.notes] == [True]
    model = reported(store, asked("team", model=frozenset({"claude-haiku-5-5"})), MIDDLE, FREE)
    assert (model.forecast, model.showback, len(model.notes)) == (None, (), 2)
    one = reported(store, asked("team", organization=frozenset({"o1"})), MIDDLE, FREE)
    assert one.forecast is not None
    assert one.forecast.spent == one.total.cost


def test_the_forecast_knows_the_month_before(tmp_path: Path) -> None:
    """Five weeks back, of which only this month is in the figures."""
    before = [request(number, BEGIN - timedelta(hours=number)) for number in range(1, 24 * 20)]
    store = fill(tmp_path / "l.db", *before, request(5_000, BEGIN))
    report = reported(store, asked("team"), BEGIN + timedelta(hours=1), FREE)
    assert report.total.cost.nano == 250_000
    assert report.forecast is not None
    assert report.forecast.expected is not None
    assert report.forecast.expected.nano > 31 * 20 * 250_000


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amended())
def test_a_report_of_all_is_the_sum_of_the_ledger(
    tmp_path_factory: pytest.TempPathFactory, ledger: list[Entry]
) -> None:
    """To the nano-dollar, whatever is in it, and however the months are cut."""
    store = fill(tmp_path_factory.mktemp("l") / "l.db", *ledger)
    nano = 0
    with opened(store) as book:
        for first, last in (("2026-10-01", "2026-11-01"), ("2026-11-01", "2026-12-01")):
            since, until = (datetime.fromisoformat(f"{day}T00:00:00+00:00") for day in (first, last))
            report = make(book, Asked(since, until, ("team", "day"), {}, first[:7]), END.replace(tzinfo=UTC), None)
            assert sum(row.figures.cost.nano for row in report.rows) == report.total.cost.nano
            assert sum(share.cost_shared.nano for share in report.showback) == report.total.cost.nano
            nano += report.total.cost.nano
    assert nano == cost(ledger)


# ---------------------------------------------------------------- closed months


def test_a_closed_month_keeps_its_figures(tmp_path: Path, store: str) -> None:
    """What came since is told apart: corrections, and requests that were settled late, of which a warning tells."""
    before = told("--store", store, "--month", MONTH)
    close(store)
    closed = told("--store", store, "--month", MONTH)
    assert closed["closed"]["entries"] == len(month())
    assert {name: closed[name] for name in before if name != "closed"} == {
        name: before[name] for name in before if name != "closed"
    }
    entries = month()
    late = request(6_000, BEGIN + timedelta(days=2), team="search", organization="o1")
    correction = amendment(6_001, entries[2], nano=-1_234_567, at=END + timedelta(days=9))
    fill(tmp_path / "ledger.db", late, correction)
    result = run("--store", store, "--month", MONTH, "--json")
    after = json.loads(result.stdout)
    assert "planner: settled after 2025-10 was closed: 1 request\n" in result.stderr
    for name in ("rows", "total", "kinds", "holdouts", "showback", "notional", "unpriced", "closed"):
        assert after[name] == closed[name]
    since = after["since_closing"]
    assert (since["requests"], since["corrections"]) == (1, 1)
    assert (since["requests_cost"]["nano"], since["corrections_cost"]["nano"]) == (250_000, -1_234_567)
    assert since["total"]["cost"]["nano"] == 250_000 - 1_234_567
    assert sum(row["figures"]["cost"]["nano"] for row in since["rows"]) == 250_000 - 1_234_567
    table = run("--store", store, "--month", MONTH, "--format", "csv").stdout.splitlines()
    assert {line.partition(",")[0] for line in table} == {"record", "row", "since-closing"}
    text = run("--store", store, "--month", MONTH).stdout
    assert "1 correction (-$0.001234567), 1 request settled late ($0.00025)" in text
    assert "it cost $0.000984567 less than was closed" in text


def test_what_came_since_follows_the_choice(tmp_path: Path, store: str) -> None:
    """By tag or decision the sums do not tell what of it are corrections; by others they do."""
    close(store)
    fill(tmp_path / "ledger.db", request(6_000, BEGIN, team="late", tags={"feature": "chat"}))
    elsewhere = told("--store", store, "--month", MONTH, "--where", "team=finance")
    assert elsewhere["since_closing"] is None
    here = told("--store", store, "--month", MONTH, "--where", "team=late")
    assert (here["since_closing"]["requests"], here["since_closing"]["requests_cost"]["nano"]) == (1, 250_000)
    tagged = told("--store", store, "--month", MONTH, "--where", "tags.feature=chat")
    assert (tagged["since_closing"]["requests"], tagged["since_closing"]["requests_cost"]) == (1, None)
    assert "1 request settled late;" in run("--store", store, "--month", MONTH, "--where", "tags.feature=chat").stdout


def test_other_periods_are_told_by_what_is_known_now(tmp_path: Path, store: str) -> None:
    """Only the month as a month is frozen."""
    close(store)
    fill(tmp_path / "ledger.db", request(6_000, BEGIN))
    now = told("--store", store, "--since", "2025-10-01", "--until", "2025-11-01")
    assert now["total"]["cost"]["nano"] == cost(month()) + 250_000
    assert now["closed"] is None


# ---------------------------------------------------------------- refusing


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--by", ""), "--by takes dimensions"),
        (("--by", "colour"), "nothing is told by 'colour'"),
        (("--by", "tag,model"), "tag cannot be crossed with model"),
        (("--where", "team"), "--where takes KEY=VALUE"),
        (("--month", "2025-13"), "a month is written like 2026-11"),
        (("--month", MONTH, "--since", "7d"), "exclude each other"),
        (("--until", "2025-10-03"), "--until needs a --since"),
        (("--since", "2025-10-03", "--until", "2025-10-03"), "is not before"),
        (("--since", "7d", "--until", "soon"), "--until takes 7d"),
        (("--month", MONTH, "close", MONTH), "write the flags of close behind it"),
    ],
)
def test_what_cannot_be_asked_for(store: str, arguments: tuple[str, ...], said: str) -> None:
    """A sentence that says what to do, and the code of wrong usage."""
    result = run(*(arguments if "close" in arguments else (*arguments, "--store", store)))
    assert result.exit_code == 2
    assert said in result.stderr


def test_no_ledger_is_unavailable(tmp_path: Path) -> None:
    """And none is made."""
    result = run("--store", f"sqlite:///{tmp_path}/none.db", "--month", MONTH)
    assert result.exit_code == 3
    assert not list(tmp_path.iterdir())


def test_a_wrong_setting_ends_it_where_rules_decide(tmp_path: Path) -> None:
    """Free hours are a setting, and only the open month asks for them."""
    store = fill(tmp_path / "l.db", request(1, BEGIN))
    assert run("--store", store, "--set", "free_hours.limit=none").exit_code == 2
    assert run("--store", store, "--month", MONTH, "--set", "free_hours.limit=none").exit_code == 0
