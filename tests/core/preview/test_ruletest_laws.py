"""Whatever a test of the rules can state can be run, and comes out the same again."""

import json
from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from planner.core.preview.ruletest import run
from planner.core.rulefile.testfile import read_tests
from tests.doubles.deciding import BOOK

AMOUNTS = st.sampled_from([0, 1, 1_000, 18_000, 1_000_000_000]) | st.floats(0, 1e9)
SHARES = st.floats(0, 1)
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "at": st.dates(date(2000, 1, 1), date(2999, 12, 31)).map(str),
        "free_hours": st.just("unknown") | st.fixed_dictionaries({"used": AMOUNTS, "exceeded": SHARES}),
        "prompt_tokens": AMOUNTS,
        "cached": st.just(True),
        "cache_ttl": st.sampled_from(["5m", "1h"]),
        "files": st.booleans(),
        "begins": st.just(False),
        "earlier": st.fixed_dictionaries(
            {},
            optional={
                "edited": st.booleans(),
                "container": st.sampled_from(["none", "idle", "busy", "continued", "dead", "expired"]),
                "by": st.sampled_from(["ids", "session"]),
            },
        ),
        "mode": st.sampled_from(["plan", "observe", "off", "drain"]),
        "observing": st.booleans(),
        "warm": st.sampled_from(["untouched", "bundled"]),
        "habits": st.fixed_dictionaries(
            {"requests": st.integers(0, 10**9)},
            optional={
                "code_runs": SHARES,
                "billed_seconds": AMOUNTS,
                "iterations": st.floats(1, 1e9),
                "cached_share": SHARES,
                "turns": st.floats(1, 1e9),
                "output_tokens": AMOUNTS,
            },
        ),
        "input_tokens_left": st.integers(0, 10**9),
        "breaker": st.booleans(),
        "rollout": st.fixed_dictionaries({"shipped-bundle": st.sampled_from(["in", "out"])}),
        "holdout": st.fixed_dictionaries({"shipped-version": st.sampled_from(["in", "out"])}),
    },
)
CALLERS = st.fixed_dictionaries(
    {},
    optional={
        "principal": st.sampled_from(["example", "anonymous"]),
        "organization": st.none() | st.just("acme"),
        "flags": st.sampled_from([[], ["zdr"], ["hipaa", "zdr"]]),
        "billing": st.sampled_from(["api", "subscription"]),
        "tags": st.just({"team": "x"}),
    },
)
REQUESTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"model": st.sampled_from(["claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-4-5"])},
    optional={
        "tools": st.lists(
            st.sampled_from(["code_execution_20250522", "code_execution_20260120", "web_fetch_20250910", "custom"]),
            max_size=3,
        ),
        "container": st.sampled_from(["c1", None, {"skills": []}, 3]),
        "messages": st.sampled_from([[], "none", [{"role": "assistant", "content": "hi"}]]),
        "tool_choice": st.just({"type": "any"}),
    },
)


@given(REQUESTS, CALLERS, FACTS)
def test_whatever_can_be_stated_can_be_run(request_: Any, caller: Any, facts: Any) -> None:
    """With a decision on each action, or the reason why the conversation cannot have been edited."""
    stated = {"request": request_, "caller": caller, "facts": facts}
    row = {"name": "one", "given": stated, "expect": {"matched": ["shipped-bundle"]}}
    reading = read_tests({"tests/x.yaml": json.dumps({"tests": [row]}).encode()}, BOOK)
    assert reading.findings == ()
    found = run(reading.tests[0], BOOK)
    assert found == run(reading.tests[0], BOOK)
    if found.decisions:
        assert found.failures == ()
    else:
        assert [failure.about for failure in found.failures] == ["edited"]
