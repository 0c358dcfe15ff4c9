"""What several commands take, and the exit codes all of them keep: 0 ok, 1 findings, 2 usage, 3 unavailable."""

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import rich_click as click

from planner.core.findings import Finding, errors, render_text
from planner.core.rulebook.book import RuleBook
from planner.core.rulefile.settingsfile import OVERRIDES
from planner.rulesource import Rules, load_rules
from planner.settings import DEFAULT_STORE

FINDINGS: Final = 1
USAGE: Final = 2
UNAVAILABLE: Final = 3

UNITS: Final = {"d": "days", "h": "hours", "m": "minutes"}

Decorated = TypeVar("Decorated", bound=Callable[..., object])


def store_option(function: Decorated) -> Decorated:
    """`--store`: where the ledger is."""
    return click.option(
        "--store", envvar="PLANNER_STORE", default=DEFAULT_STORE, show_default=True, help="Where the ledger is kept."
    )(function)


def since_option(function: Decorated) -> Decorated:
    """`--since`: from when on the ledger is looked at."""
    return click.option(
        "--since",
        default=None,
        metavar="WHEN",
        help="Only what arrived since then: 7d, 24h, 30m, or a date.",
    )(function)


def moment(word: str | None, now: datetime, flag: str = "--since") -> datetime | None:
    """The moment that a flag names, in UTC; a date without a time is its midnight. What is neither ends here."""
    if word is None:
        return None
    if found := re.fullmatch(r"(\d{1,5})([dhm])", word):
        return now - timedelta(**{UNITS[found[2]]: int(found[1])})
    try:
        at = datetime.fromisoformat(word)
    except ValueError:
        fail(f"{flag} takes 7d, 24h, 30m or a date as 2026-11-03 or 2026-11-03T09:00:00Z, not {word!r}", USAGE)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def set_option(function: Decorated) -> Decorated:
    """`--set`: settings that hold instead of those of the rules."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        envvar="PLANNER_SET",
        help="Override a setting of the rules.",
    )(function)


def rules_options(function: Decorated) -> Decorated:
    """`--rules` and `--set`: which rules hold."""
    return rules_option(set_option(function))


def rules_option(function: Decorated) -> Decorated:
    """`--rules` alone, where settings change nothing."""
    return click.option(
        "--rules",
        envvar="PLANNER_RULES",
        type=click.Path(path_type=Path),
        default=None,
        help="Directory of rule files; kinds that it lacks come from the shipped ones.  [default: rules/ if there]",
    )(function)


def read_rules(directory: Path | None, overrides: tuple[str, ...]) -> RuleBook:
    """The rule book of `--rules` and `--set`; findings are printed, and errors among them end the command."""
    return read_whole_rules(directory, overrides).required()


def read_whole_rules(directory: Path | None, overrides: tuple[str, ...]) -> Rules:
    """The rules of `--rules` and `--set` with the files that they came from; ends the command as `read_rules` does."""
    try:
        rules = load_rules(rules_directory(directory), pairs(overrides))
    except OSError as error:
        fail(str(error), USAGE)
    show(rules.findings)
    if rules.book is None:
        sys.exit(code_of(rules.findings))
    return rules


def rules_directory(given: Path | None) -> Path | None:
    """The directory of `--rules`, or `rules/` if there; None for the shipped rules."""
    return Path("rules") if given is None and Path("rules").is_dir() else given


def pairs(overrides: tuple[str, ...], flag: str = "--set") -> dict[str, str]:
    """`KEY=VALUE` words as a dict; a word without `=` ends the command."""
    split = [word.partition("=") for word in overrides]
    for (key, equals, _), word in zip(split, overrides, strict=True):
        if not equals or not key:
            fail(f"{flag} takes KEY=VALUE, not {word!r}", USAGE)
    return {key: value for key, _, value in split}


def code_of(findings: tuple[Finding, ...]) -> int:
    """The exit code that findings end in: 0, or 1 for what is wrong in a file, or 2 when only `--set` is wrong."""
    wrong = errors(findings)
    if not wrong:
        return 0
    return USAGE if all(finding.path == OVERRIDES for finding in wrong) else FINDINGS


def show(findings: tuple[Finding, ...]) -> None:
    """Print findings on standard error, one a line."""
    if findings:
        click.echo(render_text(findings), err=True)


def fail(message: str, code: int) -> NoReturn:
    """Say on standard error what is wrong, and end with that code."""
    click.echo(f"planner: {message}", err=True)
    sys.exit(code)
