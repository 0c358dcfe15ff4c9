"""`prices/*.yaml` becomes a price book: money is read from quoted decimals; no day has two prices, or none between."""

from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Annotated, Generic, TypeVar

import msgspec

from planner.core.catalog import Catalog, Text, Texts, is_exact
from planner.core.findings import Finding, did_you_mean
from planner.core.money import fraction, parse_millionths, pico_per_hour, pico_per_token, pico_per_use
from planner.core.prices import Component, Mark, Multipliers, PriceBook, PriceRow, Rates, Tier, ToolRow
from planner.core.rulefile.read import Reader, Usd, place, word
from planner.core.rulefile.tree import Node, Pairs

_SNAPSHOT = "-20990101"  # a dated id that no row names yet: it shows what a glob is meant for


class RatesShape(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars per million tokens of each token class."""

    input: Usd
    output: Usd
    cache_write_5m: Usd
    cache_write_1h: Usd
    cache_read: Usd


class TierShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole request costs when its prompt is longer than this."""

    prompt_tokens: Annotated[int, msgspec.Meta(ge=1)]
    usd_per_million: RatesShape


class MultipliersShape(msgspec.Struct, frozen=True, kw_only=True):
    """Published factors; one that is left out is not published."""

    batch: Usd | None = None
    fast: Usd | None = None
    us: Usd | None = None


class PriceShape(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `prices`."""

    name: Text
    models: Texts
    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = None
    usd_per_million: RatesShape
    over: TierShape | None = None
    multipliers: MultipliersShape = MultipliersShape()
    source: Text
    checked: date
    mark: Mark
    revoked: bool = False


class ToolShape(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `tools`."""

    component: Component
    usd_per_thousand: Usd | None = None
    usd_per_hour: Usd | None = None
    minimum_minutes: Usd | None = None
    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = None
    source: Text
    checked: date
    mark: Mark
    revoked: bool = False


class PriceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of `prices/`."""

    prices: tuple[PriceShape, ...] = ()
    tools: tuple[ToolShape, ...] = ()


R = TypeVar("R", PriceRow, ToolRow)


class _Placed(msgspec.Struct, Generic[R], frozen=True):
    """A row with the file and the place it came from."""

    reader: Reader
    node: Pairs
    row: R
    subject: str


def read_prices(files: Iterable[tuple[Reader, Node | None]], catalog: Catalog | None) -> PriceBook:
    """Return the book of all price files; models are checked against the catalog where there is one."""
    known = catalog.known_models if catalog else ()
    prices: list[_Placed[PriceRow]] = []
    tools: list[_Placed[ToolRow]] = []
    last = None
    sound = True
    for reader, root in files:
        last = reader
        reader.top(root, ("prices", "tools"))
        for node, shape in reader.rows(root, "prices", PriceShape, lambda node: f"price {word(node, 'name')}"):
            prices.append(_Placed(reader, node, _price(shape), f"price {shape.name}"))
        for node, shape_ in reader.rows(root, "tools", ToolShape, lambda node: f"tool {word(node, 'component')}"):
            subject = f"tool {shape_.component}"
            _check_component(reader, node, shape_, subject)
            tools.append(_Placed(reader, node, _tool(shape_), subject))
        sound = sound and not reader.findings
    for each in prices:
        _check_period(each)
        _check_models(each, known)
    _check_names(prices)
    exact = {model for each in prices for model in each.row.models if is_exact(model)}
    for model in sorted({*known, *(model + _SNAPSHOT for model in known), *exact}):
        _check_timeline([each for each in prices if any(fnmatchcase(model, glob) for glob in each.row.models)])
    for each_ in tools:
        _check_period(each_)
    for component in ("web_search", "code_execution"):
        line = [each for each in tools if each.row.component == component]
        _check_timeline(line)
        if last is not None and not line and sound:
            at = Finding(last.path, 1, 1, "missing-component", "tools", f"no row prices {component}", "Add one.")
            last.findings.append(at)
    return PriceBook(tuple(each.row for each in prices), tuple(each.row for each in tools))


def _price(shape: PriceShape) -> PriceRow:
    over = shape.over
    factors = {
        name: None if (text := getattr(shape.multipliers, name)) is None else fraction(text)
        for name in Multipliers.__struct_fields__
    }
    return PriceRow(
        name=shape.name,
        models=shape.models,
        since=shape.since,
        until=shape.until,
        rates=_rates(shape.usd_per_million),
        over=None if over is None else Tier(over.prompt_tokens, _rates(over.usd_per_million)),
        multipliers=Multipliers(**factors),
        source=shape.source,
        checked=shape.checked,
        mark=shape.mark,
        revoked=shape.revoked,
    )


def _rates(shape: RatesShape) -> Rates:
    return Rates(**{name: pico_per_token(getattr(shape, name)) for name in Rates.__struct_fields__})


def _tool(shape: ToolShape) -> ToolRow:
    return ToolRow(
        component=shape.component,
        pico_per_use=None if shape.usd_per_thousand is None else pico_per_use(shape.usd_per_thousand),
        pico_per_hour=None if shape.usd_per_hour is None else pico_per_hour(shape.usd_per_hour),
        minimum_ms=parse_millionths(shape.minimum_minutes or "0") * 60_000 // 1_000_000,
        since=shape.since,
        until=shape.until,
        source=shape.source,
        checked=shape.checked,
        mark=shape.mark,
        revoked=shape.revoked,
    )


def _check_component(reader: Reader, node: Pairs, shape: ToolShape, subject: str) -> None:
    needs, other = "usd_per_thousand", "usd_per_hour"
    if shape.component == "code_execution":
        needs, other = other, needs
    if getattr(shape, needs) is None:
        reader.find(node, "missing-field", subject, f'"{needs}" is missing', f"{shape.component} is billed by it.")
    if getattr(shape, other) is not None:
        reader.find(place(node, other), "unknown-field", subject, f'"{other}" does not apply', f"Use {needs}.")


def _check_period(each: _Placed[R]) -> None:
    row = each.row
    if row.since is not None and row.until is not None and row.since >= row.until:
        node = place(each.node, "until")
        problem = f'"until" ({row.until}) is not after "from" ({row.since})'
        each.reader.find(node, "empty-period", each.subject, problem, "The row would never hold: correct a date.")


def _check_models(each: _Placed[PriceRow], known: tuple[str, ...]) -> None:
    if not known:
        return
    nodes = getattr(place(each.node, "models"), "items", ())
    for pattern, node in zip(each.row.models, nodes, strict=True):
        if is_exact(pattern) and pattern not in known:
            problem = f'no model of the catalog is called "{pattern}"'
            remedy = f"{did_you_mean(pattern, known)} A new model needs a row in catalog.yaml first."
            each.reader.find(node, "unknown-model", each.subject, problem, remedy)
        elif not any(fnmatchcase(model, pattern) for id_ in known for model in (id_, id_ + _SNAPSHOT)):
            problem = f'"{pattern}" matches no known model'
            remedy = f"{did_you_mean(pattern, known)} A new model needs a row in catalog.yaml first."
            each.reader.find(node, "unknown-model", each.subject, problem, remedy)


def _check_names(prices: list[_Placed[PriceRow]]) -> None:
    seen: dict[tuple[str, date | None], _Placed[PriceRow]] = {}
    for each in prices:
        first = seen.setdefault((each.row.name, each.row.since), each)
        if first is not each:
            problem = f"the same name and from as the row at {_where(first)}"
            each.reader.find(place(each.node, "name"), "duplicate-name", each.subject, problem, "Name it differently.")


def _check_timeline(line: list[_Placed[R]]) -> None:
    """Find days on which one thing has two prices, or none between two; a pair found twice is one finding."""
    live = [each for each in line if not each.row.revoked]
    for before, after in pairwise(sorted(live, key=lambda each: each.row.since or date.min)):
        _check_pair(before, after)


def _check_pair(before: _Placed[R], after: _Placed[R]) -> None:
    ends, begins = before.row.until or date.max, after.row.since or date.min
    late = max(before, after, key=lambda each: (each.reader.path, each.node.line))
    node = place(after.node, "from") if late is after else place(before.node, "until")
    if begins < ends:
        other = before if late is after else after
        problem = f"its period overlaps with the row at {_where(other)}"
        late.reader.find(node, "overlapping-dates", late.subject, problem, "End the older row where the newer begins.")
    elif begins > ends:
        problem = f"no price from {ends} until {begins}"
        late.reader.find(node, "gap", late.subject, problem, "Let the rows meet, or add the row between them.")


def _where(each: _Placed[R]) -> str:
    return f"{each.reader.path}:{each.node.line}"
