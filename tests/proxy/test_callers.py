"""A key becomes a fingerprint before anything else sees it; tags are read against an allow-list."""

from hypothesis import given
from hypothesis import strategies as st

from planner.core.rulebook.book import CallerRow, Callers
from planner.core.rulebook.spending import Spender
from planner.proxy.callers import ANONYMOUS, LONGEST_TAG, TAG_KEYS, fingerprint, identify, spender_of, tagged
from planner.proxy.headers import Field
from tests.doubles.proxy import shipped_rules

NOBODY: Callers = shipped_rules().callers


def test_fingerprint_is_public() -> None:
    """The first 16 hex digits of SHA-256 over `planner`, a zero byte and the key."""
    assert fingerprint(b"sk-ant-test") == "23a8bce8dd0859fd"
    assert fingerprint(b"a") != fingerprint(b"b")


def test_one_key_is_one_caller() -> None:
    """`x-api-key` and Bearer are the same principal; no key is anonymous."""
    for field in ((b"X-Api-Key", b"k1"), (b"authorization", b"Bearer k1"), (b"Authorization", b"BEARER   k1")):
        assert identify([field], NOBODY).principal == fingerprint(b"k1")
    for fields in ([], [(b"x-api-key", b"")], [(b"authorization", b"Basic k1")], [(b"authorization", b"Bearer")]):
        assert identify(fields, NOBODY).principal == ANONYMOUS


def test_subscription() -> None:
    """An OAuth login is a subscription, whose traffic is never edited."""
    assert identify([(b"authorization", b"Bearer sk-ant-oat01-x")], NOBODY).subscription
    assert not identify([(b"authorization", b"Bearer sk-ant-api03-x")], NOBODY).subscription


def test_tags() -> None:
    """Known keys are kept, shortened; the rest is left out."""
    caller = identify([(b"Planner-Tags", b" team = search ,project=,color=red,=x,feature,agent=" + b"a" * 500)], NOBODY)
    assert caller.tags == {"team": "search", "agent": "a" * LONGEST_TAG}
    assert caller.team == "search"


def test_mode() -> None:
    """Only the two words mean something."""
    modes = {value: identify([(b"planner-mode", value)], NOBODY).mode for value in (b"off", b"observe", b"OFF", b"x")}
    assert modes == {b"off": "off", b"observe": "observe", b"OFF": "plan", b"x": "plan"}


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"planner-tags", b"planner-session"]), st.binary())))
def test_whatever_comes(fields: list[Field]) -> None:
    """No header can make identification fail, nor what it keeps grow."""
    caller = identify(fields, NOBODY)
    assert set(caller.tags) <= TAG_KEYS
    assert all(len(text) <= LONGEST_TAG for text in caller.tags.values())
    assert len(caller.session or "") <= 256


def test_an_empty_key_is_none() -> None:
    """Some clients send both, one of them empty: the other is the key, and nobody shares a principal by it."""
    fields = [(b"x-api-key", b""), (b"authorization", b"Bearer k1")]
    assert identify(fields, Callers()).principal == fingerprint(b"k1")


def test_long_names_stay_apart() -> None:
    """Sessions and workspaces that differ at their end are two."""
    sessions = {identify([(b"planner-session", b"s" * 300 + end)], Callers()).session for end in (b"1", b"2")}
    accounts = {identify([(b"anthropic-workspace-id", b"w" * 300 + end)], Callers()).account for end in (b"1", b"2")}
    assert (len(sessions), len(accounts)) == (2, 2)


def test_whose_budgets_count() -> None:
    """What is declared; tags say nothing of it, and a subscription spends no money."""
    callers = Callers((CallerRow(name="agent", keys=(fingerprint(b"sk-1"),), team="finance"),))
    tags = (b"planner-tags", b"team=search,project=alpha")
    known = tagged(identify([(b"x-api-key", b"sk-1"), tags], callers), {"team": "other", "project": "other"})
    assert spender_of(known) == Spender(principal="agent", team="finance")
    stranger = identify([(b"x-api-key", b"sk-2"), tags], callers)
    assert spender_of(stranger) == Spender(principal=fingerprint(b"sk-2"))
    login = identify([(b"authorization", b"Bearer sk-ant-oat01-x"), tags], callers)
    assert spender_of(login) == Spender()
