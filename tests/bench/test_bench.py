"""The benchmark runs, and refuses figures of wrong answers; nothing here is timed."""

import msgspec
import pytest

from planner.core.plan import make_plan
from tests.bench.__main__ import (
    Effort,
    Latency,
    Sample,
    WrongAnswerError,
    latency_table,
    measure,
    run,
    throughput_table,
)
from tests.bench.candidates import Candidate, cores, upstream
from tests.bench.load import open_loop
from tests.bench.policies import FACTS, REQUEST, crowded
from tests.bench.workloads import JSON_ANSWER, SSE_ANSWER, WORKLOADS
from tests.doubles.deciding import book
from tests.doubles.proxy import run as run_watched


def test_every_workload_runs_through_every_candidate() -> None:
    """One short round; that every answer was right, and the edit was made, is checked on the way."""
    samples, latencies = run_watched(run(Effort(1, 0.05)))
    for workload in WORKLOADS:
        assert {"direct", "planner"} <= {candidate for name, candidate in samples if name == workload.name}
    assert {"direct", "planner"} <= latencies.keys()


def test_wrong_answers_end_it() -> None:
    """A planner that edits nothing where it should has no figures."""

    async def main() -> None:
        async with upstream(cores()[1]) as port:
            with pytest.raises(WrongAnswerError, match="20 kB"):
                await measure(Candidate("planner", port), WORKLOADS[1], 0.02)
            assert len(await open_loop(port, WORKLOADS[0].request, per_second=300, seconds=0.05)) == 15

    run_watched(main())


def test_the_workloads_are_what_they_are_called() -> None:
    """56 events, 20 kB."""
    assert SSE_ANSWER.count(b"event: ") == 56
    body = WORKLOADS[1].request.partition(b"\r\n\r\n")[2]
    assert 19_000 < len(body) < 21_000
    assert msgspec.json.decode(JSON_ANSWER.partition(b"\r\n\r\n")[2])["type"] == "message"


def test_the_tables_compare_with_nginx_where_it_is() -> None:
    """Without it, the columns of ratios stay empty."""
    samples = {("w", "nginx"): [Sample(100.0, 10.0)], ("w", "planner"): [Sample(33.0, 30.0)]}
    assert [list(column.cells) for column in throughput_table(samples).columns][3:] == [
        ["1.000", "0.330"], ["10", "30"], ["1.0", "3.0"],
    ]  # fmt: skip
    del samples["w", "nginx"]
    assert list(throughput_table(samples).columns[3].cells) == [""]
    found = latency_table({"direct": [Latency(0.1, 0.2)], "planner": [Latency(0.3, 0.5)]})
    assert [list(column.cells) for column in found.columns][3:] == [["", "0.200"], ["", "0.300"]]


def test_the_measured_policies_are_looked_at_and_never_decide() -> None:
    """Whether parted or not, the plan is the one of the shipped rules; and 30 of the 200 have an expression."""
    shipped = make_plan(REQUEST, FACTS, book())
    for parted in (True, False):
        rules = crowded(parted=parted)
        assert make_plan(REQUEST, FACTS, rules) == shipped
        assert (len(rules.policies), sum(each.when is not None for each in rules.policies)) == (204, 30)
