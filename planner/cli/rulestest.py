"""`planner rules test`: the tests of the rules are run and told, with what no test has shown of the policies."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import msgspec
import rich_click as click

from planner.cli.options import FINDINGS, USAGE, fail, read_whole_rules, rules_directory, rules_options, show
from planner.core.findings import Finding, errors
from planner.core.preview.ruletest import Covered, Failure, Ran, coverage, run, uncovered
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import Policy
from planner.core.rulefile.testfile import RuleTest, TestsReading, places, read_tests
from planner.rulesource import Rules, opened, read_test_files, shipped_directory, shipped_policies

NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold: https://www.w3.org/TR/xml/#charsets."""


class Unexpected(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that came out otherwise, at its place."""

    line: int
    col: int
    about: str
    expected: str
    got: str
    because: tuple[str, ...]


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of a test's request."""

    action: str
    outcome: str
    reason: str | None
    policy: str | None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test and how it ended."""

    name: str
    why: str | None
    file: str
    line: int
    col: int
    passed: bool
    failures: tuple[Unexpected, ...]
    decisions: tuple[Decided, ...]


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How policies are covered, and what is missing, as findings at the places of the policies."""

    policies: tuple[Covered, ...]
    findings: tuple[Finding, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `planner rules test` says, as `--format json` writes it; no coverage where none was asked for."""

    passed: int
    failed: int
    tests: tuple[Case, ...]
    coverage: Coverage | None
    digests: dict[str, str]


@click.command("test")
@click.option(
    "--run",
    "pattern",
    default=None,
    metavar="PATTERN",
    help='Only tests whose name matches this glob, such as "*finance*"; then coverage is not asked for.',
)
@click.option(
    "--coverage/--no-coverage",
    "covers",
    default=None,
    help="Whether a policy that no test hits and misses is a failure.  [default: yes, without --run]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="Form; junit: XML for CI systems.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@rules_options
def command(
    *,
    pattern: str | None,
    covers: bool | None,
    form: str,
    as_json: bool,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Run the tests of the rules, and say which policies no test hits and misses.

    Tests stand in tests/*.yaml beside the policies. Those that ship are run where the policies are the shipped ones. No
    test rests on the clock, on a ledger or on where a roll-out happens to cut.
    """
    directory = rules_directory(rules)
    whole = read_whole_rules(directory, overrides)
    book = whole.required()
    tests = chosen(readable(directory, book), pattern, directory)
    ran = [run(each, book) for each in tests]
    wanted = pattern is None if covers is None else covers
    told = report(ran, whole, directory, covered=coverage(book, ran, tested_elsewhere(directory)) if wanted else None)
    form = "json" if as_json else form
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        click.echo("\n".join(junit(told) if form == "junit" else lines(told, ran)))
    if told.failed or (told.coverage is not None and told.coverage.findings):
        raise SystemExit(FINDINGS)


def tested_elsewhere(directory: Path | None) -> tuple[Policy, ...]:
    """The shipped policies, for a directory that may hold a copy of them; in the shipped one they are tested."""
    if directory is None or directory.resolve() == shipped_directory().resolve():
        return ()
    return shipped_policies()


def readable(directory: Path | None, book: RuleBook) -> tuple[RuleTest, ...]:
    """The tests of a directory; what is wrong with them is printed, and errors end the command: none is run."""
    try:
        files = read_test_files(directory)
    except OSError as error:
        fail(str(error), USAGE)
    reading: TestsReading = read_tests(files, book)
    show(reading.findings)
    if errors(reading.findings):
        raise SystemExit(FINDINGS)
    return reading.tests


def chosen(tests: tuple[RuleTest, ...], pattern: str | None, directory: Path | None) -> tuple[RuleTest, ...]:
    """The tests that a pattern asks for; none at all ends the command, so that nobody takes that for success."""
    if not tests:
        where = "The shipped rules hold" if directory is None else f"{directory}/tests holds"
        fail(
            f"{where} no tests, so nothing shows what the policies do. Write one: docs/contract.md says how.", FINDINGS
        )
    found = tuple(each for each in tests if pattern is None or fnmatchcase(each.name, pattern))
    if not found:
        fail(f"no test has a name like {pattern!r}; it is a glob for the whole name, such as '*{pattern}*'", USAGE)
    return found


def report(ran: list[Ran], rules: Rules, directory: Path | None, *, covered: tuple[Covered, ...] | None) -> Report:
    """All that there is to say of tests that were run."""
    book = rules.required()
    where = {name: (opened(directory, path), line, col) for name, (path, line, col) in places(rules.files).items()}
    failed = sum(bool(each.failures) for each in ran)
    return Report(
        passed=len(ran) - failed,
        failed=failed,
        tests=tuple(map(_case, ran)),
        coverage=None if covered is None else Coverage(policies=covered, findings=tuple(uncovered(covered, where))),
        digests={"rules": book.digest, "prices": book.prices.digest},
    )


def lines(told: Report, ran: list[Ran]) -> Iterator[str]:
    """For people: every failure with how it came about, what is not covered, and the sum."""
    for failure in (failure for each in ran for failure in each.failures):
        yield failure.text()
        yield from (f"    {line}" for line in failure.because)
    missing = () if told.coverage is None else told.coverage.findings
    yield from (finding.text() for finding in missing)
    counts = f"{_count(len(told.tests), 'test')}: {told.passed} passed, {told.failed} failed"
    if told.coverage is not None:
        asked = sum(each.asked for each in told.coverage.policies)
        counts += f"; {asked - len(missing)} of {_count(asked, 'policy', 'policies')} covered"
    yield f"{'FAILED' if told.failed or missing else 'ok'}: {counts}"


def junit(told: Report) -> Iterator[str]:
    """As the XML that CI systems read: a suite for each file, and one in which each policy is covered or is not."""
    missing = {} if told.coverage is None else {each.subject: each for each in told.coverage.findings}
    live = [] if told.coverage is None else [each.name for each in told.coverage.policies if each.asked]
    total = f'tests="{len(told.tests) + len(live)}" failures="{told.failed + len(missing)}" errors="0"'
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuites name="planner rules test" {total}>'
    for file in dict.fromkeys(each.file for each in told.tests):
        cases = [(each.name, _failed(each)) for each in told.tests if each.file == file]
        yield from _suite(file, cases)
    if live:
        found = ((name, missing.get(f'policy "{name}"')) for name in live)
        yield from _suite(
            "coverage", [(name, None if each is None else (each.problem, each.text())) for name, each in found]
        )
    yield "</testsuites>"


def _suite(name: str, cases: list[tuple[str, tuple[str, str] | None]]) -> Iterator[str]:
    """One suite; a case has a message and a text where it failed."""
    failed = sum(failure is not None for _, failure in cases)
    yield f'  <testsuite name={_attribute(name)} tests="{len(cases)}" failures="{failed}" errors="0" skipped="0">'
    for case, failure in cases:
        head = f"    <testcase name={_attribute(case)} classname={_attribute(name)}"
        if failure is None:
            yield f"{head}/>"
        else:
            message, text = failure
            yield f"{head}>"
            yield f'      <failure message={_attribute(message)} type="failure">{escape(_xml(text))}</failure>'
            yield "    </testcase>"
    yield "  </testsuite>"


def _failed(test: Case) -> tuple[str, str] | None:
    """The first thing that is wrong in a sentence, and all of it."""
    if test.passed:
        return None
    said = [f"{each.about}: expected {each.expected}, got {each.got}" for each in test.failures]
    text = [
        "\n".join((f"{test.file}:{each.line}:{each.col}: {sentence}", *(f"    {line}" for line in each.because)))
        for each, sentence in zip(test.failures, said, strict=True)
    ]
    return said[0], "\n".join(text)


def _case(ran: Ran) -> Case:
    test = ran.test
    return Case(
        name=test.name,
        why=test.shape.why,
        file=test.path,
        line=test.node.line,
        col=test.node.col,
        passed=not ran.failures,
        failures=tuple(map(_unexpected, ran.failures)),
        decisions=tuple(
            Decided(action=each.action, outcome=each.outcome, reason=each.reason, policy=each.policy)
            for each in ran.decisions
        ),
    )


def _unexpected(failure: Failure) -> Unexpected:
    return Unexpected(**{name: getattr(failure, name) for name in Unexpected.__struct_fields__})


def _attribute(text: str) -> str:
    return quoteattr(_xml(text))


def _xml(text: str) -> str:
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"
