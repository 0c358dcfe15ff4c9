"""The ledger as a FOCUS dataset: one row a cost line, in the order of the ledger.

FOCUS 1.2, the Cost and Usage dataset, with the two columns that 1.3 made mandatory beside, and columns of ours behind
them with the prefix `x_`: https://focus.finops.org, version 1.2 of 2025-05-29 and 1.3 of 2025-12, checked 2026-11-25.
Amounts are those of the ledger, so that their sums are its sums. What a subscription pays for is no money: it makes no
row, or rows of cost 0 where asked for.
"""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from planner.core.exports.focuscolumns import COLUMNS, FINE, MILLI
from planner.core.exports.skus import METERS, SEARCH, Unit, sku_of, unit_of
from planner.core.exports.tabular import Cell, Row, ascii_text, at_scale, key_values
from planner.core.ledger.charges import LeftOut, balance, deciding_policy, is_notional, outcomes, quantity_of
from planner.core.ledger.entry import Entry
from planner.core.pricing.prices import CREDIT, Line, PriceBook

PROVIDER: Final = "Anthropic"
SERVICE: Final = "Claude API"
UNKNOWN_ORGANIZATION: Final = "unknown"

_NAMES: Final = tuple(column.name for column in COLUMNS)
_TOKEN_COLUMNS: Final = {
    "input": "x_InputTokens",
    "cache_write_5m": "x_CacheWrite5mTokens",
    "cache_write_1h": "x_CacheWrite1hTokens",
    "cache_read": "x_CacheReadTokens",
    "output": "x_OutputTokens",
    SEARCH: "x_WebSearches",
}
_BILLED: Final = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "ListUnitPrice", "ContractedUnitPrice")
_PRICED: Final = ("ContractedUnitPrice", "EffectiveCost", "ListUnitPrice")
"""What FOCUS has in the currency of prices as well, which is that of the bill."""

Cells = dict[str, Cell]


class Focus:
    """Makes rows, and counts in `left_out` what makes none. `total` names the column whose sum is the bill.

    Args:
        prices: by which lines are given SKUs and unit prices.
        notional: whether what a subscription pays for makes rows, of cost 0.
    """

    columns = COLUMNS
    total = "BilledCost"

    def __init__(self, prices: PriceBook, *, notional: bool = False) -> None:
        self._prices = prices
        self._notional = notional
        self.left_out = LeftOut()

    def rows(self, entry: Entry) -> list[Row]:
        """The rows of an entry, none for what costs nothing, has no known cost, or is not billed.

        Raises UnbalancedError where its lines do not add up to its cost.
        """
        if entry.cost_nano is None:
            self.left_out.add(f"whose cost is unknown ({entry.unpriced or entry.outcome})")
            return []
        balance(entry)
        notional = is_notional(entry)
        if notional and not self._notional:
            self.left_out.add("that a subscription pays for")
            return []
        if not entry.lines and entry.untouched_nano:
            self.left_out.add("that cost nothing and saved something, which is in no row")
        at = datetime.fromisoformat(entry.at).astimezone(UTC)
        common = _common(entry, at)
        made = []
        for place, line in enumerate(entry.lines):
            cells = common | self._line(entry, line, at)
            cells["x_Line"] = place
            if place == 0 and not notional:  # of a request, once, so that sums over rows are right
                cells |= _saving(entry)
            if notional:
                cells |= {name: 0 for name in _BILLED if cells.get(name) is not None}
                cells |= {"x_NotionalCost": line.nano, "x_AllowanceCredit": None}
                cells |= {"PricingCategory": "Other"} if line.kind != CREDIT else {}
            for name in _PRICED:
                cells[f"PricingCurrency{name}"] = cells.get(name)
            made.append(tuple(cells.get(name) for name in _NAMES))
        return made

    def _line(self, entry: Entry, line: Line, at: datetime) -> Cells:
        """What is different from one line to the next."""
        unit, quantity, credit = unit_of(line), quantity_of(line), line.kind == CREDIT
        correction = entry.corrects is not None
        sku = sku_of(line, entry, at, self._prices)
        model = entry.served_model or entry.model or "unknown model"
        cells: Cells = {
            "BilledCost": line.nano,
            "ChargeCategory": "Credit" if credit else "Usage",
            "ChargeDescription": ascii_text(f"{model}: {METERS.get(line.kind, line.kind)}"),
            "ContractedCost": line.nano,
            "EffectiveCost": line.nano,
            "ListCost": line.listed,
            "SkuId": ascii_text(sku.id),
            "SkuMeter": METERS.get(line.kind, line.kind),
            "SkuPriceDetails": key_values(sku.details),
            "SkuPriceId": ascii_text(sku.price_id),
            "x_Basis": line.basis,
            "x_LineKind": line.kind,
        }
        if not credit:
            cells |= _quantities(quantity, unit)
            if not correction:
                cells |= {"ListUnitPrice": _price(sku.listed), "ContractedUnitPrice": _price(sku.contracted)}
        if line.unit == "second" and entry.container is not None:
            cells |= {"ResourceId": entry.container, "ResourceType": "Container"}
        return cells | _counted(line, quantity)


def _common(entry: Entry, at: datetime) -> Cells:
    """What all rows of an entry share. Strings of FOCUS are ASCII, as its validator has it; ours are as they were."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    month = hour.replace(day=1, hour=0)
    organization = ascii_text(entry.organization) or UNKNOWN_ORGANIZATION
    workspace = ascii_text(entry.workspace)
    corrected = entry.corrected_at
    return {
        "BillingAccountId": organization,
        "BillingAccountName": organization,
        "BillingAccountType": "Organization",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": (month + timedelta(days=31)).replace(day=1),
        "BillingPeriodStart": month,
        "ChargeClass": None if entry.corrects is None else "Correction",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": hour + timedelta(hours=1),
        "ChargePeriodStart": hour,
        "HostProviderName": PROVIDER,
        "InvoiceIssuerName": PROVIDER,
        "PricingCurrency": "USD",
        "ProviderName": PROVIDER,
        "PublisherName": PROVIDER,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": SERVICE,
        "ServiceProviderName": PROVIDER,
        "ServiceSubcategory": "Generative AI",
        "SubAccountId": workspace,
        "SubAccountName": workspace,
        "SubAccountType": None if workspace is None else "Workspace",
        "Tags": key_values(_tags(entry)),
        "x_ArrivedAt": at,
        "x_CorrectedAt": None if corrected is None else datetime.fromisoformat(corrected).astimezone(UTC),
        "x_CorrectsRequestId": entry.corrects,
        "x_Decisions": key_values(outcomes(entry)),
        "x_Endpoint": entry.endpoint,
        "x_Model": entry.served_model or None,
        "x_Policy": deciding_policy(entry),
        "x_PricesDigest": entry.digests.prices,
        "x_Principal": entry.principal,
        "x_Project": entry.project or None,
        "x_RequestId": entry.request_id,
        "x_RequestedModel": entry.model or None,
        "x_RulesDigest": entry.digests.rules,
        "x_Team": entry.team or None,
    }


def _tags(entry: Entry) -> dict[str, str]:
    """The tags of a request, and who it was; team and project of the ledger beat those that the caller sent."""
    named = {"principal": entry.principal, "team": entry.team, "project": entry.project}
    return entry.tags | {key: value for key, value in named.items() if value}


def _quantities(quantity: Fraction, unit: Unit) -> Cells:
    return {
        "ConsumedQuantity": at_scale(quantity, MILLI),
        "ConsumedUnit": unit.consumed,
        "PricingCategory": "Standard",
        "PricingQuantity": at_scale(quantity / unit.per, FINE),
        "PricingUnit": unit.pricing,
    }


def _price(price: Fraction | None) -> int | None:
    return None if price is None else at_scale(price, FINE)


def _counted(line: Line, quantity: Fraction) -> Cells:
    """The quantity in the column of its kind, so that each kind has sums of its own."""
    if line.kind == CREDIT:
        return {"x_FreeContainerSeconds": at_scale(quantity, MILLI), "x_AllowanceCredit": line.nano}
    if line.kind in _TOKEN_COLUMNS:
        return {_TOKEN_COLUMNS[line.kind]: int(quantity)}
    return {"x_ContainerSeconds": at_scale(quantity, MILLI)}


def _saving(entry: Entry) -> Cells:
    if entry.untouched_nano is None or entry.cost_nano is None:
        return {}
    return {"x_UntouchedCost": entry.untouched_nano, "x_Saving": entry.untouched_nano - entry.cost_nano}
