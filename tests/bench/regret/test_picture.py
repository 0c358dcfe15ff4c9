"""The picture in the docs shows what the planner does today."""

import re
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from tests.bench.regret.picture import CHANCES, FILE, SIDES, draw, point, read

SVG: Final = FILE.read_text(encoding="utf-8")
REMEDY: Final = "run `python -m tests.bench.regret.picture`, look at it, and commit it"


def test_the_file_is_drawn_from_its_data() -> None:
    """Nobody edits it by hand."""
    assert [each.chance for each in read(SVG)] == list(CHANCES)
    assert draw(read(SVG)) == SVG, REMEDY


@pytest.mark.parametrize("index", [2, 9])
def test_its_data_is_what_a_play_gives(index: int) -> None:
    """Two points, one on either side of where the habits cross, are played again.

    The habits must cost the same to the nano-dollar. The planner may differ by a hundredth, which is less than its line
    is wide, so that not every change of a decision needs a new picture.
    """
    played, drawn = point(CHANCES[index]), read(SVG)[index]
    mine, shown = played.nano.pop("planner"), drawn.nano.pop("planner")
    assert played == drawn, REMEDY
    assert mine == pytest.approx(shown, rel=0.01), REMEDY


def test_the_planner_follows_the_cheaper_habit() -> None:
    """The habits cross, and though it begins with nothing learnt, it is never far above the better one."""
    points = read(SVG)
    assert points[0].nano["never"] < points[0].nano["always"]
    assert points[-1].nano["always"] < points[-1].nano["never"]
    for each in points:
        assert each.nano["planner"] <= 1.05 * min(each.nano["never"], each.nano["always"])
        assert each.nano["planner"] <= each.nano["untouched"]


def test_nothing_is_drawn_outside() -> None:
    """It is well-formed, every coordinate lies in the frame, and each side has its line and its sample."""
    root = ET.fromstring(SVG)  # noqa: S314 - our own file
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    drawn = [each.attrib.get("points", "") for each in root.iter()]
    places = [tuple(map(float, place.split(","))) for each in drawn for place in each.split()]
    assert len(places) == len(SIDES) * len(CHANCES)
    assert all(0 < x < width and 0 < y < height for x, y in places)
    assert all(len(re.findall(rf'class="(?:sample )?{side}"', SVG)) == 2 for side in SIDES)
