"""What needs no look-up holds where planning fails, and what takes as long as a body is done beside the event loop."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from planner.core import splice
from planner.core.conversations import Scope
from planner.core.decisions.gate import Denial
from planner.core.reasons import plan_header
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import Policy, Then, WebRule
from planner.proxy import gathering, planning
from planner.proxy.callers import Caller
from planner.proxy.gathering import LARGE
from planner.proxy.planning import Planned
from tests.doubles.deciding import BASIC_SEARCH, BOOK, NEWER_CODE, USER, body
from tests.doubles.proxy import run
from tests.doubles.stored import START, MemoryStore, Mind

FRESH = body(tools=[NEWER_CODE])


async def mind_of(directory: Path, book: RuleBook) -> Mind:
    """A process that has just started."""
    store = MemoryStore()
    store.known_scopes["a"] = Scope("org-1", "workspace-1")
    mind = Mind(directory, book, store)
    await mind.memory.load()
    return mind


async def plan(mind: Mind, sent: bytes) -> Planned:
    """What becomes of a request."""
    return await mind.planning.plan(sent, Caller(principal="key-1", account="a"), START, mind.book)


def gate(**then: Any) -> RuleBook:
    """One policy before all others."""
    first = Policy(name="gate", why="w", mode="enforce", then=Then(**then))
    return replace(BOOK, policies=(first, *BOOK.policies))


@pytest.mark.parametrize("cause", ["store", "time-budget", "bug"])
def test_what_needs_no_look_up_holds_where_planning_fails(tmp_path: Path, cause: str) -> None:
    """A refusal, tags and the end of a hang-up; and the bounds that are not put in are told as failed."""

    async def scenario() -> None:
        mind = await mind_of(tmp_path, BOOK)
        mind.store.broken, mind.store.hanging = cause == "store", cause == "time-budget"
        if cause == "bug":
            mind.planning._gathering._experience = None  # type: ignore[assignment]  # noqa: SLF001 - a bug, made for the test
        searching = body(tools=[NEWER_CODE, BASIC_SEARCH])
        mind.book = gate(deny="No.")
        denied = await plan(mind, FRESH)
        assert denied.plan.denial == Denial("gate", "No.")
        mind.book = gate(tags={"team": "search"}, on_disconnect="drain", web=WebRule(max_uses=1))
        found = await plan(mind, searching)
        assert (found.body, found.plan.drain, found.plan.tags) == (searching, True, {"team": "search"})
        reason = "time-budget" if cause == "time-budget" else "error"
        assert plan_header(found.plan.decisions).endswith(f'web=failed-open;reason={reason};policy="gate"')
        assert mind.metrics.fail_open.values == {(cause,): 2}

    run(scenario())


def test_policies_that_cannot_be_asked_fail_open(tmp_path: Path) -> None:
    """A request without code goes as it came, and the failure is counted."""

    async def scenario() -> None:
        mind = await mind_of(tmp_path, gate(deny="No."))
        mind.planning._gathering._hours = Broken()  # type: ignore[assignment]  # noqa: SLF001 - a bug, made for the test
        plain = body(tools=None)
        found = await plan(mind, plain)
        assert (found.body, found.plan.denial) == (plain, None)
        assert mind.metrics.fail_open.values == {("bug",): 1}
        assert "Add up the column" not in mind.said.getvalue()

    run(scenario())


class Broken:
    """A bug."""

    def pool(self, *_: object) -> None:
        """Fail as bugs do."""
        raise ZeroDivisionError("Add up the column")


@pytest.mark.parametrize("tools", [[NEWER_CODE], []])
def test_what_takes_long_of_a_large_body_is_done_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: list[Any]
) -> None:
    """Its prompt, its digests, its edits, and the prefix that its shape will name; of a small one nothing is."""
    beside: dict[str, bool] = {}
    here = threading.get_ident()

    def watched(name: str, work: Any) -> Any:
        def called(*args: Any) -> Any:
            beside[name] = threading.get_ident() != here
            return work(*args)

        return called

    async def scenario() -> None:
        mind = await mind_of(tmp_path, gate(on_disconnect="drain"))
        for name in ("see", "prefix_key", "profile_key", "root_key"):
            place = planning if name == "root_key" else gathering
            monkeypatch.setattr(place, name, watched(name, getattr(place, name)))
        monkeypatch.setattr(splice, "apply", watched("apply", splice.apply))
        expected = {"see", "prefix_key", "profile_key", *(("root_key", "apply") if tools else ())}
        await plan(mind, body(tools=tools, messages=[USER]))
        assert beside == dict.fromkeys(expected, False)
        found = await plan(mind, body(tools=tools, system="x" * (LARGE + 1)))
        assert beside == dict.fromkeys(expected, True)
        assert found.plan.drain
        assert found.request is not None
        assert {"written_prefix", "has_assistant", "uploads", "breakpoints"} <= vars(found.request).keys()

    run(scenario())
