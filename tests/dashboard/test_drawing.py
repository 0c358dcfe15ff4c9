"""Small drawings stay in their boxes."""

from hypothesis import given
from hypothesis import strategies as st

from planner.dashboard.drawing import HEIGHT, WIDTH, gauge, spark

AMOUNTS = st.floats(0, 1e9)


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=40))
def test_a_line_stays_in_its_box(values: list[float]) -> None:
    """Wherever its values lie."""
    drawn = spark(values)
    assert drawn is not None
    points = [tuple(map(float, point.split(","))) for point in drawn.line.split()]
    assert len(points) == len(values)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_a_point_is_no_line() -> None:
    """Nor is nothing."""
    assert spark([]) is None
    assert spark([1.0]) is None


@given(AMOUNTS, AMOUNTS, st.none() | AMOUNTS, AMOUNTS, AMOUNTS)
def test_a_bar_is_as_long_as_the_longest(
    used: float, limit: float, expected: float | None, low: float, high: float
) -> None:
    """Nothing sticks out of it, the limit included."""
    bar = gauge(used, limit, expected, min(low, high), max(low, high, expected or 0))
    inside = [bar.used, bar.limit, bar.expected]
    assert all(0 <= share <= 100 for share in inside)
