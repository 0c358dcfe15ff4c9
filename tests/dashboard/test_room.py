"""A page's room: the filters of an address are those that sums know."""

from tests.doubles.paged import NOW, SumsStore, room


def test_filters_are_parameters_named_like_dimensions() -> None:
    """As often as they have values; what is no dimension asks for nothing."""
    made = room(SumsStore(), "cost", "team=a&team=b&team=&tags.feature=x&reason=uncertain&by=team&colour=red")
    assert made.where == {
        "team": frozenset({"a", "b", ""}),
        "tags.feature": frozenset({"x"}),
        "reason": frozenset({"uncertain"}),
    }
    assert made.now == NOW
