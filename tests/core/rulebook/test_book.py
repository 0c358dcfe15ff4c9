"""The rule book is one value: a digest over its content, callers found by key, measured sizes before priors."""

import msgspec

from planner.core.rulebook.book import CallerRow, Callers, RuleBook, Settings
from planner.core.rulebook.catalog import Interval
from planner.core.rulebook.policies import BundleRule, Then
from planner.core.rulefile.settingsfile import setting_types
from planner.rulesource import load_rules

BOOK = load_rules(None).required()


def other(**changes: object) -> RuleBook:
    """Return the shipped book with parts replaced."""
    parts = {name: getattr(BOOK, name) for name in ("prices", "catalog", "policies", "callers", "settings")}
    return RuleBook(**(parts | changes))


def test_the_digest_is_of_the_content() -> None:
    """Equal content has an equal digest; a policy less, a setting or a caller more has another."""
    assert other().digest == BOOK.digest
    tuned = msgspec.structs.replace(BOOK.settings, haiku55_tier_on="iteration_prompt")
    books = [BOOK, other(policies=()), other(settings=tuned), other(callers=Callers((CallerRow(name="x"),)))]
    assert len({book.digest for book in books}) == 4
    assert {book.prices.digest for book in books} == {BOOK.prices.digest}


def test_the_defaults_are_the_shipped_settings() -> None:
    """A setting that a file leaves out is worth what the shipped file says, and the shipped file has all of them."""
    assert BOOK.settings == Settings()
    assert {row.key for row in BOOK.setting_rows} == set(setting_types())


def test_every_shipped_setting_explains_itself() -> None:
    """What it means, what shows that it is wrong, and who says so."""
    assert all(row.means and row.if_wrong and row.source and row.mark for row in BOOK.setting_rows)


def test_callers_are_found_by_key_and_by_name() -> None:
    """A rotated key stays the same principal; an unknown key is its own fingerprint."""
    row = CallerRow(name="reports", keys=("0b5d2f6c9a1e4873", "77d0c4f2b8a95e16"), team="finance", flags=("zdr",))
    bare = CallerRow(name="1234567890123456")
    callers = Callers((row, bare))
    assert callers.find("77d0c4f2b8a95e16") is row
    assert callers.find("reports") is row
    assert callers.principal("0b5d2f6c9a1e4873") == "reports"
    assert callers.principal("1234567890123456") == "1234567890123456"
    assert callers.principal("ffffffffffffffff") == "ffffffffffffffff"
    assert callers.find("ffffffffffffffff") is None


def test_a_measured_size_beats_the_prior() -> None:
    """What count_tokens said is used instead of what the catalog assumes; an unknown tool has no size."""
    prior = BOOK.catalog.priors.tool_tokens["web_fetch_20260318"]
    assert BOOK.tool_tokens("web_fetch_20260318") == prior.interval
    measured = Interval(10, 11, 12)
    tuned = msgspec.structs.replace(BOOK.settings, tool_tokens={"web_fetch_20260318": measured})
    assert other(settings=tuned).tool_tokens("web_fetch_20260318") == measured
    assert BOOK.tool_tokens("hammer_20260101") is None


def test_shipped_policies_are_what_the_contract_says() -> None:
    """Version keep; container by conversation; bundle add inert when cheaper, enforced; upgrade in shadow."""
    assert [(each.mode, each.then) for each in BOOK.policies] == [
        ("enforce", Then(tool_version="keep")),
        ("enforce", Then(container="conversation")),
        ("shadow", Then(bundle=BundleRule(act="when-cheaper", by="upgrade"))),
        ("enforce", Then(bundle=BundleRule(act="when-cheaper", by="add", tool="inert_web_fetch"))),
    ]
