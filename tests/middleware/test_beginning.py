"""What a planner inside a program is told is checked where it is told; broken rules fall back on the last good ones."""

from pathlib import Path
from typing import Any

import pytest

from planner.core.findings import RulesError
from planner.lastgood import LastGood
from planner.middleware.beginning import begin
from planner.opening import beside
from planner.settings import SettingsError
from tests.doubles.inside import rules_in

USUAL: dict[str, Any] = {
    "store": "sqlite:///planner.db",
    "rules": None,
    "journal": None,
    "observe": False,
    "drain": False,
    "settings": {},
    "decide_timeout": 0.025,
}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"store": 7}, "store takes an address"),
        ({"store": "mysql://x"}, "not understood. Write sqlite"),
        ({"rules": 7}, "rules takes the path"),
        ({"rules": "nowhere"}, "nowhere does not exist"),
        ({"journal": b"x"}, "journal takes the path"),
        ({"observe": "yes"}, "observe takes True or False"),
        ({"settings": {"free_hours.limit": 0}}, "settings takes texts"),
        ({"decide_timeout": "1"}, "decide_timeout takes seconds"),
        ({"decide_timeout": 0}, "more than 0"),
        ({"settings": ["a=b"]}, "settings takes texts"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(wrong: dict[str, Any], sentence: str) -> None:
    """With the name of the argument, and what to write instead."""
    with pytest.raises(SettingsError, match=sentence):
        begin(**(USUAL | wrong))


def test_rules_that_make_no_book_are_said_with_their_place(tmp_path: Path) -> None:
    """Unless a planner on this store had good ones of the same directory in force before."""
    rules, store = rules_in(tmp_path), f"sqlite:///{tmp_path / 'l.db'}"
    told = USUAL | {"rules": rules, "store": store}
    good = begin(**told)
    assert good.watched.refused == ()
    (rules / "policies" / "ours.yaml").write_text("policies:\n  - {name: bundled}\n", encoding="utf-8")
    with pytest.raises(RulesError, match=r"ours\.yaml:2"):
        begin(**told)
    LastGood(beside(store)).keep(rules, good.watched.files)
    kept = begin(**told)
    assert kept.book.digest == good.book.digest
    assert "ours.yaml:2" in kept.watched.refused[0]
