"""What is told of a rule book: what people read of it, and all of what the pages say."""

from datetime import UTC, datetime
from pathlib import Path

from planner.core.rulefile import load
from planner.dashboard.telling import Telling, told
from planner.rulesource import Source, Taken, read_files
from tests.doubles.proxy import shipped_rules

NOW = datetime(2026, 11, 25, tzinfo=UTC)
POLICIES = b"""policies:
  - name: bounded
    why: It looks things up on two sites.
    mode: enforce
    match: {team: [legal, "re*"], tools_count: {at_least: 2}, stream: true}
    when: tools_count < 20
    then: {bundle: {act: when-cheaper, tool: live_web_fetch, domains: [example.com]}, tags: {feature: x}}
    rollout: {percent: 25}
    holdout: {percent: 5}
  - name: leave
    why: It is left alone.
    mode: "off"
    then: {bundle: never}
"""


def test_policies_in_words() -> None:
    """Whom they are for, what they do, on how much of the traffic."""
    bounded, leave = told(load({**read_files(None), "policies/mine.yaml": POLICIES})).policies[:2]
    assert bounded.match == {"team": "legal, re*", "stream": "true", "tools_count": "at_least 2"}
    assert bounded.when == "tools_count < 20"
    assert bounded.then["bundle"].startswith("when-cheaper, adding live_web_fetch, domains example.com")
    assert bounded.then["tags"] == "feature: x"
    assert (bounded.rollout, bounded.holdout) == (25, 5)
    assert (leave.mode, leave.then) == ("off", {"bundle": "never"})


def test_prices_and_settings() -> None:
    """Every row that is not taken back, of models and of tools, with who says so."""
    book = shipped_rules()
    found = told(book)
    live = [row for row in (*book.prices.rows, *book.prices.tools) if not row.revoked]
    assert len(found.prices) == len(live)
    assert {row.name for row in found.prices} >= {"web_search", "code_execution"}
    assert all(row.source and row.rates for row in found.prices)
    assert {row.key for row in found.settings} == {row.key for row in book.setting_rows}


def test_a_book_is_told_once() -> None:
    """Until another one is in force."""
    telling, book = Telling(), shipped_rules()
    change = Taken(at=NOW, took=True, digest=book.digest)
    source = Source(Path("rules"), {"free_hours.limit": "0"})
    one = telling.standing(book, now=NOW, mode="plan", source=source, age=1.0, stale=False, changes=(change,))
    other = telling.standing(book, now=NOW, mode="drain", source=None, age=2.0, stale=True, changes=())
    assert one.rules.book is other.rules.book
    assert one.containers == {}
    telling.containers = lambda: {"idle": 2}
    assert telling.standing(book, now=NOW, mode="plan", source=None, age=1.0, stale=False, changes=()).containers == {
        "idle": 2
    }
    assert (one.rules.directory, one.rules.overrides, one.rules.watched) == ("rules", {"free_hours.limit": "0"}, True)
    assert (other.rules.directory, other.rules.watched, other.mode) == (None, False, "drain")
    changed = load(read_files(None), {"free_hours.limit": "0"})
    last = telling.standing(changed, now=NOW, mode="plan", source=None, age=0.0, stale=False, changes=())
    assert last.rules.book.digest == changed.digest != book.digest
    assert last.free_hours.limit == 0
