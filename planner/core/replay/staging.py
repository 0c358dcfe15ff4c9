"""Hands a rule book's data to the world as plain rows: numbers are copied, never a way of deciding or counting."""

from fractions import Fraction

from planner.core.pricing.discounts import Discount
from planner.core.pricing.prices import PriceRow, Rates
from planner.core.replay.bill import Price, Rebate
from planner.core.replay.bill import Rates as Plain
from planner.core.replay.nature import Nature
from planner.core.replay.world import World
from planner.core.rulebook.book import RuleBook


def nature_of(book: RuleBook) -> Nature:
    """The world as the settings and the catalog of a rule book believe it to be."""
    settings, priors = book.settings, book.catalog.priors
    code, hours = settings.code, settings.free_hours
    tools = [row for row in book.prices.tools if not row.revoked]
    hour = next((row for row in reversed(tools) if row.component == "code_execution" and row.pico_per_hour), None)
    search = next((row for row in reversed(tools) if row.component == "web_search" and row.pico_per_use), None)
    believed = {tool.type: book.tool_tokens(tool.type) for tool in book.catalog.tools}
    return Nature(
        code_minimum_per=code.minimum_per,
        code_idle_bills=code.idle_bills,
        code_free_use_counts=code.free_use_counts,
        code_direct_web_tool_frees=code.direct_web_tool_frees,
        code_deferred_web_tool_frees=code.deferred_web_tool_frees,
        code_skills_preload_bills=code.skills_preload_bills,
        code_history_uploads_bill=code.history_uploads_bill,
        free_hours_limit=hours.limit,
        free_hours_used_elsewhere=hours.used_elsewhere,
        haiku55_tier_on=settings.haiku55_tier_on,
        container_after_idle=settings.container.after_idle,
        cache_web_tool_change_keeps_tools=settings.cache.web_tool_change_keeps_tools,
        tool_tokens={type_: size.likely for type_, size in believed.items() if size is not None},
        upgrade_tokens=priors.upgrade_tokens.likely,
        lift_tokens=priors.lift_tokens.likely,
        futile_call_tokens=priors.futile_call_tokens.likely,
        hour_pico=0 if hour is None or hour.pico_per_hour is None else hour.pico_per_hour,
        minimum_seconds=0.0 if hour is None else hour.minimum_ms / 1000,
        search_pico=0 if search is None or search.pico_per_use is None else search.pico_per_use,
        cache_minimum={model: row.min_cache_prefix for row in book.catalog.models for model in row.models},
    )


def prices_of(book: RuleBook) -> tuple[Price, ...]:
    """The price rows of a rule book."""
    return tuple(_price(row) for row in book.prices.rows if not row.revoked)


def stage(book: RuleBook, nature: Nature | None = None, extra: tuple[Price, ...] = ()) -> World:
    """A fresh world with the prices of a rule book, and `extra` ones of which it does not know."""
    prices = (*prices_of(book), *extra)
    frees = frozenset(tool.type for tool in book.catalog.tools if tool.frees_code)
    rebates = tuple(_rebate(discount) for discount in book.prices.discounts if not discount.revoked)
    return World(nature or nature_of(book), prices, frees, rebates)


def _rebate(discount: Discount) -> Rebate:
    left = 1 - discount.off
    return Rebate(
        kinds=frozenset(discount.holds_for),
        models=discount.models,
        organizations=frozenset(discount.organizations),
        since=discount.since,
        until=discount.until,
        left=(left.numerator, left.denominator),
    )


def _price(row: PriceRow) -> Price:
    over = None if row.over is None else (row.over.prompt_tokens, _plain(row.over.rates))
    return Price(
        models=row.models,
        since=row.since,
        until=row.until,
        rates=_plain(row.rates),
        over=over,
        fast=_pair(row.multipliers.fast),
        us=_pair(row.multipliers.us),
        batch=_pair(row.multipliers.batch),
    )


def _plain(rates: Rates) -> Plain:
    return rates.input, rates.cache_write_5m, rates.cache_write_1h, rates.cache_read, rates.output


def _pair(factor: Fraction | None) -> tuple[int, int] | None:
    return None if factor is None else (factor.numerator, factor.denominator)
