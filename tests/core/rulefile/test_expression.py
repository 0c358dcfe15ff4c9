"""What an expression mentions is found where it stands, and nothing that stands in quotes or comments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.rulefile.expression import names, tag_keys, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tags.foo == 'x'", [("foo", 1, 6)]),
        ('has(tags . foo) &&\n  tags[ "bar" ] == ""', [("foo", 1, 12), ("bar", 2, 9)]),
        ("tags['''foo'''] == ''", [("foo", 1, 6)]),
        ("'tags.foo' in tools && tools.exists(x, x == 'tags[\"bar\"]') // tags.baz", []),
        ("x.tags.foo || mytags.foo || tags.exists(k, true)", []),
    ],
)
def test_keys_of_tags(text: str, found: list[tuple[str, int, int]]) -> None:
    """By a dot and by brackets, with line and column; what is called, quoted or belongs to others is none."""
    assert list(tag_keys(text)) == found


def test_names_and_words() -> None:
    """Members are no names, and comments hold neither."""
    text = "team != \"research\" && tags.feature.startsWith('night') // principal 'x'"
    assert names(text) == {"team", "tags"}
    assert words(text) == ("research", "night")


@given(st.text(st.sampled_from("tags.['\"]x/\\ \n"), max_size=40))
def test_any_text_has_places_inside_of_it(text: str) -> None:
    """Whatever stands there, a key stands where it is said to."""
    lines = text.split("\n")
    for key, line, col in tag_keys(text):
        assert 1 <= line <= len(lines)
        assert lines[line - 1][col - 1 :][:1] in {key[:1], "'", '"'}
