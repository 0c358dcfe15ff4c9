"""docs/money.md is true: its tables are calculated anew, by its own arithmetic and by the planner's code.

A case is a section: blocks of JSON are requests and what the API reported of them, a block of YAML is negotiated, and a
table with the columns `line` and `by hand` is what they cost. No number of a case stands anywhere but on the page.
"""

import ast
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from planner.core.conversations import ToolEdit
from planner.core.decisions.bundle import frees_code
from planner.core.learning.expectation import Beliefs, expect
from planner.core.learning.expectation import Terms as Circumstances
from planner.core.metering.usage import Metered, StreamUsage, meter
from planner.core.pricing.discounts import FULL
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.catalog import Interval
from planner.core.rulefile import load
from planner.core.settlement import Sessions, Settlement, Terms, settle
from planner.core.wire import MessagesRequest, parse_event
from planner.rulesource import read_files

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "money.md").read_text(encoding="utf-8")
SECTIONS: Final = dict(re.findall(r"^### (\d+)\. .*\n((?:(?!##).*\n)*)", PAGE, re.MULTILINE))
CASES: Final = tuple(SECTIONS)
NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)

NANO: Final = 10**9
PER: Final = {"M": 10**6, "k": 1_000, "h": 3_600}
TIMES, MINUS = " \N{MULTIPLICATION SIGN} ", " \N{MINUS SIGN} "
AMOUNT: Final = re.compile(rf"([\d,]+)(?: s)?{TIMES}\$([\d.]+)/([Mkh])((?:{TIMES}[\d.]+)*)")

Row = dict[str, str]


class Code(msgspec.Struct, forbid_unknown_fields=True):
    """What is known of code in a request."""

    runs: int
    seconds: int
    response_seconds: int


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One request of a case, and what the API reported: `usage` of a whole answer, or the events of a `stream`."""

    at: datetime
    model: str
    usage: msgspec.Raw = msgspec.Raw()
    stream: list[msgspec.Raw] = []
    tools: list[dict[str, Any]] = []
    code: Code = msgspec.field(default_factory=lambda: Code(0, 0, 1))
    container: str | None = None
    organization: str | None = None
    free_seconds: int | None = None

    def metered(self) -> Metered:
        """What was used."""
        if self.usage:
            return meter(bytes(self.usage))
        stream = StreamUsage()
        for event in self.stream:
            stream.feed(parse_event(bytes(event)))
        found = stream.metered()
        assert found is not None
        return found


def blocks(section: str, language: str) -> list[str]:
    """The blocks of a section in one language."""
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def tables(text: str) -> list[list[Row]]:
    """Every table, a row as its cells by the words above them."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def table(number: str, column: str) -> list[Row]:
    """The one table of a case that has this column."""
    (found,) = (rows for rows in tables(SECTIONS[number]) if column in rows[0])
    return found


@cache
def book(number: str) -> RuleBook:
    """The shipped rules, with what a case has negotiated."""
    files = read_files(None)
    for index, text in enumerate(blocks(SECTIONS[number], "yaml")):
        files[f"prices/negotiated-{index}.yaml"] = text.encode()
    return load(files)


def requests(number: str) -> list[Request]:
    """The requests of a case."""
    return [msgspec.json.decode(text, type=Request) for text in blocks(SECTIONS[number], "json")]


def settled(number: str, *, free_seconds: int | None = None) -> list[Settlement]:
    """Settle the requests of a case in turn: containers go on, and free hours are used up."""
    rules, containers, left = book(number), dict[str | None, Sessions](), free_seconds or 0
    found = []
    for each in requests(number):
        left = each.free_seconds if each.free_seconds is not None and free_seconds is None else left
        parsed = MessagesRequest.parse(msgspec.json.encode({"model": each.model, "messages": [], "tools": each.tools}))
        terms = Terms(
            at=each.at,
            model=each.model,
            organization=each.organization,
            free=frees_code(parsed.tools, ToolEdit(), rules),
            sessions=containers.get(each.container, Sessions()),
            free_ms=left * 1_000,
            runs=each.code.runs,
            measured_ms=each.code.seconds * 1_000,
            elapsed_ms=each.code.response_seconds * 1_000,
        )
        one = settle(each.metered(), terms, rules)
        if each.container is not None:
            containers[each.container] = one.sessions
        left -= one.hours_ms // 1_000
        found.append(one)
    return found


def number_of(cell: str) -> int:
    """A whole number as the page writes it."""
    return int(cell.replace(",", ""))


def terms_of(arithmetic: str) -> list[Fraction]:
    """The dollars of each term, the first one counted, the others taken away."""
    found = []
    for index, term in enumerate(arithmetic.split(MINUS)):
        match = AMOUNT.fullmatch(term)
        assert match, term
        quantity, price, per, factors = match.groups()
        dollars = Fraction(number_of(quantity)) * Fraction(price) / PER[per]
        for factor in factors.split(TIMES)[1:]:
            dollars *= Fraction(factor)
        found.append(-dollars if index else dollars)
    return found


def dollars(exact: Fraction) -> str:
    """To ten decimals, without needless zeros."""
    return f"{float(round(exact, 10)):.10f}".rstrip("0").rstrip(".")


def test_there_are_ten_cases() -> None:
    """Lest the tests below look at nothing."""
    assert list(CASES) == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("number", CASES)
def test_the_arithmetic_of_the_page_is_right(number: str) -> None:
    """Each term is rounded once, half to even; a cost is the sum of its lines."""
    sums: dict[str, list[int]] = {}
    for row in table(number, "by hand"):
        added = sums.setdefault(row["request"], [0, 0])
        nano, listed = number_of(row["nano-dollars"]), number_of(row.get("at list price", row["nano-dollars"]))
        if row["line"] == "**cost**":
            assert [nano, listed] == added
            assert row["dollars"] == dollars(Fraction(nano, NANO))
            continue
        added[0] += nano
        added[1] += listed
        terms = terms_of(row["by hand"])
        assert nano == sum(round(term * NANO) for term in terms)
        assert row["dollars"] == dollars(sum(terms, Fraction()))


@pytest.mark.parametrize("number", CASES)
def test_the_planner_counts_the_same(number: str) -> None:
    """Line by line, in order: kind, quantity, amount, amount at list price, and how sure it is."""
    told: list[tuple[Any, ...]] = [
        (
            row["request"],
            row["line"].partition(" ")[0].strip("*"),
            number_of(row["nano-dollars"]),
            number_of(row.get("at list price", row["nano-dollars"])),
            row["basis"],
        )
        for row in table(number, "by hand")
    ]
    found: list[tuple[Any, ...]] = []
    for index, one in enumerate(settled(number), 1):
        found += [(str(index), line.kind, line.nano, line.listed, line.basis) for line in one.lines]
        found.append((str(index), "cost", one.cost, one.listed, ""))
    assert found == told


@pytest.mark.parametrize("number", CASES)
def test_the_quantities_are_those_of_the_lines(number: str) -> None:
    """Tokens and uses as they stand; of container time, what lies between the two amounts of a difference."""
    lines = [line for one in settled(number) for line in one.lines]
    rows = [row for row in table(number, "by hand") if row["line"] != "**cost**"]
    for line, row in zip(lines, rows, strict=True):
        first, *others = (number_of(term.split(" ")[0]) for term in row["by hand"].split(MINUS))
        assert Fraction(line.quantity) == (abs(first - others[0]) if others else first)


@pytest.mark.parametrize("number", ["7", "8"])
def test_what_is_kept_of_code(number: str) -> None:
    """How its time bills, how long it ran at least, likely and at most, and what that uses of the free hours."""
    found = []
    for index, one in enumerate(settled(number), 1):
        assert one.code is not None
        seconds = (round(each) for each in msgspec.structs.astuple(one.code.seconds))
        found.append([str(index), one.code.charge, *map(str, seconds), str(one.hours_ms // 1_000)])
    assert [list(row.values()) for row in table(number, "charge")] == found


def test_the_sums_of_cases_seven_and_eight() -> None:
    """With the free hours that are left, and with none."""
    sums = {
        (number, free): sum(one.cost or 0 for one in settled(number, free_seconds=free))
        for number in ("7", "8")
        for free in (0, 330)
    }
    assert f"cost {sums['7', 330]:,} nano-dollars; with no free hours left they cost {sums['7', 0]:,}." in SECTIONS["7"]
    assert f"cost {sums['8', 0]:,} nano-dollars, with or without" in SECTIONS["8"]
    assert sums["7", 330] < sums["8", 330] == sums["8", 0] < sums["7", 0]


def minimum() -> Fraction:
    """Dollars of one minimum charge."""
    row = book("9").prices.tool("code_execution", NOW)
    assert row is not None
    assert row.pico_per_hour is not None
    return Fraction(row.pico_per_hour * row.minimum_ms, 3_600_000 * 10**12)


def circumstances(**known: Any) -> Circumstances:
    """One request of an agent on Opus 5.5 at the full price of an hour."""
    row = book("9").prices.lookup("claude-opus-5-5", NOW)
    assert row is not None
    usual: dict[str, Any] = {"rates": row.rates, "hour": 5e10, "minimum_seconds": 300.0}
    return Circumstances(**(usual | known))


def beliefs(tokens: float, *, runs: float) -> Beliefs:
    """Exactly one request in one iteration, that runs code or does not, and so many tokens of a tool."""
    return Beliefs(
        tokens=sure(tokens),
        code_probability=sure(runs),
        code_seconds=sure(10),
        pause_seconds=sure(60),
        iterations=sure(1),
        growth_tokens=sure(0),
        requests=sure(1),
        conversations=sure(1),
    )


def sure(value: float) -> Interval:
    """An interval without width."""
    return Interval(value, value, value)


def test_what_a_broken_cache_costs() -> None:
    """By the lines of the two requests, and by what a decision expects of such a rewrite."""
    warm, cold = (one.cost or 0 for one in settled("9"))
    told = Fraction(cold - warm, NANO)
    assert f"The difference is ${dollars(told)}: {float(told / minimum()):.1f} minimums" in SECTIONS["9"]
    rewrite = circumstances(prompt_tokens=50_000.0, cached=True, warm_plain=50_000)
    expected = expect(beliefs(0, runs=0), rewrite)
    assert expected.planned - expected.untouched == pytest.approx(cold - warm)


def test_the_tokens_that_a_minimum_pays_for() -> None:
    """Of each model, at the price of plain input and at that of a cache read."""
    assert f"${float(minimum()):.7f}" in SECTIONS["9"]
    rows = table("9", "model")
    assert len(rows) == 8
    for row in rows:
        priced = book("9").prices.lookup(re.findall("`(.*)`", row["model"])[0], NOW)
        assert priced is not None
        for pico, price, tokens in (
            (priced.rates.input, "uncached, $/M", "tokens"),
            (priced.rates.cache_read, "from a cache, $/M", "cached tokens"),
        ):
            assert Fraction(row[price]) == Fraction(pico, 10**6)
            assert number_of(row[tokens]) == round(minimum() * 10**12 / pico)


@pytest.mark.parametrize(("tokens", "pays"), [(1_041, True), (1_042, False)])
def test_a_decision_turns_at_that_number(tokens: int, pays: bool) -> None:  # noqa: FBT001 - a parameter
    """Where a request is sure to run code on an uncached prompt of Opus 5.5, 1,041 tokens pay and 1,042 do not."""
    expected = expect(beliefs(tokens, runs=1), circumstances(prompt_tokens=700.0))
    assert (expected.planned < expected.untouched) == pays
    assert expected.probability == float(pays)


def test_the_discount_is_what_the_page_says() -> None:
    """It holds for its organization from its day on."""
    prices = book("10").prices
    assert prices.contracted("org-1").factor("input", "claude-sonnet-5-5", NOW) == Fraction("0.85")
    assert prices.contracted("org-2").factor("input", "claude-sonnet-5-5", NOW) == FULL
    before = datetime(2026, 7, 1, tzinfo=UTC) - timedelta(microseconds=1)
    assert prices.contracted("org-1").factor("input", "claude-sonnet-5-5", before) == FULL


def test_the_words_agree_with_the_rules() -> None:
    """The numbers of the prose that no table has."""
    rules = book("1")
    search, hour = (rules.prices.tool(name, NOW) for name in ("web_search", "code_execution"))
    assert search is not None
    assert hour is not None
    haiku = rules.prices.lookup("claude-haiku-5-5", NOW)
    assert haiku is not None
    assert haiku.over is not None
    for words in (
        f"web searches, ${(search.pico_per_use or 0) // 10**9} per 1,000",
        f"${(hour.pico_per_hour or 0) / 10**12:.2f} per hour",
        f"more than {haiku.over.prompt_tokens:,} tokens on Haiku 5.5",
        f"at least five minutes, ${float(minimum()):.7f}",
        f"**{rules.settings.free_hours.limit:,.0f} hours a month are free**",
    ):
        assert words in " ".join(PAGE.split()), words
    assert hour.minimum_ms == 5 * 60_000
    for model in ("claude-opus-5-5", "claude-opus-5", "claude-opus-4-8"):
        row = rules.prices.lookup(model, NOW)
        assert row is not None
        assert row.multipliers.fast == 2


def test_every_law_of_the_page_has_its_test() -> None:
    """By file and name; all draw their numbers but one, which the page says goes by example."""
    named = re.findall(r"(by example )?`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) >= 12
    for example, file, name in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        (found,) = (each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name)
        drawn = any(ast.unparse(each).startswith("given(") for each in found.decorator_list)
        assert drawn != bool(example), name
