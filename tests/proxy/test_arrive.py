"""The head of a request becomes one value, or one clear refusal."""

from datetime import UTC, datetime

import pytest

from planner.proxy.arrive import Arrived, BadTargetError, Head, OwnAddressError, arrive, origin_form
from planner.proxy.callers import fingerprint
from tests.doubles.proxy import shipped_rules

AT = datetime(2026, 11, 22, tzinfo=UTC)


def arrived(target: bytes, *fields: tuple[bytes, bytes], method: str = "POST") -> Arrived:
    """What is read of such a head."""
    return arrive(Head(method, target, fields), shipped_rules(), "id", AT, 1.0)


def test_a_head_is_read_once() -> None:
    """Target and fields stay as they came; who calls is known by a fingerprint."""
    fields = ((b"X-Api-Key", b"sk-one"), (b"Planner-Mode", b"observe"))
    head = arrived(b"/v1/messages?beta=true&x=%2F", *fields)
    assert (head.request_id, head.at, head.started, head.method) == ("id", AT, 1.0, "POST")
    assert (head.target, head.fields) == ("/v1/messages?beta=true&x=%2F", fields)
    assert (head.endpoint.name, head.endpoint.planned) == ("messages", True)
    assert head.book is shipped_rules()
    assert (head.caller.principal, head.caller.mode) == (fingerprint(b"sk-one"), "observe")


def test_only_messages_and_batches_of_them_are_planned() -> None:
    """What else is asked for passes as it is."""
    others = (b"/v1/messages/count_tokens", b"/v1/messages/batches/b/cancel", b"/v1/files", b"/", b"/v1/messagesque")
    assert not any(arrived(target).endpoint.planned for target in others)
    planned = (b"/v1/messages", b"/v1/messages/batches")
    assert all(arrived(target).endpoint.planned for target in planned)
    assert not any(arrived(target, method="GET").endpoint.planned for target in planned)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v1/messages", "/v1/messages"),
        ("//v1//messages?", "//v1//messages?"),
        ("http://planner.example:8484/v1/models?limit=1", "/v1/models?limit=1"),
        ("HTTPS://api.anthropic.com", "/"),
        ("http://a/b/http://c", "/b/http://c"),
    ],
)
def test_targets_in_either_form(target: str, expected: str) -> None:
    """A client that takes us for a proxy in HTTP's sense sends the whole address."""
    assert origin_form(target) == expected


@pytest.mark.parametrize("target", ["*", "api.anthropic.com:443", "ftp://host/v1", "v1/messages", "", "http:/v1"])
def test_targets_that_are_no_path(target: str) -> None:
    """They are refused, not repaired."""
    with pytest.raises(BadTargetError):
        origin_form(target)


@pytest.mark.parametrize(
    "target", [b"/planner", b"/planner/", b"/planner/x?y", b"http://host/planner/api", b"/planner?x"]
)
def test_our_own_addresses_never_go_up(target: bytes) -> None:
    """A page of ours that does not exist is nobody else's business."""
    with pytest.raises(OwnAddressError):
        arrived(target)


def test_addresses_that_only_look_like_ours_do() -> None:
    """Only the first segment counts, whole."""
    assert arrived(b"/plannery").target == "/plannery"
    assert arrived(b"/v1/planner/").target == "/v1/planner/"


def test_a_head_that_is_no_text() -> None:
    """The ledger and the log could not hold it."""
    with pytest.raises(UnicodeDecodeError):
        arrived(b"/v1/messages", (b"x-tag", b"\xff"))
    with pytest.raises(BadTargetError):
        arrived("/v1/é".encode())


def test_an_absolute_target_without_a_path() -> None:
    """Its query is its own, also when a slash stands in it."""
    assert origin_form("http://host?a=/b") == "/?a=/b"
    assert origin_form("HTTPS://host:1/a?b=c?d") == "/a?b=c?d"
    assert origin_form("http://host") == "/"
