"""`planner replay`: a recorded trace played again under a rule book, in virtual time, with its true bill."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import rich_click as click

from planner.cli.options import USAGE, fail, pairs, read_rules, rules_options
from planner.cli.traces import opened_trace, opening, usable
from planner.core.money import format_nano
from planner.core.replay.nature import Nature, altered
from planner.core.replay.player import Played, Player, called, subscribed
from planner.core.replay.staging import nature_of, stage
from planner.core.replay.tally import KINDS, Bill, Tally, decided
from planner.core.replay.trace import TraceLine
from planner.core.rulebook.book import RuleBook

MINE, OTHERS = "rules", "against"
CALLED: Final = {"untouched": "untouched", MINE: "rules", OTHERS: "other rules"}
"""What the sides are called for people."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One side of the comparison, as `--format json` writes it; amounts in nano-dollars."""

    name: str
    rules: str | None
    prices: str | None
    total_nano: int
    lines: dict[str, int]
    unpriced: int
    container_starts: int
    container_hours: float
    decisions: dict[str, dict[str, int]]
    holdouts: tuple[Any, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay came to. `difference_nano` is what the rule book saves against each other side.

    `given` are the words of `--set` and `--world` that it was run with. `untouched` has the rule book's prices.
    """

    trace: str
    requests: int
    conversations: int
    principals: int
    first: str | None
    last: str | None
    given: dict[str, tuple[str, ...]]
    sides: tuple[Side, ...]
    difference_nano: dict[str, int]


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "--against", type=click.Path(path_type=Path), default=None, help="Another directory of rule files to compare."
)
@click.option(
    "--decisions",
    type=click.Path(path_type=Path),
    default=None,
    help="Write each line's decisions here, as JSON Lines.",
)
@click.option(
    "--world", multiple=True, metavar="KEY=VALUE", help="Let a fact of the world differ from what the rules believe."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@rules_options
def command(  # noqa: PLR0913 - one parameter a flag
    *,
    trace: Path,
    against: Path | None,
    decisions: Path | None,
    world: tuple[str, ...],
    form: str,
    as_json: bool,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Play TRACE, JSON Lines of requests in time order (`-` for standard input), under the rules, and bill it.

    Decisions see what a live planner would have seen by then: requests that were answered before. The bill is that of a
    world of its own, which is as the rules believe it to be unless --world says otherwise. Nothing is sent anywhere.
    """
    book = read_rules(rules, overrides)
    other = None if against is None else _other(against, overrides)
    nature = _nature(book, world)
    with ExitStack() as opened:
        lines = opened_trace(trace, opened)
        if decisions is not None and trace.exists() and decisions.exists() and trace.samefile(decisions):
            fail(f"--decisions names the trace itself, {trace}", USAGE)
        draft = None if decisions is None else decisions.with_name(decisions.name + ".part")
        out = None if draft is None else opening(draft, "wb", opened)
        if draft is not None:
            opened.callback(draft.unlink, missing_ok=True)  # of a trace that cannot be used, nothing is left
        given = {"set": overrides, "world": world}
        result = Replay(str(trace), book, other, nature, out).run(usable(trace, lines), given)
        if draft is not None and decisions is not None and out is not None:
            out.close()
            draft.replace(decisions)
    if form == "json" or as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
    else:
        click.echo("\n".join(text(result)))


class Replay:
    """Plays a trace on every side at once, so that it is read once and never kept."""

    def __init__(
        self, trace: str, book: RuleBook, other: RuleBook | None, nature: Nature, out: IO[bytes] | None
    ) -> None:
        self._trace, self._out = trace, out
        self._books = {MINE: book} if other is None else {MINE: book, OTHERS: other}
        self._players = {name: Player(each, stage(each, nature)) for name, each in self._books.items()}
        self._tallies = {name: Tally() for name in self._books}
        self._untouched, self._bill = stage(book, nature), Bill()
        self._names: set[tuple[str, str]] = set()
        self._principals: set[str] = set()
        self._span: tuple[str | None, str | None] = (None, None)
        self._requests = 0

    def run(self, lines: Iterable[TraceLine], given: dict[str, tuple[str, ...]]) -> Result:
        """Play all lines."""
        for line in lines:
            self._play(line)
        return self._result(given)

    def _play(self, line: TraceLine) -> None:
        at = line.at.isoformat()
        self._span = (self._span[0] or at, at)
        self._requests += 1
        self._names.add((line.principal, line.conversation))
        self._principals.add(line.principal)
        self._bill.add(self._untouched.call(called(line, None, subscribed(line, self._books[MINE]))))
        for name, player in self._players.items():
            played = player.play(line)
            self._tallies[name].add(played)
            if name == MINE and self._out is not None:
                self._out.write(_encoded(played))

    def _result(self, given: dict[str, tuple[str, ...]]) -> Result:
        untouched = _side("untouched", None, self._bill, None)
        sides = [_side(name, self._books[name], tally.bill, tally) for name, tally in self._tallies.items()]
        mine, others = sides[0], (untouched, *sides[1:])
        return Result(
            trace=self._trace,
            requests=self._requests,
            conversations=len(self._names),
            principals=len(self._principals),
            first=self._span[0],
            last=self._span[1],
            given=given,
            sides=(untouched, *sides),
            difference_nano={other.name: other.total_nano - mine.total_nano for other in others},
        )


def text(result: Result) -> Iterator[str]:
    """The result for people."""
    yield (
        f"{result.trace}: {result.requests:,} requests in {result.conversations:,} conversations of"
        f" {result.principals:,} principals, {result.first or 'never'} to {result.last or 'never'}"
    )
    for flag, words in result.given.items():
        if words:
            yield f"with --{flag} {' '.join(words)}"
    if len({side.prices for side in result.sides} - {None}) > 1:
        yield "The price books differ, so what is saved is not saved by decisions alone."
    yield ""
    yield from _costs(result)
    for side in result.sides[1:]:
        yield from _decisions(side)


def _costs(result: Result) -> Iterator[str]:
    sides = result.sides
    yield f"{'':<22}" + "".join(f"{CALLED[side.name]:>16}" for side in sides)
    for kind in KINDS:
        if any(side.lines.get(kind) for side in sides):
            yield f"  {kind:<20}" + "".join(f"{_dollars(side.lines.get(kind, 0)):>16}" for side in sides)
    yield f"  {'total':<20}" + "".join(f"{_dollars(side.total_nano):>16}" for side in sides)
    for name, saved in result.difference_nano.items():
        share = next(side.total_nano for side in sides if side.name == name)
        part = f", {100 * abs(saved) / share:.1f} %" if share else ""
        yield f"  the rules {'save' if saved >= 0 else 'cost'} {_dollars(abs(saved))} against {CALLED[name]}{part}"
    yield ""
    yield f"  {'container starts':<20}" + "".join(f"{side.container_starts:>16,}" for side in sides)
    yield f"  {'hours that count':<20}" + "".join(f"{side.container_hours:>16.2f}" for side in sides)
    for side in sides:
        if side.unpriced:
            yield f"  {CALLED[side.name]}: requests without a price, which are in no sum: {side.unpriced:,}"


def _decisions(side: Side) -> Iterator[str]:
    yield f"\nDecisions under {CALLED[side.name]} (rule book {side.rules}, price book {side.prices})"
    for action, counted in side.decisions.items():
        yield f"  {action}"
        for what, number in sorted(counted.items(), key=lambda each: (-each[1], each[0])):
            yield f"    {number:>9,}  {what}"
    for each in side.holdouts:
        yield f"  {_holdout(each)}"


def _holdout(each: Any) -> str:  # noqa: ANN401 - planner.core.reports.holdout.Measured
    arms = f"{each.treated} prefix-days against {each.held_out} held out"
    if each.saved_nano is None:
        return f"hold-out of {each.policy}: not yet measurable, {arms}; 30 each are needed"
    low, high = (_dollars(round(value)) for value in (each.low, each.high))
    return f"hold-out of {each.policy}: {_dollars(round(each.saved_nano))} saved a request ({low} to {high}), {arms}"


def _side(name: str, book: RuleBook | None, bill: Bill, tally: Tally | None) -> Side:
    decisions: dict[str, dict[str, int]] = {}
    for (action, outcome, reason), number in (tally.decisions if tally is not None else {}).items():
        decisions.setdefault(action, {})[f"{outcome};reason={reason}" if reason else outcome] = number
    return Side(
        name=name,
        rules=None if book is None else book.digest,
        prices=None if book is None else book.prices.digest,
        total_nano=bill.nano,
        lines=dict(bill.kinds),
        unpriced=bill.unpriced,
        container_starts=bill.containers,
        container_hours=round(bill.billed_ms / 3_600_000, 6),
        decisions=decisions,
        holdouts=() if tally is None else tally.holdouts(),
    )


def _encoded(played: Played) -> bytes:
    return msgspec.json.encode(decided(played)) + b"\n"


def _dollars(nano: int) -> str:
    return f"-${format_nano(-nano)}" if nano < 0 else f"${format_nano(nano)}"


def _nature(book: RuleBook, world: tuple[str, ...]) -> Nature:
    try:
        return altered(nature_of(book), pairs(world, "--world"))
    except ValueError as error:
        fail(str(error), USAGE)


def _other(directory: Path, overrides: tuple[str, ...]) -> RuleBook:
    if not directory.is_dir():
        fail(f"--against takes a directory of rule files; {directory} is none", USAGE)
    return read_rules(directory, overrides)
