"""The columns are those that FOCUS asks for, in its order, and ours behind them."""

import re

from planner.core.exports.focuscolumns import COLUMNS

# What FOCUS 1.2 asks of every provider: requirements model 1.2.0.1 of the official validator 2.2.1, checked 2026-11-25.
MANDATORY = """
    BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory
    ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost InvoiceIssuerName
    ListCost PricingQuantity PricingUnit ProviderName PublisherName ServiceCategory ServiceName
"""
# Of those that have usage, price lists, agreements, sub accounts, tags; and what is recommended.
CONDITIONAL = """
    ChargeFrequency ConsumedQuantity ConsumedUnit ContractedUnitPrice InvoiceId ListUnitPrice PricingCategory
    ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId SubAccountId SubAccountName SubAccountType Tags
"""
# Mandatory since 1.3, which deprecates ProviderName and PublisherName: the columns' pages, checked 2026-11-25.
LATER = {"HostProviderName", "ServiceProviderName"}

NAMES = [column.name for column in COLUMNS]


def test_every_column_that_is_asked_for_is_there() -> None:
    """With those of 1.3 marked as such."""
    assert set(MANDATORY.split()) | set(CONDITIONAL.split()) | LATER <= set(NAMES)
    assert {column.name for column in COLUMNS if column.since == "1.3"} == LATER


def test_those_of_focus_come_first_by_name_and_ours_are_marked() -> None:
    """So that a later version of FOCUS can take no name of ours."""
    focus = [column.name for column in COLUMNS if column.since]
    assert NAMES[: len(focus)] == focus == sorted(focus)
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", name) for name in focus)
    assert all(re.fullmatch(r"x_[A-Z][A-Za-z0-9]+", name) for name in NAMES[len(focus) :])
    assert len(set(NAMES)) == len(NAMES)


def test_money_has_nine_decimals() -> None:
    """A nano-dollar is the last."""
    costs = [column for column in COLUMNS if re.search(r"Cost$|Credit$|Saving$", column.name)]
    assert len(costs) == 9
    assert {column.type for column in costs} == {"decimal(38, 9)"}
