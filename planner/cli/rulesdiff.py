"""`planner rules diff`: what would change under other rules, and the money that would move on recorded traffic."""

from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import rich_click as click
from click.core import ParameterSource

from planner.cli.diffpage import Book, PriceEffect, PricePart, Report, markdown, text
from planner.cli.options import USAGE, code_of, fail, moment, pairs, set_option, show, since_option, store_option
from planner.cli.reading import each_entry
from planner.cli.traces import opened_trace, usable
from planner.clock import SystemClock
from planner.core.findings import errors, render_json, render_text
from planner.core.ledger.entry import Entry
from planner.core.preview.bookdiff import compare_books
from planner.core.preview.pricediff import Lack, PriceDiff, Repricing
from planner.core.replay.comparison import Comparison
from planner.core.replay.recorded import Transcript
from planner.core.rulebook.book import RuleBook
from planner.rulesource import Rules, load_rules
from planner.settings import SettingsError, sqlite_path

SHIPPED: Final = "shipped"
"""The word that stands for the rules that ship with the planner."""

WARM_UP: Final = timedelta(days=31)
"""How much earlier than `--since` playing begins: a month, so that its free hours and habits are known by then."""


@click.command("diff")
@click.argument("old")
@click.argument("new")
@since_option
@click.option(
    "--trace", type=click.Path(path_type=Path), default=None, help="Play this trace, not the ledger (- for stdin)."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="Form; markdown: a comment for a pull request.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@store_option
@set_option
@click.pass_context
def diff(  # noqa: PLR0913 - one parameter a flag
    context: click.Context,
    *,
    old: str,
    new: str,
    since: str | None,
    trace: Path | None,
    form: str,
    as_json: bool,
    store: str,
    overrides: tuple[str, ...],
) -> None:
    """Compare two directories of rule files, OLD and NEW (or `shipped`), on recorded traffic.

    Requests of the ledger, or of a trace, are played under both, in a world that is as NEW believes and at its prices:
    what differs is decided otherwise. What new prices alone change is told apart. Nothing is sent anywhere.
    """
    form = "json" if as_json else form
    begin = moment(since, SystemClock().now())
    given = {"set": overrides, "since": () if since is None else (since,)}
    said = context.get_parameter_source("store")
    if trace is not None and said is ParameterSource.COMMANDLINE:
        fail("--trace and --store name two records of traffic: give one of them", USAGE)
    before, after = _books(old, new, overrides, form)
    play = _Play(before, after, begin)
    source: str | None = None
    left_out: dict[str, int] = {}
    if trace is not None:
        source = str(trace)
        play.trace(trace)
    elif said is not ParameterSource.DEFAULT or _is_there(store):
        source = store
        left_out = play.ledger(store)
    compared = None if source is None else play.comparison.result()
    report = Report(
        old=Book(directory=old, rules=before.digest, prices=before.prices.digest),
        new=Book(directory=new, rules=after.digest, prices=after.prices.digest),
        given=given,
        structure=compare_books(before, after),
        source=source,
        left_out=left_out,
        traffic=None if compared is None else compared.traffic,
        decisions=None if compared is None else compared.decisions,
        money=None if compared is None else compared.money,
        prices=None if play.pricing is None or source is None or trace is not None else _effect(play.pricing.result()),
    )
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        click.echo("\n".join((markdown if form == "markdown" else text)(report)))


class _Play:
    """Plays what was recorded, and prices what was used, as it is read."""

    def __init__(self, before: RuleBook, after: RuleBook, begin: datetime | None) -> None:
        self.comparison = Comparison(before, after, begin)
        per_iteration = after.settings.haiku55_tier_on == "iteration_prompt"
        differ = before.prices.digest != after.prices.digest
        self.pricing = Repricing(before.prices, after.prices, per_iteration=per_iteration) if differ else None
        self._begin = begin
        self._earliest = None if begin is None else begin - WARM_UP

    def trace(self, path: Path) -> None:
        """Play a trace file; lines that cannot be used end the command."""
        with ExitStack() as opened:
            for line in usable(path, opened_trace(path, opened)):
                if self._earliest is None or line.at >= self._earliest:
                    self.comparison.play(line)

    def ledger(self, store: str) -> dict[str, int]:
        """Play a ledger; return how many of its entries could not be, by cause."""
        transcript = Transcript()

        def take(entry: Entry) -> None:
            line = transcript.trace_line(entry)
            if line is not None:
                self.comparison.play(line)
            if self.pricing is not None and (self._begin is None or datetime.fromisoformat(entry.at) >= self._begin):
                self.pricing.take(entry)

        each_entry(store, self._earliest, take)
        return dict(sorted(transcript.left_out.items()))


def _books(old: str, new: str, overrides: tuple[str, ...], form: str) -> tuple[RuleBook, RuleBook]:
    """Both rule books; where either has an error, all findings are printed as `rules check` does, and that is all."""
    both = [_load(name, overrides) for name in (old, new)]
    findings = tuple(finding for rules in both for finding in rules.findings)
    if errors(findings):
        click.echo((render_json if form == "json" else render_text)(findings))
        raise SystemExit(code_of(findings))
    show(findings)
    before, after = (rules.required() for rules in both)
    return before, after


def _load(name: str, overrides: tuple[str, ...]) -> Rules:
    directory = None if name == SHIPPED and not Path(name).exists() else Path(name)
    try:
        return load_rules(directory, pairs(overrides))
    except OSError as error:
        fail(str(error), USAGE)


def _is_there(store: str) -> bool:
    """Whether the ledger that is looked at where none is named exists."""
    from planner.opening import is_shared  # noqa: PLC0415 - the other commands start faster without it

    try:
        return is_shared(store) or sqlite_path(store).is_file()
    except SettingsError as error:
        fail(str(error), USAGE)


def _effect(prices: PriceDiff) -> PriceEffect:
    """What new prices alone change, at contracted price."""
    parts = (
        PricePart(model=part.model, kind=part.kind, before_nano=part.before.nano, after_nano=part.after.nano)
        for part in prices.parts
    )
    return PriceEffect(
        requests=prices.requests,
        before_nano=prices.before.nano,
        after_nano=prices.after.nano,
        moved_nano=prices.after.nano - prices.before.nano,
        parts=tuple(parts),
        unpriced_before={_lack(lack): number for lack, number in prices.unpriced_before.items()},
        unpriced_after={_lack(lack): number for lack, number in prices.unpriced_after.items()},
    )


def _lack(lack: Lack) -> str:
    return f"{lack.reason} {lack.model}".strip()
