"""`prices/*.yaml` becomes a price book: money is read from quoted decimals; no day has two prices, or none between.

What can hardly be meant is an error too, until the row says under `unusual` why it is right all the same.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec

from planner.core.findings import Finding
from planner.core.money import fraction, parse_millionths, pico_per_hour, pico_per_token, pico_per_use
from planner.core.pricing.discounts import Discount
from planner.core.pricing.prices import Component, Multipliers, PriceBook, PriceRow, Rates, Tier, ToolRow
from planner.core.rulebook.catalog import Catalog, Text, Texts
from planner.core.rulefile.discountfile import DiscountShape, check_discounts, read_discounts
from planner.core.rulefile.plausible import check_jump, check_multipliers, check_rates
from planner.core.rulefile.read import Reader, Usd, place, word
from planner.core.rulefile.timeline import (
    DatedShape,
    Placed,
    check_models,
    check_names,
    check_period,
    check_timeline,
    examples,
)
from planner.core.rulefile.tree import Node, Pairs

ADD_ONE = "Add one, or copy the shipped file here: a prices/ of your own takes the place of the shipped one."


class RatesShape(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars per million tokens of each token class.

    Attributes:
        input: neither read from a prompt cache nor written to one.
        output: written by the model.
        cache_write_5m: written to a prompt cache for five minutes.
        cache_write_1h: written to a prompt cache for an hour.
        cache_read: read from a prompt cache.
    """

    input: Usd
    output: Usd
    cache_write_5m: Usd
    cache_write_1h: Usd
    cache_read: Usd


class TierShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole request costs when its prompt is longer than this.

    Attributes:
        prompt_tokens: the longest prompt that costs what the row says above.
        usd_per_million: dollars per million tokens of the whole request beyond.
    """

    prompt_tokens: Annotated[int, msgspec.Meta(ge=1)]
    usd_per_million: RatesShape


class MultipliersShape(msgspec.Struct, frozen=True, kw_only=True):
    """Published factors on all token classes; a request that needs one that is left out has no known cost.

    Attributes:
        batch: of requests in a message batch.
        fast: of requests that were served in fast mode.
        us: of requests that are answered in the US.
    """

    batch: Usd | None = None
    fast: Usd | None = None
    us: Usd | None = None


class PriceShape(DatedShape, frozen=True, kw_only=True):
    """What models cost for a time.

    Attributes:
        name: by which people know the row; rows of one name follow each other by date.
        models: exact ids, or globs.
        usd_per_million: dollars per million tokens.
        over: other prices for requests with a long prompt.
        multipliers: factors for batches, fast mode and the US.
    """

    name: Text
    models: Texts
    usd_per_million: RatesShape
    over: TierShape | None = None
    multipliers: MultipliersShape = MultipliersShape()


class ToolShape(DatedShape, frozen=True, kw_only=True):
    """What a server tool costs for a time.

    Attributes:
        component: what is used.
        usd_per_thousand: dollars per thousand uses, of web_search.
        usd_per_hour: dollars per container hour, of code_execution.
        minimum_minutes: what a container session is billed at least, in minutes.
    """

    component: Component
    usd_per_thousand: Usd | None = None
    usd_per_hour: Usd | None = None
    minimum_minutes: Usd | None = None


class PriceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of `prices/`.

    Attributes:
        prices: what models cost, at list price.
        tools: what server tools cost, at list price.
        discounts: what was agreed to be paid less.
    """

    prices: tuple[PriceShape, ...] = ()
    tools: tuple[ToolShape, ...] = ()
    discounts: tuple[DiscountShape, ...] = ()


def read_prices(files: Iterable[tuple[Reader, Node | None]], catalog: Catalog | None) -> PriceBook:
    """Return the book of all price files; models are checked against the catalog where there is one."""
    known = catalog.known_models if catalog else ()
    prices: list[Placed[PriceRow]] = []
    tools: list[Placed[ToolRow]] = []
    discounts: list[Placed[Discount]] = []
    last = None
    sound = True
    for reader, root in files:
        last = reader
        reader.top(root, ("prices", "tools", "discounts"))
        for node, shape in reader.rows(root, "prices", PriceShape, lambda node: f'price "{word(node, "name")}"'):
            prices.append(Placed(reader, node, _price(shape), f'price "{shape.name}"'))
        for node, shape_ in reader.rows(root, "tools", ToolShape, lambda node: f'tool "{word(node, "component")}"'):
            subject = f'tool "{shape_.component}"'
            _check_component(reader, node, shape_, subject)
            tools.append(Placed(reader, node, _tool(shape_), subject))
        discounts += read_discounts(reader, root)
        sound = sound and not reader.findings
    _check_prices(prices, known)
    check_discounts(discounts, known, {model for each in prices for model in each.row.models})
    for each_ in tools:
        check_period(each_)
    for component in ("web_search", "code_execution"):
        line = [each for each in tools if each.row.component == component]
        for before, after in check_timeline(line):
            check_jump(before, after)
        if last is not None and not line and sound:
            at = Finding(last.path, 1, 1, "missing-component", "tools", f"no row prices {component}", ADD_ONE)
            last.findings.append(at)
    if last is not None and not prices and sound:
        last.findings.append(
            Finding(last.path, 1, 1, "missing-component", "prices", "no row prices any model", ADD_ONE)
        )
    return PriceBook(
        tuple(each.row for each in prices), tuple(each.row for each in tools), tuple(each.row for each in discounts)
    )


def _check_prices(prices: list[Placed[PriceRow]], known: tuple[str, ...]) -> None:
    for each in prices:
        check_period(each)
        check_models(each, each.row.models, known)
        check_rates(each)
        check_multipliers(each)
    check_names(prices)
    for model in examples(known, (glob for each in prices for glob in each.row.models)):
        line = [each for each in prices if any(fnmatchcase(model, glob) for glob in each.row.models)]
        for before, after in check_timeline(line):
            check_jump(before, after)


def _price(shape: PriceShape) -> PriceRow:
    over = shape.over
    factors = {
        name: None if (text := getattr(shape.multipliers, name)) is None else fraction(text)
        for name in Multipliers.__struct_fields__
    }
    return PriceRow(
        name=shape.name,
        models=shape.models,
        rates=_rates(shape.usd_per_million),
        over=None if over is None else Tier(over.prompt_tokens, _rates(over.usd_per_million)),
        multipliers=Multipliers(**factors),
        **shape.dated(),
    )


def _rates(shape: RatesShape) -> Rates:
    return Rates(**{name: pico_per_token(getattr(shape, name)) for name in Rates.__struct_fields__})


def _tool(shape: ToolShape) -> ToolRow:
    return ToolRow(
        component=shape.component,
        pico_per_use=None if shape.usd_per_thousand is None else pico_per_use(shape.usd_per_thousand),
        pico_per_hour=None if shape.usd_per_hour is None else pico_per_hour(shape.usd_per_hour),
        minimum_ms=parse_millionths(shape.minimum_minutes or "0") * 60_000 // 1_000_000,
        **shape.dated(),
    )


def _check_component(reader: Reader, node: Pairs, shape: ToolShape, subject: str) -> None:
    needs, other = "usd_per_thousand", "usd_per_hour"
    if shape.component == "code_execution":
        needs, other = other, needs
    if getattr(shape, needs) is None:
        reader.find(node, "missing-field", subject, f'"{needs}" is missing', f"{shape.component} is billed by it.")
    if getattr(shape, other) is not None:
        reader.find(place(node, other), "unknown-field", subject, f'"{other}" does not apply', f"Use {needs}.")
