"""Numbers that money depends on are whole and within reason, or an error that shows them."""

import pytest
from msgspec import Raw

from planner.core.metering.counts import UsageError, count_of, members_of, object_of, word_of


def test_a_count_is_a_whole_number_or_missing() -> None:
    """Missing and null are the same; what is there is taken as it stands."""
    members = members_of(Raw(b'{"a":0,"b":1000000000,"c":null}'))
    assert [count_of(members, name, "usage") for name in "abcd"] == [0, 10**9, None, None]


@pytest.mark.parametrize("value", [b"-1", b"1.0", b'"1"', b"true", b"1000000001", b"[]"])
def test_what_is_no_count_is_an_error(value: bytes) -> None:
    """Nothing is coerced, and the sentence names the member."""
    with pytest.raises(UsageError, match=r"usage\.a is"):
        count_of({"a": Raw(value)}, "a", "usage")


def test_parts_may_be_missing_but_nothing_else() -> None:
    """A part that is missing or null has no members; one of another shape is an error."""
    assert object_of(None) == object_of(Raw(b"null")) == {}
    assert object_of(Raw(b'{"a":1}')) == {"a": Raw(b"1")}
    with pytest.raises(UsageError, match="A part of usage"):
        object_of(Raw(b"7"))


def test_words_are_strings() -> None:
    """A tier, a speed or a place of another type is as good as missing."""
    assert [word_of(each) for each in (None, Raw(b'"us"'), Raw(b"7"), Raw(b"null"))] == [None, "us", None, None]
