"""The README and the pages beside it are true: commands exist, links lead somewhere, numbers follow from the prices."""

import re
import shlex
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

import click
import pytest

from planner.cli import main
from planner.core.rulebook.book import RuleBook
from planner.rulesource import load_rules

ROOT: Final = Path(__file__).parent.parent
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS: Final = (".", "docs", "requirements", "grafana", "deploy")
PAGES: Final = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))
NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)
FREE_HOURS: Final = 1550

MODELS: Final = {
    "Fable 5.1": ["claude-fable-5-1"],
    "Fable 5.2": ["claude-fable-5-2"],
    "Opus 5, 4.8 to 4.5": [
        "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6", "claude-opus-4-5-20251101",
    ],
    "Opus 5.5": ["claude-opus-5-5"],
    "Sonnet 4.6, 4.5": ["claude-sonnet-4-6", "claude-sonnet-4-5"],
    "Sonnet 5.5, 5": ["claude-sonnet-5-5", "claude-sonnet-5"],
    "Haiku 4.5": ["claude-haiku-4-5"],
    "Haiku 5.5": ["claude-haiku-5-5"],
}  # fmt: skip


def blocks(text: str) -> list[str]:
    """The shell blocks of a page."""
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Every call of `planner` in the shell blocks of a page, as words after the program."""
    found = []
    for part in re.split(r"&&|[|;\n]", "".join(blocks(text))):
        program, _, rest = part.strip().partition(" ")
        if program.rpartition("/")[2] == "planner":
            found.append(shlex.split(rest, comments=True))
    return found


def test_two_commands_of_one_line_each() -> None:
    """One runs the demo, one runs the tests; both make the same environment, so that their order does not matter."""
    demo, tests = blocks(README)[:2]
    assert demo.count("\n") == tests.count("\n") == 1
    assert demo.startswith("python3 -m venv .venv && ")
    assert demo.endswith("&& .venv/bin/planner demo --once\n")
    assert tests.endswith("&& .venv/bin/python -m pytest\n")
    assert demo.rpartition("&&")[0].replace("run.txt", "test.txt") == tests.rpartition("&&")[0]
    assert all((ROOT / file).is_file() for file in re.findall(r"-r (\S+)", demo + tests))


def test_the_checks_end_in_the_same_command() -> None:
    """`.ci/run` takes the command from the README, and has no copy of it."""
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "README.md" in script
    assert "python -m pytest" not in script


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_on_a_page_is_there(page: Path) -> None:
    """With its flags."""
    for words in commands(page.read_text(encoding="utf-8")):
        command: click.Command = main
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            inner = command.get_command(click.Context(command), words.pop(0))
            assert inner is not None
            command = inner
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= flags


def test_the_pages_call_the_planner() -> None:
    """Lest the test above look at nothing."""
    called = [words[0] for words in commands(README)]
    assert called == [
        "demo",
        "serve",
        "plan",
        "plan",
        "rules",
        "rules",
        "export",
        "export",
        "export",
        "replay",
        "rules",
        "report",
        "estimate",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file(page: Path) -> None:
    """Within the project; links to elsewhere are not followed."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert "://" in target or (page.parent / target).exists(), target


def test_every_place_in_the_readme_is_there() -> None:
    """The table of where things are."""
    table = README.partition("## Where things are")[2]
    places = [
        place for line in table.splitlines() if line.startswith("| `") for place in re.findall(r"`([^`]+)`", line)
    ]
    assert places
    assert not [place for place in places if not (ROOT / place).exists()]


@pytest.fixture(scope="module")
def book() -> RuleBook:
    """The shipped rules."""
    return load_rules(None).required()


def minimum(book: RuleBook) -> Fraction:
    """Dollars of one minimum charge of code execution."""
    row = book.prices.tool("code_execution", NOW)
    assert row is not None
    assert row.pico_per_hour is not None
    return Fraction(row.pico_per_hour * row.minimum_ms, 3_600_000 * 10**12)


def input_price(book: RuleBook, model: str) -> Fraction:
    """Dollars of one uncached input token."""
    row = book.prices.lookup(model, NOW)
    assert row is not None, model
    return Fraction(row.rates.input, 10**12)


def test_the_tokens_that_one_minimum_pays_for(book: RuleBook) -> None:
    """The table is recomputed from the price book, row by row."""
    told = dict(re.findall(r"\| ([A-Z][a-z]+ [0-9., to]+?) \| ([0-9,]+) (?=\|)", README))
    assert set(told) == set(MODELS)
    for name, models in MODELS.items():
        assert {f"{round(minimum(book) / input_price(book, model)):,}" for model in models} == {told[name]}


def test_the_other_numbers_of_the_readme(book: RuleBook) -> None:
    """The allowance, its worth, one minimum, and what a broken cache costs."""
    hour = minimum(book) * 12
    assert book.settings.free_hours.limit == FREE_HOURS
    row = book.prices.lookup("claude-opus-5-5", NOW)
    assert row is not None
    again = Fraction(50_000 * (row.rates.cache_write_5m - row.rates.cache_read), 10**12)
    for number in (
        f"{FREE_HOURS:,} free container hours",
        f"{FREE_HOURS * 12:,} five-minute",
        f"worth at most ${float(FREE_HOURS * hour):.2f}.",
        f"${float(minimum(book)):.7f}",
        f"${float(again):.2f} to write again: {round(again / minimum(book))} minimums",
    ):
        assert number in " ".join(README.split()), number


def test_cached_tokens_cost_a_tenth_or_less(book: RuleBook) -> None:
    """As the README says of every model."""
    assert all(row.rates.cache_read * 10 <= row.rates.input for row in book.prices.rows if row.in_force(NOW.date()))
