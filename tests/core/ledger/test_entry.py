"""An entry is what it was when it was written: JSON and back keeps every digit, usage its bytes, cost its unknown."""

import msgspec
import pytest

from planner.core.ledger.entry import Batch, Code, Digests, Entry, Expected, Latency, Seconds, batch_digest
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome, Reason

INTENT = Entry(
    request_id="0" * 24,
    at="2026-11-03T09:00:00.000000+00:00",
    principal="anonymous",
    endpoint="messages",
    method="POST",
    mode="plan",
    digests=Digests("0" * 16, "1" * 16),
)

SETTLED = msgspec.structs.replace(
    INTENT,
    organization="o1",
    workspace="w1",
    tags={"team": "search"},
    outcome="ok",
    status=200,
    cost_nano=2**53 + 1,
    lines=(Line("input", 7, "token", 2**53 + 1, "measured"),),
    untouched_nano=2**53 + 2,
    expected_nano=Expected(3, 2),
    decisions=(Decision(Action.BUNDLE, Outcome.DECLINED, Reason.BELOW_ALLOWANCE, "shipped-bundle"),),
    usage=msgspec.Raw(b'{"input_tokens":7,"new":1.50}'),
    tokens=TokenClasses(input=7),
    code=Code(1, Seconds(0.0, 2.5, 4.0), "billed"),
    batch=Batch("b", 3, 1),
    latency=Latency(1.5, 0.25, 0.001),
)


@pytest.mark.parametrize("entry", [INTENT, SETTLED], ids=["intent", "settled"])
def test_an_entry_survives_json(entry: Entry) -> None:
    """What is exported is what was written, to the last digit."""
    text = msgspec.json.encode(entry)
    assert msgspec.json.decode(text, type=Entry) == entry
    assert bytes(entry.usage) in text


def test_an_intent_knows_neither_end_nor_cost() -> None:
    """Whoever finds one later knows that it may have cost something."""
    told = msgspec.json.decode(msgspec.json.encode(INTENT))
    assert (told["outcome"], told["cost_nano"], told["untouched_nano"]) == ("unknown", None, None)


def test_a_word_outside_the_lists_is_refused() -> None:
    """A ledger of another make is not read as ours."""
    text = msgspec.json.encode(INTENT).replace(b'"unknown"', b'"perhaps"')
    with pytest.raises(msgspec.ValidationError, match="perhaps"):
        msgspec.json.decode(text, type=Entry)


def test_a_batch_is_kept_as_a_digest() -> None:
    """Ids of different batches differ in it, and it is none of them."""
    assert batch_digest("msgbatch_1") != batch_digest("msgbatch_2")
    assert len(batch_digest("msgbatch_1")) == 16
