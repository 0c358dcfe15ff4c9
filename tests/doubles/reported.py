"""A month of a small ledger in which everything occurs that a report tells, and the pages that golden files keep of it.

`python -m tests.doubles.reported` writes the golden files anew.
"""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st
from msgspec import structs

from planner.cli.report import Asked, make
from planner.cli.reportpage import Report, as_csv, as_json, as_text
from planner.cli.sums import opened
from planner.core.ledger.entry import CORRECTION, Code, Entry, Seconds
from planner.core.ledger.rollup import rollup
from planner.core.pricing.prices import Basis, Line
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.reports.closing import Closing, Seal, close
from planner.core.rulebook.book import FreeHoursSettings
from tests.cli.test_reading import fill
from tests.doubles.entries import ledgers
from tests.doubles.recorded import entry as recorded

GOLDEN: Final = Path(__file__).parent.parent / "cli/golden"
MONTH: Final = "2025-10"
BEGIN: Final = datetime(2025, 10, 1, tzinfo=UTC)
END: Final = datetime(2025, 11, 1, tzinfo=UTC)
MIDDLE: Final = datetime(2025, 10, 20, 12, tzinfo=UTC)
MINIMUM: Final = 4_166_667
FREE: Final = FreeHoursSettings(limit=5)


def request(number: int, at: datetime, **changes: Any) -> Entry:
    """A settled request with an id and a time of its own."""
    usual = recorded(0, **({"shape": None} if changes.pop("shapeless", False) else {}))
    wanted = {"request_id": f"{number:024x}", "at": at.isoformat(timespec="microseconds"), "code": None, **changes}
    lines: tuple[Line, ...] = wanted.get("lines", usual.lines)
    if wanted.get("unpriced") is None:
        cost = sum(line.nano for line in lines)
        wanted = {"cost_nano": cost, "list_nano": sum(line.listed for line in lines), "untouched_nano": cost} | wanted
    return structs.replace(usual, **wanted)


def container(*, credited: bool, nano: int = MINIMUM, basis: Basis = "estimated") -> tuple[Line, ...]:
    """Five minutes of a container, free of charge or not."""
    charged = Line("code_execution", "300", "second", nano, basis)
    return (charged, Line("allowance_credit", "300", "second", -nano, basis)) if credited else (charged,)


def month() -> list[Entry]:
    """Four requests a day of three teams, half of them with code, a policy with a hold-out; and some odd ones."""
    found = []
    for number in range(31 * 4):
        at = BEGIN + timedelta(hours=6 * number, minutes=number % 60)
        team = ("search", "finance", None)[number % 3]
        held_out = (number // 2) % 2 == 0
        tokens = Line(
            "input", 2_500, "token", 200_000_000 + 1_000_003 * number, "measured", 250_000_000 + 1_250_004 * number
        )
        ran = number % 2 == 0
        lines = (tokens, *(container(credited=number < 60) if ran else ()))
        cost = sum(line.nano for line in lines)
        reason = Reason.HOLDOUT if held_out else None
        found.append(
            request(
                number,
                at,
                team=team,
                project="alpha" if number % 5 else None,
                principal=f"key-{number % 2}",
                organization="o1" if number % 7 else "o2",
                served_model="claude-haiku-5-5" if number % 4 else "claude-opus-5-5",
                tags={"feature": "chat" if number % 2 else "batch", "team": team or "none"} if number % 3 else {},
                lines=lines,
                untouched_nano=cost + (0 if held_out else 5_000_000),
                prefix=f"{number % 2}",
                decisions=(
                    Decision(Action.VERSION, Outcome.KEPT),
                    Decision(Action.BUNDLE, Outcome.DECLINED if held_out else Outcome.APPLIED, reason, "cheap"),
                ),
                code=Code(1, Seconds(0.0, 12.5, 40.0), "billed", 300_000, 300_000) if ran else None,
                container="c" if ran else None,
            )
        )
    noon = BEGIN + timedelta(days=9, hours=12)
    notional = (Line("input", 9, "token", 7_000_000, "notional"),)
    odd = (
        request(1_000, noon, shapeless=True, cost_nano=None, list_nano=None, lines=(), unpriced="unknown-model"),
        request(1_001, noon, team="search", lines=notional),
        request(1_002, noon, shapeless=True, endpoint="count_tokens", lines=(), team="finance"),
        amendment(1_003, found[10], nano=-1_000_000, at=BEGIN + timedelta(days=12)),
    )
    return sorted([*found, *odd], key=lambda each: (each.at, each.request_id))


def amendment(number: int, corrected: Entry, *, nano: int, at: datetime) -> Entry:
    """A correction of an entry's container time by so much money."""
    return structs.replace(
        corrected,
        request_id=f"{number:024x}",
        endpoint=CORRECTION,
        attempts=0,
        lines=(Line("code_execution", "-72", "second", nano, "estimated"),),
        cost_nano=nano,
        list_nano=nano,
        untouched_nano=nano,
        tokens=None,
        shape=None,
        code=Code(0, Seconds(0.0, 0.0, 0.0), "billed", -72_000, -72_000),
        corrects=corrected.request_id,
        corrected_at=at.isoformat(timespec="microseconds"),
    )


def amended(most: int = 12) -> st.SearchStrategy[list[Entry]]:
    """Random ledgers in which some entries are corrections of others."""

    def amend(ledger: list[Entry], picks: list[bool]) -> list[Entry]:
        return [
            structs.replace(each, endpoint=CORRECTION, corrects=ledger[0].request_id) if pick else each
            for each, pick in zip(ledger, [False, *picks, *[False] * len(ledger)], strict=False)
        ]

    return st.builds(amend, ledgers(most), st.lists(st.booleans(), max_size=most))


def closing_of(entries: list[Entry], at: datetime = END) -> Closing:
    """The closing of these entries."""
    seal = Seal()
    sums = rollup(seal.over(sorted(entries, key=lambda each: (each.at, each.request_id))))
    return close(MONTH, sums, seal, closed_at=at, version="0.0.0")


def reported(store: str, asked: Asked, now: datetime = END, free: FreeHoursSettings | None = None) -> Report:
    """A report of a ledger."""
    with opened(store) as ledger:
        return make(ledger, asked, now, free)


def asked(*by: str, **where: frozenset[str]) -> Asked:
    """The month by some dimensions."""
    return Asked(BEGIN, END, by or ("team",), dict(where), MONTH)


def pages(folder: Path) -> dict[str, str]:
    """Every golden page, by file name, of ledgers that are made in a folder."""
    store = fill(folder / "whole.db", *month())
    half = fill(folder / "half.db", *(each for each in month() if datetime.fromisoformat(each.at) < MIDDLE))
    teams, so_far = reported(store, asked("team")), reported(half, asked("team", "model"), MIDDLE, FREE)
    return {
        "report-by-team.txt": as_text(teams, 100),
        "report-by-team.csv": as_csv(teams),
        "report-by-team.json": as_json(teams) + "\n",
        "report-open-month-narrow.txt": as_text(so_far, 80),
        "report-by-action.txt": as_text(reported(store, asked("action", "policy")), 160),
        "report-by-tag.csv": as_csv(reported(store, asked("tags.feature", "day"))),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for name, page in pages(Path(made)).items():
            (GOLDEN / name).write_text(page, encoding="utf-8")
