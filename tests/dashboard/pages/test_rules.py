"""The rules page: what is in force, what the files say now, and how old prices are."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from planner.dashboard.asked import RulesTold
from planner.dashboard.pages.rules import PAGE
from planner.dashboard.room import Content, Room
from planner.dashboard.telling import told
from planner.rulesource import Taken, read_files
from tests.doubles.paged import SumsStore, room, standing
from tests.doubles.proxy import shipped_rules

NOW = datetime(2026, 12, 27, 12, tzinfo=UTC)


def files(directory: Path, **changed: bytes) -> Path:
    """A directory of the shipped rules, some files written otherwise."""
    for path, content in {
        **read_files(None),
        **{name.replace("__", "/"): each for name, each in changed.items()},
    }.items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return directory


def rules(**fields: Any) -> RulesTold:
    """The shipped rules, in force for an hour."""
    return RulesTold(book=told(shipped_rules()), age=3_600.0, **fields)


def made(in_: Room) -> Content:
    """The page."""

    async def work() -> Content:
        return await PAGE.make(in_)

    return asyncio.run(work())


def page(told_: RulesTold, **fields: Any) -> Content:
    """The page of a process."""
    return made(room(SumsStore(), "rules", said=standing(NOW, rules=told_, **fields)))


def rows(found: Content, name: str) -> list[tuple[Any, ...]]:
    """The cells of a table."""
    return next([row.cells for row in table.rows] for table in found.tables if table.name == name)


def test_rules_that_nobody_watches() -> None:
    """What is in force is told, and no file is looked at."""
    found = page(rules())
    assert found.said["verdict"].endswith("3 policies are enforced, 1 in shadow.")
    assert found.said["since"] == NOW - timedelta(hours=1)
    assert rows(found, "findings") == []
    assert [row[0] for row in rows(found, "policies")] == [policy.name for policy in shipped_rules().policies]


def test_files_that_are_in_order(tmp_path: Path) -> None:
    """Are in force, and the page says so; they are compiled once and again when they change."""
    place = files(tmp_path)
    in_ = room(SumsStore(), "rules", said=standing(NOW, rules=rules(directory=str(place), watched=True)))
    assert made(in_).said["verdict"].startswith("The rules in force are what the files say.")
    (kept,) = in_.memo.values()
    made(in_)
    assert list(in_.memo.values()) == [kept]
    (place / "settings.yaml").write_bytes(b"settings:\n  - key: nonsense\n")
    found = made(in_)
    assert len(in_.memo) == 1
    assert "so the rules in force stay until these are mended" in found.said["verdict"]
    assert rows(found, "findings")[0][0].startswith(str(place / "settings.yaml"))


def test_files_that_are_gone() -> None:
    """The rules in force stay, and the reason is told."""
    found = page(rules(directory="/nowhere/at/all", watched=True))
    assert found.said["verdict"].startswith("The rules cannot be read (")


def test_reloads_are_told_the_newest_first() -> None:
    """With what was found, without the excerpt."""
    changes = (
        Taken(at=NOW, took=False, digest="b", findings=("a.yaml:1:1: policy: wrong. mend it [code]\n    x\n    ^",)),
        Taken(at=NOW - timedelta(hours=1), took=True, digest="b"),
    )
    assert rows(page(rules(changes=changes), stale=True), "reloads") == [
        ("2026-12-27 12:00:00", "refused", "b", "a.yaml:1:1: policy: wrong. mend it [code]"),
        ("2026-12-27 11:00:00", "taken", "b", "nothing"),
    ]


def test_prices_have_an_age() -> None:
    """In days since they were compared; beyond a month they are called old."""
    found = page(rules())
    figure = next(each for each in found.figures if each.name == "price_age_days")
    newest = max(row.checked for row in shipped_rules().prices.rows)
    assert figure.exact == (NOW.date() - newest).days
    assert figure.note.endswith(": old")
    ages = [row[6] for row in rows(found, "prices")]
    assert min(ages) <= figure.exact
    assert all(age >= 0 for age in ages)


def test_prices_are_those_of_the_files() -> None:
    """Four dollars for a million tokens are four dollars."""
    told_ = {row[0]: row for row in rows(page(rules()), "prices")}
    opus = next(row for row in shipped_rules().prices.rows if row.name == "opus-5.5")
    assert told_["opus-5.5"][2] == opus.rates.input * 1_000
    assert told_["web_search: $10 a thousand"][2:6] == (None,) * 4
    assert told_["code_execution: $0.05 an hour"]
