"""What entries add to the hourly sums does not depend on their order or on how they are cut, and no amount is lost."""

from datetime import UTC, datetime
from functools import reduce
from operator import add as plus

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.core.ledger.batched import Kind, Made
from planner.core.ledger.corrections import Billed, correct
from planner.core.ledger.entry import Batch, Code, Digests, Entry, Expected, Latency, Lost, Seconds, Shadow
from planner.core.ledger.rollup import (
    NOTIONAL,
    Amounts,
    DecisionKey,
    DecisionModelKey,
    Key,
    Rollup,
    ShadowKey,
    ShadowModelKey,
    TagKey,
    add,
    cost_nano,
    hour_of,
    is_notional,
    list_nano,
    rollup,
    saved_nano,
)
from planner.core.ledger.shape import Shape
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome, Reason
from tests.doubles.deciding import BOOK
from tests.doubles.entries import entries, ledgers

HOUR = "2026-11-22T12:00:00.000000+00:00"
LATER = datetime(2026, 12, 2, 6, tzinfo=UTC)


def one(**changes: object) -> Entry:
    """A settled request that ran code in a new container, at a quarter off, with half of its money estimated."""
    lines = (
        Line("input", 100, "token", 300, "measured", 400),
        Line("web_search", 2, "use", 20, "measured"),
        Line("code_execution", "300", "second", 1_000, "estimated"),
        Line("allowance_credit", "299.5", "second", -900, "estimated"),
    )
    usual = Entry(
        request_id="r1",
        at="2026-11-22T12:59:59.999999+00:00",
        principal="p",
        organization="o",
        workspace="w",
        team="search",
        project="alpha",
        tags={"stage": "test", "team": "search"},
        endpoint="messages",
        method="POST",
        model="asked",
        served_model="served",
        mode="plan",
        outcome="ok",
        cost_nano=420,
        list_nano=520,
        lines=lines,
        untouched_nano=1_000,
        expected_nano=Expected(900, 400),
        decisions=(
            Decision(Action.VERSION, Outcome.KEPT),
            Decision(Action.BUNDLE, Outcome.APPLIED, None, "cheap"),
            Decision(Action.BUNDLE, Outcome.DECLINED, Reason.UNCERTAIN, "other"),
        ),
        shadows=(Shadow(Action.BUNDLE, Outcome.APPLIED, None, "trial", Expected(50, 20)),),
        tokens=TokenClasses(input=100, output=7),
        code=Code(3, Seconds(0.5, 2.25, 10.0), "billed", 300_000, 300_001),
        container="c",
        latency=Latency(1.5, 0.25, 0.000004),
        digests=Digests("r", "p"),
    )
    return msgspec.structs.replace(usual, **changes)


def amounts(entry: Entry) -> Amounts:
    """What one entry adds to its only cell."""
    (found,) = rollup([entry]).requests.values()
    return found


def test_the_amounts_of_a_request() -> None:
    """Each under its name, in the cell of its hour; what is 0 has no name."""
    summed = rollup([one()])
    key = Key(HOUR, "o", "w", "search", "alpha", "p", "served", "messages", "ok")
    whole = {
        "requests": 1,
        "attempts": 1,
        "tokens.input": 100,
        "tokens.output": 7,
        "web_searches": 2,
        "nano.input": 300,
        "list.input": 400,
        "nano.web_search": 20,
        "list.web_search": 20,
        "nano.code_execution": 1_000,
        "list.code_execution": 1_000,
        "nano.allowance_credit": -900,
        "list.allowance_credit": -900,
        "estimated_nano": 100,
        "untouched_nano": 1_000,
        "compared_nano": 420,
        "untouched_known": 1,
        "expected_untouched_nano": 900,
        "expected_planned_nano": 400,
        "expected_known": 1,
        "container_ms.low": 500,
        "container_ms.likely": 2_250,
        "container_ms.high": 10_000,
        "code_ms.billed": 2_250,
        "charged_ms": 300_000,
        "credited_ms": 299_500,
        "hours_ms": 300_000,
        "untouched_hours_ms": 300_001,
        "container_starts": 1,
        "code_runs": 3,
        "code_requests": 1,
        "latencies": 1,
        "latency_us": 1_500_000,
        "first_bytes": 1,
        "first_byte_us": 250_000,
        "overhead_us": 4,
    }
    assert summed.requests == {key: whole}
    assert summed.tags == {TagKey(HOUR, "o", "search", tag, value): whole for tag, value in one().tags.items()}
    assert summed.decisions == {
        DecisionKey(HOUR, "o", "search", "version", "kept", "", ""): whole,
        DecisionKey(HOUR, "o", "search", "bundle", "applied", "", "cheap"): whole,
    }
    assert summed.decision_models == {
        DecisionModelKey(HOUR, "o", "search", "served", "version", "kept", "", ""): whole,
        DecisionModelKey(HOUR, "o", "search", "served", "bundle", "applied", "", "cheap"): whole,
    }
    assert summed.shadow_models == {
        ShadowModelKey(HOUR, "o", "search", "served", "bundle", "applied", "", "trial"): {
            "requests": 1,
            "expected_untouched_nano": 50,
            "expected_planned_nano": 20,
            "expected_known": 1,
        }
    }
    assert summed.shadows == {
        ShadowKey(HOUR, "o", "search", "bundle", "applied", "", "trial"): {
            "requests": 1,
            "expected_untouched_nano": 50,
            "expected_planned_nano": 20,
            "expected_known": 1,
        }
    }
    assert (cost_nano(whole), list_nano(whole), saved_nano(whole)) == (420, 520, 580)


def test_what_is_unknown_is_counted_and_adds_no_money() -> None:
    """A request without a price, one without an untouched price, and an intent, which adds nothing at all."""
    unpriced = amounts(
        one(
            cost_nano=None,
            lines=(),
            untouched_nano=None,
            unpriced="unknown-model",
            usage=msgspec.Raw(b'{"server_tool_use":{"web_search_requests":3,"x":1}}'),
        )
    )
    assert (unpriced["unpriced.unknown-model"], unpriced["web_searches"], cost_nano(unpriced)) == (1, 3, 0)
    halfway = amounts(one(untouched_nano=None))
    assert not {"untouched_nano", "untouched_known", "compared_nano"} & halfway.keys()
    assert rollup([one(outcome="unknown")]) == Rollup()
    assert "web_searches" not in amounts(one(lines=(), usage=msgspec.Raw(b'{"server_tool_use":"no"}')))


def test_conversations_are_counted_where_they_begin() -> None:
    """What their later requests cost belongs to them as well; what has no shape is no part of one."""
    first, second = (
        one(shape=Shape(conversation="c", begins=begins, prefix="p", prompt_tokens=1)) for begins in (True, False)
    )
    summed = rollup([first, second, one()]).requests
    (found,) = summed.values()
    assert (found["conversations"], found["conversation_nano"], found["requests"]) == (1, 840, 3)
    assert "conversations" not in amounts(second)


def test_containers_batches_and_missing_labels() -> None:
    """A warm container is no start, a batch counts only new results, and what nobody told is an empty label."""
    warm = one(decisions=(Decision(Action.CONTAINER, Outcome.THREADED),), batch=Batch("b", 5, 2))
    assert (amounts(warm).get("container_starts"), amounts(warm)["container_reuses"]) == (None, 1)
    assert amounts(warm)["batch_results"] == 3
    bare = one(organization=None, workspace=None, team=None, project=None, model=None, served_model=None)
    assert list(rollup([bare]).requests) == [Key(HOUR, "", "", "", "", "p", "", "messages", "ok")]


def test_requests_of_a_batch_stand_where_they_were_decided() -> None:
    """Each kind by its own decision and model; the batch itself is one request, under what it was told as a whole."""

    def decided(outcome: Outcome) -> tuple[Decision, ...]:
        return tuple(Decision(action, outcome) for action in (Action.VERSION, Action.BUNDLE))

    kinds = (
        Kind(requests=5, model="a", decisions=decided(Outcome.DECLINED)),
        Kind(requests=2, model="b", decisions=decided(Outcome.APPLIED)),
    )
    batch = Batch("b", made=Made(kinds))
    sums = rollup([one(endpoint="batches", batch=batch, decisions=decided(Outcome.APPLIED))])
    (whole,) = sums.requests.values()
    assert (whole["requests"], whole["batch_requests"]) == (1, 7)
    bundles = {key: each for key, each in sums.decision_models.items() if key.action == Action.BUNDLE}
    told = {
        (key.model, key.outcome): (each.get("requests"), each.get("batch_requests")) for key, each in bundles.items()
    }
    served = one().served_model
    assert told == {(served, "applied"): (1, None), ("a", "declined"): (None, 5), ("b", "applied"): (None, 2)}
    together: Amounts = {}
    for each in bundles.values():
        add(together, each)
    assert together == whole


def test_subscription_traffic_is_in_no_sum() -> None:
    """All that it used stands apart; that it was a request, and how long it took, does not."""
    lines = tuple(msgspec.structs.replace(line, basis="notional") for line in one().lines)
    apart = amounts(one(lines=lines))
    general = {"requests", "attempts", "latencies", "latency_us", "first_bytes", "first_byte_us", "overhead_us"}
    assert {name for name in apart if not name.startswith(NOTIONAL)} == general
    billed = amounts(one())
    assert {name.removeprefix(NOTIONAL): amount for name, amount in apart.items() if name not in general} == {
        name: amount for name, amount in billed.items() if name not in general - {"requests"} | {"estimated_nano"}
    }
    assert (cost_nano(apart), list_nano(apart), saved_nano(apart)) == (0, 0, 0)
    refused = one(lines=(), decisions=(Decision(Action.BUNDLE, Outcome.DECLINED, Reason.SUBSCRIPTION),))
    assert is_notional(refused)
    assert "expected_known" not in amounts(refused)
    (shadow,) = rollup([refused]).shadows.values()
    assert shadow.keys() == {"requests", *(f"{NOTIONAL}expected_{each}" for each in SIDES)}


SIDES = ("untouched_nano", "planned_nano", "known")


def test_an_entry_and_its_corrections_are_what_is_known() -> None:
    """The cost of all lines, by day, decision and tag; a correction is no request."""
    lines = (
        Line("input", 1, "token", 1_000, "measured"),
        Line("code_execution", "300", "second", 4_166_667, "estimated"),
    )
    entry = one(lines=lines, cost_nano=4_167_667, untouched_nano=4_167_667)
    first = correct(entry, Billed(720_000), BOOK.prices, request_id="c1", made_at=LATER)
    assert first is not None
    second = correct(entry, Billed(720_000, 720_000), BOOK.prices, request_id="c2", made_at=LATER, earlier=(first,))
    assert second is not None
    for summed in (rollup([entry, first, second]), rollup([second]) + rollup([entry]) + rollup([first])):
        for cells in (summed.requests, summed.tags, summed.decisions):
            each = list(cells.values())
            total: Amounts = {}
            for cell in each:
                add(total, cell)
            copies = {id(summed.tags): 2, id(summed.decisions): 2}.get(id(cells), 1)
            assert cost_nano(total) == 1_000 * copies
            assert (total["requests"], total["corrections"]) == (copies, 2 * copies)
            assert (total["charged_ms"], total["credited_ms"]) == (720_000 * copies, 720_000 * copies)
            assert total["untouched_known"] == copies
            assert saved_nano(total) == 0


@given(ledgers(), st.randoms(use_true_random=False))
def test_sums_of_parts_in_any_order_are_the_whole(ledger: list[Entry], random: object) -> None:
    """Cut and shuffled as may be; adding up is associative and commutative."""
    whole = rollup(ledger)
    shuffled = list(ledger)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random
    assert rollup(shuffled) == whole
    parts = [rollup([entry]) for entry in shuffled]
    assert reduce(plus, parts, Rollup()) == whole
    assert reduce(lambda right, left: left + right, reversed(parts), Rollup()) == whole
    assert sum(cell.get("requests", 0) for cell in whole.requests.values()) == len(ledger)


@given(ledgers())
def test_no_nano_dollar_is_lost(ledger: list[Entry]) -> None:
    """Contracted and list cost of the cells are those of the entries that are billed by the token."""
    cells = rollup(ledger).requests.values()
    billed = [entry for entry in ledger if not is_notional(entry)]
    assert sum(map(cost_nano, cells)) == sum(entry.cost_nano or 0 for entry in billed)
    assert sum(map(list_nano, cells)) == sum(entry.list_nano or 0 for entry in billed)
    assert all(amount for cell in cells for amount in cell.values())


@given(entries())
def test_an_entry_stands_in_its_hour(entry: Entry) -> None:
    """In UTC, in the form of the ledger's own moments, so that text order is time order."""
    (key,) = rollup([entry]).requests
    assert key.hour == hour_of(entry.at) <= entry.at
    assert datetime.fromisoformat(key.hour).minute == 0


def test_what_containers_spared_and_lost() -> None:
    """Minimums by what spared them, starts, losses and replays; a loss is no reuse."""
    code = Code(1, Seconds(0.0, 2.0, 3.0), "covered", avoided_nano=70, start_saved_ms=1_500)
    threaded = (Decision(Action.CONTAINER, Outcome.THREADED),)
    warm = amounts(one(code=code, decisions=threaded))
    assert {name: warm[name] for name in ("avoided.container", "avoided_nano", "start_saved_ms")} == {
        "avoided.container": 1,
        "avoided_nano": 70,
        "start_saved_ms": 1_500,
    }
    assert amounts(one(code=msgspec.structs.replace(code, charge="free")))["avoided.bundle"] == 1
    lost = amounts(one(decisions=threaded, replayed="tools", lost=Lost("c", "replaced", ours=True)))
    assert (lost["container_losses"], lost["replays"], lost["container_starts"]) == (1, 1, 1)
