"""A request in a file and its caller by flags: the facts that `planner plan` and `planner rules explain` begin from."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from planner.cli.asking import Caller, assume, read_request
from planner.cli.beliefs import Known
from planner.core.conversations import Scope
from planner.core.learning.profile import Profiles
from planner.core.learning.sizes import Sizes
from planner.core.rulebook.book import CallerRow, Callers
from tests.doubles.deciding import ask, book

ROW = CallerRow(name="reports", keys=("0123456789abcdef",), team="finance", billing="subscription", flags=("zdr",))
KNOWN = Known(Sizes(), Profiles())


def test_the_caller_is_who_the_callers_file_says() -> None:
    """By key or name; a flag of the command line beats it."""
    rules = book(callers=Callers((ROW,)))
    facts = assume(ask(), rules, KNOWN, Caller("0123456789abcdef", None, "alpha", None, "acme/main"))
    assert (facts.principal, facts.team, facts.project) == ("reports", "finance", "alpha")
    assert (facts.flags, facts.subscription, facts.scope) == (("zdr",), True, Scope("acme", "main"))
    assert assume(ask(), rules, KNOWN, Caller("reports", "web", None, None, "")).team == "web"
    assert assume(ask(), rules, KNOWN, Caller("reports", "web", None, None, "")).scope is None


def test_flags_of_the_command_line_beat_the_callers_file() -> None:
    """How it pays, what holds for it, and when it asks."""
    rules, at = book(callers=Callers((ROW,))), datetime(2026, 11, 22, 23, 10, tzinfo=UTC)
    caller = Caller("reports", None, None, None, "", billing="api", flags=("hipaa",), at=at)
    facts = assume(ask(), rules, KNOWN, caller)
    assert (facts.subscription, facts.flags, facts.now) == (False, ("hipaa",), at)
    other = assume(ask(), rules, KNOWN, Caller("someone", None, None, None, "", billing="subscription"))
    assert (other.subscription, other.flags) == (True, ())


def test_tags_are_read_as_the_proxy_reads_them() -> None:
    """The team of a tag counts where nobody else names one; what is no tag of ours is left out."""
    facts = assume(ask(), book(), KNOWN, Caller("example", None, None, "team=search,feature=night,color=red", ""))
    assert (facts.team, facts.tags) == ("search", {"team": "search", "feature": "night"})
    rules = book(callers=Callers((ROW,)))
    assert assume(ask(), rules, KNOWN, Caller("reports", None, None, "team=search", "")).team == "finance"


def test_a_month_without_hours_is_one_in_which_nothing_was_used() -> None:
    """So that an empty ledger has a forecast all the same."""
    allowance = assume(ask(), book(), KNOWN, Caller("example", None, None, None, "a/b")).allowance
    assert (allowance.used, allowance.limit) == (0, 1550)


@pytest.mark.parametrize("scope", ["acme", "/main", "acme/"])
def test_a_scope_has_two_parts(scope: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a sentence."""
    with pytest.raises(SystemExit) as ended:
        assume(ask(), book(), KNOWN, Caller("example", None, None, None, scope))
    assert ended.value.code == 2
    assert "--scope takes ORGANIZATION/WORKSPACE" in capsys.readouterr().err


def test_a_request_is_read_from_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And what is none is refused with the place where reading stopped."""
    path = tmp_path / "request.json"
    path.write_bytes(ask().body)
    assert read_request(path).model == "claude-haiku-5-5"
    path.write_text('{"model": "m",\n  "messages" []}', encoding="utf-8")
    with pytest.raises(SystemExit):
        read_request(path)
    assert "request.json:2:14: The body is not JSON" in capsys.readouterr().err


def test_a_batch_is_not_taken_for_a_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what the file is, and what to give instead."""
    file = tmp_path / "batch.json"
    file.write_text('{"requests": [{"custom_id": "a", "params": {}}]}', encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        read_request(file)
    assert ended.value.code == 2
    assert "batch.json is a message batch of 1 request," in capsys.readouterr().err
