"""The pages of `planner rules diff` as they stand in golden files, and what each part of them says.

After a change of the pages run `python -m tests.cli.test_diffpage`, and read what changed.
"""

from pathlib import Path

import msgspec
import pytest

from planner.cli.diffpage import MOST_ROWS, Book, PriceEffect, PricePart, Report, markdown, text, verdict
from planner.core.preview.bookdiff import Difference, Member
from planner.core.replay.comparison import Change, Decisions, Moves, Ruled, Share, Traffic

GOLDEN = Path(__file__).parent / "golden"


def share(name: str, requests: int, before: int, after: int) -> Share:
    """A row of money."""
    return Share(name=name, requests=requests, before_nano=before, after_nano=after, moved_nano=after - before)


TRAFFIC = Traffic(
    requests=1_200,
    conversations=300,
    principals=12,
    first="2026-11-03T09:00:00+00:00",
    last="2026-11-10T08:59:00+00:00",
    warm_up=4_000,
)
REPORT = Report(
    old=Book(directory="rules", rules="a" * 16, prices="b" * 16),
    new=Book(directory="proposed/rules", rules="c" * 16, prices="d" * 16),
    given={"set": ("free_hours.limit=0",), "since": ("7d",)},
    structure=(
        Difference(kind="policy", name="finance_|_short", change="added"),
        Difference(kind="policy", name="bundles", change="changed", members=(Member("mode", '"shadow"', '"enforce"'),)),
        Difference(kind="setting", name="decision.confidence", change="changed", members=(Member("", "0.8", "0.9"),)),
    ),
    source="sqlite:///planner.db",
    left_out={"no-shape": 3, "not-messages": 40},
    traffic=TRAFFIC,
    decisions=Decisions(
        changed=96,
        outcomes=90,
        changes=(
            Change(
                action="bundle",
                before=Ruled("declined", "policy", "bundles"),
                after=Ruled("applied", "", "finance_|_short"),
                requests=90,
                moved_nano=-375_000_030,
                teams={"finance": 60, "search": 20, "ops": 9, "web": 1},
                models={"claude-haiku-5-5": 90},
            ),
            Change(
                action="container",
                before=Ruled("none"),
                after=Ruled("none", "", "bundles"),
                requests=6,
                moved_nano=0,
                teams={"ops": 6},
                models={"claude-opus-5-5": 6},
            ),
        ),
    ),
    money=Moves(
        before_nano=12_000_000_000,
        after_nano=11_630_000_000,
        moved_nano=-370_000_000,
        unpriced=2,
        by_team=(share("finance", 60, 4_000_000_000, 3_630_000_000), share("ops", 6, 1_000, 1_000)),
        by_policy=(share("finance_|_short", 90, 5_000_000_000, 4_630_000_000),),
        by_kind=(share("input", 1_200, 2_000_000_000, 2_005_000_030), share("code_execution", 90, 375_000_030, 0)),
    ),
    prices=PriceEffect(
        requests=1_198,
        before_nano=11_000_000_000,
        after_nano=11_000_500_000,
        moved_nano=500_000,
        parts=(
            PricePart(model="claude-opus-5-5", kind="input", before_nano=10, after_nano=500_010),
            PricePart(model="claude-opus-5-5", kind="output", before_nano=5, after_nano=5),
        ),
        unpriced_before={},
        unpriced_after={"unknown-model claude-new-1": 2},
    ),
)
EMPTY = msgspec.structs.replace(REPORT, traffic=msgspec.structs.replace(TRAFFIC, requests=0), prices=None, left_out={})
BARE = msgspec.structs.replace(REPORT, source=None, left_out={}, traffic=None, decisions=None, money=None, prices=None)


def pages() -> dict[str, str]:
    """The golden files, as they would be written now."""
    found = {}
    for name, report in (("full", REPORT), ("empty", EMPTY), ("bare", BARE)):
        found[f"rulesdiff-{name}.txt"] = "\n".join(text(report)) + "\n"
        found[f"rulesdiff-{name}.md"] = "\n".join(markdown(report)) + "\n"
    found["rulesdiff-full.json"] = msgspec.json.format(msgspec.json.encode(REPORT), indent=2).decode() + "\n"
    return found


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_page_is_as_it_was(name: str) -> None:
    """Byte for byte."""
    assert (GOLDEN / name).read_text(encoding="utf-8") == pages()[name]


def test_the_verdict_comes_first_in_a_comment_and_tables_are_folded() -> None:
    """Whoever reads a pull request sees the answer, and opens what they want to know."""
    first, *rest = markdown(REPORT)
    assert "90 of them with another outcome" in first
    page = "\n".join(rest)
    assert page.count("<details>") == page.count("</details>") == 6
    assert "finance\\_\\|\\_short" in page
    cells = {line.count("|") - line.count("\\|") for line in page.splitlines() if line.startswith("| bundle")}
    assert cells == {8}


@pytest.mark.parametrize(
    ("moved", "said"), [(5, "$0.000000005 more (+"), (-5, "$0.000000005 less (-"), (0, "would cost the same.")]
)
def test_the_verdict_says_which_way_money_moves(moved: int, said: str) -> None:
    """In both directions, and in none."""
    assert REPORT.money is not None
    money = msgspec.structs.replace(REPORT.money, moved_nano=moved, before_nano=100)
    assert said in verdict(msgspec.structs.replace(REPORT, money=money))


def test_the_verdict_says_what_was_not_weighed() -> None:
    """Only where there is anything."""
    assert REPORT.money is not None
    money = msgspec.structs.replace(REPORT.money, unweighed_web=3)
    said = " Not weighed: other web bounds of 3 requests, but for searches that a lower max_uses takes away."
    assert verdict(msgspec.structs.replace(REPORT, money=money)) == verdict(REPORT) + said


def test_the_verdict_where_nothing_changes() -> None:
    """Equal books, or the same in other words."""
    same = msgspec.structs.replace(BARE, structure=(), new=REPORT.old)
    assert verdict(same).startswith("The rule books are equal.")
    worded = msgspec.structs.replace(BARE, structure=())
    assert verdict(worded).startswith("The rules say the same in other words.")


def test_long_tables_are_cut_and_say_so() -> None:
    """JSON has them all."""
    rows = tuple(Difference(kind="caller", name=f"c{number}", change="added") for number in range(MOST_ROWS + 3))
    long = msgspec.structs.replace(BARE, structure=rows)
    for page in (text(long), markdown(long)):
        told = "\n".join(page)
        assert "and 3 more" in told
        assert f"c{MOST_ROWS}" not in told


if __name__ == "__main__":
    for page_name, content in pages().items():
        (GOLDEN / page_name).write_text(content, encoding="utf-8")
