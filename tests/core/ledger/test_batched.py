"""What a batch was made of finds the kind of each request again by the digest of its name."""

from hypothesis import given
from hypothesis import strategies as st

from planner.core.ledger.batched import DIGITS, Kind, Made, member

NAMES = st.lists(st.text(max_size=64), min_size=1, max_size=40, unique=True)


@given(NAMES, st.integers(1, 5))
def test_every_request_is_found_in_its_kind(names: list[str], kinds: int) -> None:
    """Those of the first kind by not being named; a digest tells nothing of a name but itself."""
    sorted_out = [names[place::kinds] for place in range(kinds)]
    made = Made(
        tuple(
            Kind(requests=len(each), members="".join(map(member, each)) if place else "")
            for place, each in enumerate(sorted_out)
        )
    )
    places = made.places()
    assert made.requests == len(names)
    for place, each in enumerate(sorted_out):
        assert all(places.get(member(name), 0) == place for name in each)


def test_a_name_is_not_kept() -> None:
    """A digest has as many hex digits as it is cut by, also of a name that is no text."""
    digests = [member("patient-4711"), member("\ud800")]
    assert all(len(each) == DIGITS and int(each, 16) >= 0 and "4711" not in each for each in digests)
