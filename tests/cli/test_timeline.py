"""A plan in time, on a terminal and as a picture."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cli.timeline import LINE, MOST_TICKS, WIDTH, Bar, lines, picture, short

BARS = [Bar("fetch & sum", 0, 60, False, 1), Bar("wait", 60, 3_660, True, 0), Bar("end", 3_660, 3_661, False, 1)]


def test_a_line_a_request() -> None:
    """Where it begins, how long it is, and what container it shares; the shortest still has a mark."""
    first, second, third = lines(BARS)
    assert len(third) == LINE  # it has the most to say
    width = LINE - len("  fetch & sum  ") - len(third[third.index("█") + 1 :])
    assert (first.count("█"), second.count("░"), third.count("█")) == (1, width, 1)
    assert first.endswith("0 s to 1 min  container 1")
    assert second.endswith("1 min to 1 h 1 min")


@given(
    st.lists(st.tuples(st.text("ab-", min_size=1, max_size=200), st.floats(0, 1e6), st.integers(0, 30)), min_size=1),
    st.integers(0, 1),
)
def test_a_line_fits_a_terminal(rows: list[tuple[str, float, int]], batch: int) -> None:
    """However long names and times are; a bar keeps its least width, and at most the usual one."""
    bars = [Bar(name, begin, begin + 4_000, bool(batch), container) for name, begin, container in rows]
    for line in lines(bars):
        assert len(line) <= LINE
        assert 1 <= line.count("█") + line.count("░") <= WIDTH


@given(st.text(), st.integers(3, 40))
def test_a_short_name_keeps_both_ends(name: str, most: int) -> None:
    """It has room, and one that has not lost its middle is whole."""
    found = short(name, most)
    assert len(found) == min(len(name), most)
    assert found == name or (name.startswith(found.split("…")[0]) and name[-1] == found[-1])


def test_the_picture_says_what_waits_and_what_is_shared() -> None:
    """Beside each bar: how long it takes, and how."""
    root = ET.fromstring(picture(BARS, "t"))  # noqa: S314 - of our own making
    texts = {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"1 min, container 1", "1 h, in a batch"} <= texts


def test_names_are_escaped_and_the_axis_has_few_marks() -> None:
    """Whatever a step is called, the picture stays whole."""
    root = ET.fromstring(picture(BARS, 'a < b & "c"'))  # noqa: S314 - of our own making
    space = "{http://www.w3.org/2000/svg}"
    texts = [each.text for each in root.iter(f"{space}text")]
    assert "fetch & sum" in texts
    assert root.get("aria-label") == 'a < b & "c"'
    assert 2 <= len(root.findall(f"{space}line")) <= MOST_TICKS + 1
    kinds = [bar.get("class") for bar in root.iter(f"{space}rect")]
    assert kinds == ["shared0", "batch", "shared0"]


@pytest.mark.parametrize("whole", [0.4, 1, 59, 61, 3_600, 90_000, 40 * 86_400])
def test_any_length_has_an_axis(whole: float) -> None:
    """From less than a second to weeks."""
    root = ET.fromstring(picture([Bar("a", 0, whole, False, 0)], "t"))  # noqa: S314 - of our own making
    assert 1 <= len(root.findall("{http://www.w3.org/2000/svg}line")) <= MOST_TICKS + 2
