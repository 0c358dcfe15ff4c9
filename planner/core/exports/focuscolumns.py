"""The columns of the FOCUS export in their order: those of FOCUS by name, then ours, as the specification asks.

FOCUS 1.2, dataset Cost and Usage (https://focus.finops.org/focus-specification/v1-2, and the validator's requirements
model 1.2.0.1), with the two columns that 1.3 made mandatory (https://focus.finops.org/focus-specification/v1-3);
checked 2026-11-25. Columns are left out that FOCUS asks for only of providers that have what they tell: commitments,
capacity reservations, regions, availability zones, costs that are split. `CommitmentDiscountStatus`, always empty, is
there because the validator looks at it to judge `ConsumedQuantity`; `PricingCurrency…` are those of the bill.
"""

from typing import Final

from planner.core.exports.tabular import Column, Kind

NANO: Final = 9
"""Decimals of an amount."""
FINE: Final = 12
"""Decimals of unit prices and of pricing quantities, of which an hour's are endless."""
MILLI: Final = 3
"""Decimals of a consumed quantity: milliseconds."""


def _of(name: str, kind: Kind = "text", scale: int = 0, *, null: bool = False, since: str = "1.2") -> Column:
    return Column(name=name, kind=kind, scale=scale, nullable=null, since=since)


def _our(name: str, kind: Kind = "text", scale: int = 0, *, null: bool = True) -> Column:
    return Column(name=f"x_{name}", kind=kind, scale=scale, nullable=null)


COLUMNS: Final[tuple[Column, ...]] = (
    _of("BilledCost", "decimal", NANO),
    _of("BillingAccountId"),
    _of("BillingAccountName"),
    _of("BillingAccountType"),
    _of("BillingCurrency"),
    _of("BillingPeriodEnd", "time"),
    _of("BillingPeriodStart", "time"),
    _of("ChargeCategory"),
    _of("ChargeClass", null=True),
    _of("ChargeDescription"),
    _of("ChargeFrequency"),
    _of("ChargePeriodEnd", "time"),
    _of("ChargePeriodStart", "time"),
    _of("CommitmentDiscountStatus", null=True),
    _of("ConsumedQuantity", "decimal", MILLI, null=True),
    _of("ConsumedUnit", null=True),
    _of("ContractedCost", "decimal", NANO),
    _of("ContractedUnitPrice", "decimal", FINE, null=True),
    _of("EffectiveCost", "decimal", NANO),
    _of("HostProviderName", since="1.3"),
    _of("InvoiceId", null=True),
    _of("InvoiceIssuerName"),
    _of("ListCost", "decimal", NANO),
    _of("ListUnitPrice", "decimal", FINE, null=True),
    _of("PricingCategory", null=True),
    _of("PricingCurrency"),
    _of("PricingCurrencyContractedUnitPrice", "decimal", FINE, null=True),
    _of("PricingCurrencyEffectiveCost", "decimal", NANO),
    _of("PricingCurrencyListUnitPrice", "decimal", FINE, null=True),
    _of("PricingQuantity", "decimal", FINE, null=True),
    _of("PricingUnit", null=True),
    _of("ProviderName"),
    _of("PublisherName"),
    _of("ResourceId", null=True),
    _of("ResourceName", null=True),
    _of("ResourceType", null=True),
    _of("ServiceCategory"),
    _of("ServiceName"),
    _of("ServiceProviderName", since="1.3"),
    _of("ServiceSubcategory"),
    _of("SkuId"),
    _of("SkuMeter"),
    _of("SkuPriceDetails", "json", null=True),
    _of("SkuPriceId", null=True),
    _of("SubAccountId", null=True),
    _of("SubAccountName", null=True),
    _of("SubAccountType", null=True),
    _of("Tags", "json"),
    _our("RequestId", null=False),
    _our("Line", "integer", null=False),
    _our("ArrivedAt", "time", null=False),
    _our("CorrectsRequestId"),
    _our("CorrectedAt", "time"),
    _our("Endpoint", null=False),
    _our("Principal", null=False),
    _our("Team"),
    _our("Project"),
    _our("RequestedModel"),
    _our("Model"),
    _our("LineKind", null=False),
    _our("Basis", null=False),
    _our("InputTokens", "integer"),
    _our("CacheWrite5mTokens", "integer"),
    _our("CacheWrite1hTokens", "integer"),
    _our("CacheReadTokens", "integer"),
    _our("OutputTokens", "integer"),
    _our("WebSearches", "integer"),
    _our("ContainerSeconds", "decimal", MILLI),
    _our("FreeContainerSeconds", "decimal", MILLI),
    _our("AllowanceCredit", "decimal", NANO),
    _our("NotionalCost", "decimal", NANO),
    _our("UntouchedCost", "decimal", NANO),
    _our("Saving", "decimal", NANO),
    _our("Policy"),
    _our("Decisions", "json"),
    _our("RulesDigest", null=False),
    _our("PricesDigest", null=False),
)
