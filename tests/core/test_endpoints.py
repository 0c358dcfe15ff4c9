"""Every request has one bounded endpoint; only messages are planned; what spends elsewhere is never called free."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.endpoints import endpoint

TABLE = [
    ("POST", "/v1/messages", "messages", True, "message"),
    ("GET", "/v1/messages", "other", False, "free"),
    ("POST", "/v1/messages/count_tokens", "count_tokens", False, "free"),
    ("POST", "/v1/messages/batches", "batches", True, "made"),
    ("GET", "/v1/messages/batches/msgbatch_1", "batches", False, "free"),
    ("POST", "/v1/messages/batches/msgbatch_1/cancel", "batches", False, "free"),
    ("GET", "/v1/messages/batches/msgbatch_1/results", "batch_results", False, "batch"),
    ("HEAD", "/v1/messages/batches/msgbatch_1/results", "batches", False, "free"),
    ("POST", "/v1/complete", "complete", False, "elsewhere"),
    ("GET", "/v1/models", "models", False, "free"),
    ("POST", "/v1/files", "files", False, "free"),
    ("GET", "/v1/organizations/cost_report", "organizations", False, "free"),
    ("POST", "/v1/sessions", "sessions", False, "elsewhere"),
    ("GET", "/v1/sessions/x", "sessions", False, "free"),
    ("POST", "/v1/agents/x/y/z", "agents", False, "elsewhere"),
    ("POST", "/v1/skills", "skills", False, "free"),
    ("POST", "/v1/something-new", "other", False, "elsewhere"),
    ("GET", "/v1/something-new", "other", False, "free"),
    ("HEAD", "/", "other", False, "free"),
    ("HEAD", "/api/hello", "other", False, "free"),
    ("POST", "/api/event_logging/batch", "other", False, "elsewhere"),
    ("POST", "/v1", "other", False, "elsewhere"),
    ("POST", "/v2/messages", "other", False, "elsewhere"),
]


@pytest.mark.parametrize(("method", "path", "name", "planned", "billing"), TABLE)
def test_table(method: str, path: str, name: str, planned: bool, billing: str) -> None:  # noqa: FBT001 - a column
    """The API's addresses and what they bill."""
    found = endpoint(method, path)
    assert (found.name, found.planned, found.billing) == (name, planned, billing)


@given(st.sampled_from(["GET", "POST", "PUT", "DELETE", "ODD"]), st.text(max_size=40))
def test_names_are_bounded(method: str, path: str) -> None:
    """Whatever the path, the label is one of few, and only POST of messages is planned."""
    found = endpoint(method, "/" + path)
    assert found.name in {row[2] for row in TABLE}
    assert not found.planned or (method == "POST" and "messages" in path)


def test_results_name_their_batch() -> None:
    """It is counted by that, once."""
    assert endpoint("GET", "/v1/messages/batches/msgbatch_1/results").batch == "msgbatch_1"
    assert endpoint("GET", "/v1/messages/batches/msgbatch_1").batch is None
