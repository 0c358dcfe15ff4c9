"""The page at the widths and in the places where people read it."""

import io

import pytest
from rich.console import Console

from planner.core.ledger.entry import Expected
from planner.demo.account import Account
from planner.demo.page import Places, write
from tests.demo.rows import BUNDLED, FRESH, KEPT, NOT_WORTH, THREADED, checked, row

HERE = Places(
    planner="http://127.0.0.1:8484", simulator="http://127.0.0.1:8485", store="/d/p.db", rules="/d/c", log="/d/l"
)
SETTINGS = {"free_hours.limit": "0"}


def page(told: Account, width: int = 80, places: Places = HERE, *, terminal: bool = False) -> str:
    """The page as it is written."""
    file = io.StringIO()
    write(Console(file=file, width=width, force_terminal=terminal), told, SETTINGS, places)
    return file.getvalue()


def one_of_each() -> Account:
    """A bundled agent, one that is left alone, one that the API refuses without the planner."""
    rows = (
        row(KEPT, BUNDLED),
        row(KEPT, NOT_WORTH, FRESH),
        row(KEPT, NOT_WORTH, control_stopped="no [container] here"),
    )
    return Account(rows, checked())


@pytest.mark.parametrize("width", [80, 100, 120])
def test_it_fits(width: int) -> None:
    """Nothing but addresses and paths is longer than a line, and no number is cut."""
    told = page(one_of_each(), width)
    assert [line for line in told.splitlines() if len(line) > width and not line.startswith("  ")] == []
    assert "…" not in told
    assert told.count("$0.0020") >= 3


def test_it_is_plain_text_where_there_is_no_terminal() -> None:
    """And coloured where there is one."""
    assert "\x1b" not in page(one_of_each())
    assert "\x1b[32m" in page(one_of_each(), terminal=True)


def test_what_cannot_be_compared_is_not_added_up() -> None:
    """The words of the API are shown as they are, brackets included."""
    told = page(one_of_each(), 120)
    assert "is not compared: without the planner it did not finish. The API said: no [container] here" in told
    total = next(line for line in told.splitlines() if line.strip().startswith("total compared"))
    assert total.split()[2:] == ["6", "$0.0060", "$0.0040", "$0.0020", "33", "%", "$0.0062"]


def test_agreement_and_difference_are_said_plainly() -> None:
    """To the last digit."""
    told = page(Account((row(BUNDLED),), checked()), 200)
    assert "ledger $0.000001234 = bill $0.000001234, equal to the nano-dollar, request by request." in told
    assert "ledger $0.004166667, bill $0.004000000, difference $0.000166667." in told
    told = page(Account((row(BUNDLED),), checked(differing=1, bill_exact=1_235)), 200)
    assert "Tokens and searches differ in 1 of 3 requests: ledger $0.000001234, bill $0.000001235." in told


def test_a_wrapped_line_begins_under_its_text() -> None:
    """At 80 columns most sentences take two lines."""
    lines = page(
        Account((row(KEPT, NOT_WORTH, THREADED, expected=Expected(1_000_000, 2_000_000)),), checked())
    ).splitlines()
    starts = [number for number, line in enumerate(lines) if line.split("- ")[0].isspace() and "- " in line]
    wrapped = [number for number in starts if lines[number + 1].strip() and number + 1 not in starts]
    assert wrapped
    for number in wrapped:
        text = lines[number + 1]
        assert len(text) - len(text.lstrip()) == lines[number].index("- ") + 2


def test_where_to_look_names_only_what_is_there() -> None:
    """After a single run nothing answers any more."""
    told = page(one_of_each())
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:8484" in told
    assert "http://127.0.0.1:8485/simulator/bill" in told
    once = Places(planner=None, simulator=None, store="/d/p.db", rules="/d/c", log="/d/l")
    told = page(one_of_each(), places=once)
    assert "http://" not in told
    assert "planner export --store sqlite:////d/p.db" in told


def test_a_page_where_nobody_was_left_alone_has_no_such_part() -> None:
    """And one where somebody stopped says so."""
    told = page(Account((row(BUNDLED, stopped="overloaded"),), checked()))
    assert "Left alone" not in told
    assert "did not finish with the planner: overloaded" in told
