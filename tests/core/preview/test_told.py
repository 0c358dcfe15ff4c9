"""An explanation is what would be done: its edits make the body that would be sent."""

import pytest

from planner.core import splice
from planner.core.plan import plan_whole
from planner.core.preview.told import explain, no_request
from planner.core.reasons import Reason
from tests.doubles.deciding import BOOK, ask, cached, conversation, facts


def test_the_edits_make_the_body() -> None:
    """Put in by their places, from the last to the first."""
    request = ask(system=cached())
    world = facts(request)
    told = explain("request.json", request, world, BOOK)
    assert (told.file, told.body, told.bytes) == ("request.json", "edited", len(request.body))
    body = request.body
    for edit in reversed(told.edits):
        assert body[edit.start : edit.end] == edit.before.encode()
        body = body[: edit.start] + edit.after.encode() + body[edit.end :]
    assert body == splice.apply(request.body, plan_whole(request, world, BOOK).edits).body
    assert told.expected_nano is not None
    assert told.expected_nano.planned < told.expected_nano.untouched
    assert "shipped-bundle" in {each.name for each in told.policies}


def test_reasons_come_with_their_meaning() -> None:
    """And without an expectation nothing is believed."""
    told = explain("r", ask(), facts(off=True), BOOK)
    assert {each.reason for each in told.decisions[:2]} == {"off"}
    assert {each.meaning for each in told.decisions[:2]} == {Reason.OFF.meaning}
    assert (told.body, told.edits, told.beliefs) == ("unchanged", (), ())


def test_a_conversation_that_is_known_is_not_a_first_request() -> None:
    """And what nobody has seen is."""
    assert explain("r", ask(), facts(), BOOK).assumed["first_request"]
    assert not explain("r", ask(), facts(conversation=conversation()), BOOK).assumed["first_request"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"requests":[{},{}]}', "a message batch of 2 requests,"),
        (b'{"requests":[{}]}', "a message batch of 1 request,"),
        (b'{"workflow":"w","steps":[]}', "a workflow."),
        (b'{"requests":[],"messages":[]}', None),
        (b'{"requests":7}', None),
        (b'{"messages":[]}', None),
        (b"[]", None),
        (b"{", None),
    ],
)
def test_what_is_no_request(body: bytes, said: str | None) -> None:
    """Batches and workflows are known by their shape; whatever else it may be is read as a request."""
    assert (no_request(body) or "").startswith(said or "")
    assert (no_request(body) is None) == (said is None)
