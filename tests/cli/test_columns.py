"""Words stand below each other."""

import pytest

from planner.cli.columns import columns


def test_a_column_is_as_wide_as_its_widest_cell() -> None:
    """Two blanks stand between them and in front, and none at the end."""
    assert list(columns([("a", "long word", ""), ("wider", "b", "c")])) == [
        "  a      long word",
        "  wider  b          c",
    ]
    assert list(columns([])) == []


def test_rows_have_equally_many_cells() -> None:
    """Anything else is a bug of whoever wrote them."""
    with pytest.raises(ValueError, match="zip"):
        list(columns([("a", "b"), ("c",)]))
