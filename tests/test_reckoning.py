"""Workflows that are planned in another process come out as in this one, and never hold anybody up for ever."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from planner.core.rulebook.book import RuleBook
from planner.reckoning import ReckonError, Reckoning, Work, reckon
from tests.doubles.deciding import BOOK, EXHAUSTED, book

TEXT = (Path(__file__).parent.parent / "docs/workflows/csv-analysis.yaml").read_bytes()
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def work(text: bytes = TEXT, rules: RuleBook = BOOK) -> Work:
    """A workflow in a month without free hours."""
    return Work(name="w.yaml", text=text, book=rules, now=AT, hours=EXHAUSTED)


def test_the_same_plan() -> None:
    """In every number, under the same rules."""
    found = asyncio.run(Reckoning().plan(work()))
    assert found == reckon(work())
    assert found.plan is not None
    assert found.plan.digests["rules"] == BOOK.digest


def test_findings_and_what_has_no_price() -> None:
    """A broken file has findings; a sound one without a price says what lacks it."""
    broken = asyncio.run(Reckoning().plan(work(b"workflow: w\nsteps: [{name: a, prompt: 1, output: 1, after: [b]}]\n")))
    assert (broken.plan, {each.code for each in broken.findings}) == (None, {"missing-field", "unknown-step"})
    unpriced = reckon(work(rules=book(prices=type(BOOK.prices)(rows=(), tools=BOOK.prices.tools))))
    assert (unpriced.plan, unpriced.findings) == (None, ())
    assert "price" in (unpriced.unpriced or "")


@pytest.mark.parametrize(
    ("program", "longest", "said"),
    [
        (sys.executable, 0.01, r"took longer than 0\.01 seconds"),
        ("/bin/false", 9.0, "ended with code 1"),
        ("/nowhere/python", 9.0, "there is no process to plan the workflow in: No such file or directory"),
    ],
)
def test_what_becomes_of_it(monkeypatch: pytest.MonkeyPatch, program: str, longest: float, said: str) -> None:
    """A process that does not start, or not end, says nothing of the workflow."""
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(ReckonError, match=said):
        asyncio.run(Reckoning(longest).plan(work()))


def test_one_after_the_other() -> None:
    """Those that wait have as long, and no process is left when one is given up."""

    async def scenario() -> None:
        reckoning = Reckoning(0.05)
        both = await asyncio.gather(*(reckoning.plan(work()) for _ in range(2)), return_exceptions=True)
        assert [type(each) for each in both] == [ReckonError, ReckonError]
        assert not reckoning._turn.locked()  # noqa: SLF001 - nobody holds it any more

    asyncio.run(scenario())
