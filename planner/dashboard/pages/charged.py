"""The money of one entry as tables: each line with its price, the container, what it would have been without us."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

from planner.core.exports.skus import METERS, unit_of
from planner.core.ledger.charges import is_notional, quantity_of
from planner.core.ledger.corrections import billed
from planner.core.ledger.entry import Entry
from planner.core.money import format_nano
from planner.core.pricing.prices import CODE, CREDIT, Line
from planner.core.reports.wording import several
from planner.dashboard.pages.explained import PAIRS
from planner.dashboard.tables import UNKNOWN, Column, Row, Table
from planner.dashboard.tables import total as total_row

CHARGES: Final = {
    "free": "Code was free: a web tool that makes it so was in the request, the caller's own or ours",
    "billed": "Its container time was charged: a new session pays its minimum, a running one what it uses beyond",
    "covered": "Nothing: the session it ran in has paid for more than it has used so far",
    "unmetered": "Unknown: the price files have no price for container time",
}
LOSSES: Final = {
    "refused": "the API refused it",
    "server-error": "the API failed, as it does where a container is gone",
    "replaced": "the answer came from another one, without a word",
}
UNPRICED: Final = {
    "unknown-model": "the price files do not know its model",
    "unknown-modifier": "the answer names a way of serving that has no published price",
    "no-usage": "the answer told no usage",
    "unparsed-usage": "its usage could not be read",
    "no-answer": "no answer came",
    "overflow": "it would be more than 64 bits hold",
    "store-unavailable": "what results of its batch were counted before could not be asked",
    "billed-elsewhere": "its response does not tell what it used",
}
PER: Final = {"1000000 Tokens": "1M tokens", "1000 Searches": "1,000 searches", "Hours": "an hour"}
DIGITS: Final = 9
"""Money of one request is told to the nano-dollar."""


def tokens(entry: Entry) -> Table:
    """Tokens by class, which share none."""
    counted = entry.tokens
    rows: tuple[Row, ...] = ()
    if counted is not None:
        rows = tuple(Row((METERS[name], getattr(counted, name))) for name in counted.__struct_fields__)
    return Table(
        name="tokens",
        title="Tokens in classes that share none",
        columns=(Column("class", "Class", "word"), Column("tokens", "Tokens", "count")),
        rows=rows,
        total=total_row(rows) if rows else None,
        note="Input is what was neither read from a cache nor written to one." if rows else "The answer told none.",
        nothing="",
    )


def lines(entry: Entry) -> Table:
    """Every line that adds up to the cost."""
    rows = tuple(map(_line, entry.lines))
    return Table(
        name="lines",
        title="What it cost, line by line",
        columns=(
            Column("kind", "For", "word"),
            Column("quantity", "Quantity", "count"),
            Column("unit", "Of", "word"),
            Column("price", "Price", "usd", digits=4),
            Column("per", "For each", "word"),
            Column("listed", "At list price", "usd"),
            Column("cost", "Contracted", "usd"),
            Column("basis", "Known by", "word"),
        ),
        rows=rows,
        total=None if entry.cost_nano is None else _total(entry),
        nothing="",
        digits=DIGITS,
        note=_lines_note(entry),
    )


def container(entry: Entry) -> Table:
    """Container time: what ran, what it is charged, and by which session."""
    code, rows = entry.code, []
    if entry.container is not None:
        rows.append(("Container", f"digest {entry.container}"))
    if entry.lost is not None:
        who = "we" if entry.lost.ours else "the caller"
        rows.append(("Lost", f"digest {entry.lost.container}, which {who} named: {LOSSES[entry.lost.cause]}"))
    if code is not None:
        seconds, time = code.seconds, billed([entry])
        rows += [
            ("Code runs", f"{code.runs:,}"),
            ("Ran for", f"{seconds.likely:,.3f} s likely, {seconds.low:,.3f} to {seconds.high:,.3f} s"),
            ("Charged", CHARGES[code.charge]),
        ]
        if time.ms:
            beyond = time.ms / 1000 - seconds.likely
            minimum = ": the minimum of a session that begins with it is in that" if beyond > 1 else ""
            rows.append(("Charged time", f"{time.ms / 1000:,.3f} s{minimum}"))
        if time.credited_ms:
            rows.append(("Given back", f"{time.credited_ms / 1000:,.3f} s were within the free hours"))
        rows += [
            ("Counts toward the free hours", f"{code.hours_ms / 1000:,.3f} s"),
            ("Without our edits it would", f"count {code.untouched_hours_ms / 1000:,.3f} s"),
        ]
        if code.avoided_nano is not None:
            rows.append(
                ("Minimum spared", f"by the {code.avoided_by}: it would have cost {usd(code.avoided_nano)} more")
            )
        if code.start_saved_ms:
            rows.append(("Start spared", f"{code.start_saved_ms / 1000:,.3f} s that a new one is believed to take"))
    return Table(
        name="container",
        title="Container time",
        columns=PAIRS,
        rows=tuple(map(Row, rows)),
        note="No response tells container time: it is estimated, until the bill corrects it."
        if rows
        else "No code ran.",
        nothing="",
    )


def compared(entry: Entry, corrections: Iterable[Entry] = ()) -> Table:
    """What it cost beside what it would have cost, and what was expected when it was decided."""
    return Table(
        name="compared",
        title="What that is worth",
        columns=(
            Column("what", "What", "word"),
            Column("amount", "Amount", "usd"),
            Column("basis", "Known by", "long"),
        ),
        rows=tuple(_compared(entry, tuple(corrections))),
        digits=DIGITS,
    )


def amended(corrections: Iterable[Entry]) -> Table:
    """What was found later."""
    return Table(
        name="corrections",
        title="Corrected later",
        columns=(
            Column("at", "When", "word"),
            Column("cost", "Cost more", "usd"),
            Column("seconds", "Container time more, s", "word"),
            Column("credited", "Given back more, s", "word"),
            Column("basis", "Known by", "word"),
            Column("request_id", "Entry", "code"),
        ),
        rows=tuple(map(_amended, corrections)),
        digits=DIGITS,
        note="An entry stays as it was settled; what is known better is added by entries of their own.",
    )


def verdict(entry: Entry) -> str:
    """What it cost and why, in a sentence or three."""
    if entry.outcome == "unknown":
        return "It is still on its way, or its end was never seen: its cost is not known yet."
    if entry.outcome == "refused" and not entry.cost_nano:
        return "The planner refused it and sent nothing, so it cost nothing."
    if entry.cost_nano is None:
        why = UNPRICED.get(entry.unpriced or "", entry.unpriced or "nobody noted why")
        return f"Its cost is unknown, and in no sum of money: {why}."
    cost = usd(entry.cost_nano)
    if is_notional(entry):
        return (
            f"A subscription pays for it. By the price list it would have cost {cost}; it was not billed by the token."
        )
    said = [f"It cost {cost}.", *_mostly(entry), *_worth(entry)]
    return " ".join(said)


def usd(nano: int) -> str:
    """An amount with every digit."""
    return f"-${format_nano(-nano)}" if nano < 0 else f"${format_nano(nano)}"


def _mostly(entry: Entry) -> Iterator[str]:
    """What most of the cost is for."""
    cost = entry.cost_nano or 0
    dearest = max(entry.lines, key=lambda line: line.nano, default=None)
    if dearest is None or cost <= 0 or dearest.nano <= 0:
        return
    count, name = dearest.quantity, METERS.get(dearest.kind, dearest.kind).lower()
    share = "All of it" if dearest.nano >= cost else f"{100 * dearest.nano / cost:.0f} % of it"
    yield f"{share} is {count:,} {name}." if isinstance(count, int) else f"{share} is {count} s of {name}."


def _worth(entry: Entry) -> Iterator[str]:
    cost, untouched = entry.cost_nano, entry.untouched_nano
    if cost is None or untouched is None:
        yield "What it would have cost untouched is not known."
    elif untouched == cost:
        yield "Untouched it would have cost the same (estimated)."
    else:
        words = "saved" if untouched > cost else "cost"
        yield f"Untouched it would have cost {usd(untouched)}, so edits {words} {usd(abs(untouched - cost))} (est.)."


def _line(line: Line) -> Row:
    unit = unit_of(line)
    exact = quantity_of(line) / unit.per
    price = None if not exact else round(Fraction(line.nano) / exact)
    shown = None if line.kind == CREDIT and price is not None and price < 0 else price
    cells = (METERS.get(line.kind, line.kind), line.quantity, line.unit, shown, PER[unit.pricing])
    return Row((*cells, line.listed, line.nano, line.basis))


def _total(entry: Entry) -> Row:
    return Row(("Total", "", "", "", "", sum(line.listed for line in entry.lines), entry.cost_nano, ""))


def _lines_note(entry: Entry) -> str:
    if not entry.lines:
        return "Nothing was charged." if entry.cost_nano == 0 else "There is no line, since there is no price for it."
    credited = any(line.kind == CREDIT for line in entry.lines)
    charged = any(line.kind == CODE for line in entry.lines)
    return (
        "Prices are what the amounts come to, for each unit, at contracted price."
        + (" Container time is charged as if no hours were free" if charged else "")
        + (", and what free hours cover is taken back." if credited else "." if charged else "")
    )


def _compared(entry: Entry, corrections: tuple[Entry, ...]) -> Iterator[Row]:
    cost, listed, untouched, expected = entry.cost_nano, entry.list_nano, entry.untouched_nano, entry.expected_nano
    yield Row(("At list price", listed, "the published prices"))
    yield Row(("It cost", cost, "contracted prices; lines say what of it is estimated"))
    yield Row(("Untouched", untouched, "the same answer priced without our edits: an estimate"))
    saved = None if cost is None or untouched is None else untouched - cost
    yield Row(("Saved", saved, "the one less the other"))
    if expected is not None:
        yield Row(("Expected untouched", expected.untouched, "when it was decided"))
        yield Row(("Expected with edits", expected.planned, "likewise"))
    if corrections and cost is not None:
        known = cost + sum(each.cost_nano or 0 for each in corrections)
        yield Row(("It cost, by now", known, f"with {several(len(corrections), 'correction')}"))


def _amended(entry: Entry) -> Row:
    time = billed([entry])
    bases = ", ".join(dict.fromkeys(line.basis for line in entry.lines)) or UNKNOWN
    seconds, credited = (f"{ms / 1000:,.3f}" for ms in (time.ms, time.credited_ms))
    return Row(((entry.corrected_at or "")[:19], entry.cost_nano, seconds, credited, bases, entry.request_id))
