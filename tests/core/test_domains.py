"""Lists of domains: whatever the API makes of an entry, what is left is reached by both lists, or it is a conflict."""

import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.domains import ConflictError, both, without


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        (["a.example"], ["a.example"], ["a.example"]),
        (["x.a.example", "b.example"], ["a.example", "b.example/docs"], ["x.a.example", "b.example/docs"]),
        (["A.example"], ["a.example"], ["A.example"]),
        (["a.example/*"], ["a.example"], ["a.example/*"]),
        (["a.example/docs/*"], ["a.example/docs"], ["a.example/docs/*"]),
        (["a.example:443"], ["A.example:443"], ["a.example:443"]),
        (["bücher.example"], ["bücher.example", "c.example"], ["bücher.example"]),
        (["www.a.example"], ["a.example"], ["www.a.example"]),
        (["a.example", "b.example"], ["c.example"], None),
        (["a.example/*"], ["a.example/docs"], None),
        (["a.example/*/1"], ["a.example/docs"], None),
        (["www.a.example"], ["a.example/docs"], None),
        (["a.example:443"], ["a.example"], None),
        (["a.example."], ["a.example"], None),
        (["https://a.example"], ["a.example"], None),
        (["bücher.example"], ["xn--bcher-kva.example"], None),
        (["a.example/Docs"], ["a.example/docs"], None),
        (["a.example/docs/../x"], ["a.example/docs"], None),
        (["a.example/docs/%2e%2e/x"], ["a.example/docs"], None),
        (["a_b@c"], ["a.example"], None),
        ([".." + "x" * 70], ["a.example"], None),
    ],
)
def test_what_both_allow(one: list[str], two: list[str], expected: list[str] | None) -> None:
    """The narrower of each pair that overlaps, where it is sure to be; else no list can say it."""
    if expected is None:
        with pytest.raises(ConflictError):
            both(one, two)
    else:
        assert both(one, two) == expected


@pytest.mark.parametrize(
    ("allowed", "blocked", "expected"),
    [
        (["a.example", "b.example"], ["b.example"], ["a.example"]),
        (["x.a.example", "c.example"], ["a.example"], ["c.example"]),
        (["a.example/docs"], ["a.example/blog"], ["a.example/docs"]),
        (["www.a.example/docs"], ["a.example/blog"], ["www.a.example/docs"]),
        (["a.example/docs/*", "b.example"], ["a.example/docs"], ["b.example"]),
        (["a.example"], [], ["a.example"]),
        (["a.example"], ["x.a.example"], None),
        (["a.example/docs"], ["a.example/*"], None),
        (["a.example/docs/1"], ["a.example/*/1"], None),
        (["www.a.example"], ["a.example/private"], None),
        (["a.example/docs"], ["www.a.example"], None),
        (["a.example:443", "b.example"], ["a.example"], None),
        (["a.example.", "b.example"], ["a.example"], None),
        (["bücher.example"], ["xn--bcher-kva.example"], None),
        (["docs.a.example"], ["www.a.example"], None),
        (["a.example"], ["no domain"], None),
        (["a.example"], ["a.example"], None),
    ],
)
def test_what_is_not_blocked(allowed: list[str], blocked: list[str], expected: list[str] | None) -> None:
    """An entry stays whole or goes whole."""
    if expected is None:
        with pytest.raises(ConflictError):
            without(allowed, blocked)
    else:
        assert without(allowed, blocked) == expected


class Reading(NamedTuple):
    """One way to understand entries: of paths under sub-domains, wild cards, ports, dots, `www.`, letters and steps."""

    path_below: bool
    star_is_one: bool
    loose: bool
    prefix: bool


READINGS = [Reading(*each) for each in product((False, True), repeat=4)]


def page_in(page: str, entry: str, reading: Reading) -> bool:
    """Whether a page lies in an entry, said by hand; pages are plain."""
    host, _, path = entry.partition("/")
    mine, _, deeper = page.partition("/")
    host = host.lower()
    if reading.loose:
        host = re.sub(r":\d*$", "", host).removesuffix(".").encode("idna").decode().removeprefix("www.")
        mine = mine.removeprefix("www.")
        path, deeper = path.lower(), deeper.lower()
    if not (mine == host or (mine.endswith("." + host) and (reading.path_below or not path))):
        return False
    pattern = re.escape(path.rstrip("/")).replace(r"\*", "[^/]*" if reading.star_is_one else ".*")
    return not path or re.fullmatch(pattern + (".*" if reading.prefix else "(/.*)?"), deeper) is not None


HOSTS = ("a.example", "www.a.example", "x.a.example", "b.example", "bücher.example", "xn--bcher-kva.example")
ENTRIES = st.tuples(
    st.sampled_from((*HOSTS, "A.Example", "a.example:443", "a.example.")),
    st.sampled_from(
        ("", "", "/docs", "/Docs", "/docs/", "/docs/1", "/docs-2", "/*", "/docs/*", "/*/1", "/do*", "/blog")
    ),
).map("".join)
LISTS = st.lists(ENTRIES, min_size=1, max_size=3, unique=True)
PAGES = tuple(
    host + path
    for host in (*HOSTS, "y.x.a.example", "c.example")
    if host.isascii()
    for path in ("", "/docs", "/Docs", "/docs/1", "/docs/1/2", "/docs-2", "/docs-2/1", "/blog", "/blog/1")
)


def reached(entries: Sequence[str], reading: Reading) -> set[str]:
    """The pages in any of these entries."""
    return {page for page in PAGES if any(page_in(page, each, reading) for each in entries)}


def _or_none(work: Callable[[Sequence[str], Sequence[str]], list[str]], one: list[str], two: list[str]) -> list[str]:
    try:
        return work(one, two)
    except ConflictError:
        return []


@given(LISTS, LISTS)
def test_nothing_is_widened_under_any_reading(one: list[str], two: list[str]) -> None:
    """What is left is reached by the first list, and by the second where that allows, or else not where it blocks."""
    shared, rest = _or_none(both, one, two), _or_none(without, one, two)
    for reading in READINGS:
        mine, theirs = reached(one, reading), reached(two, reading)
        assert reached(shared, reading) <= mine & theirs, reading
        assert reached(rest, reading) <= mine - theirs, reading


PLAIN = st.lists(
    st.sampled_from(["a.example", "x.a.example", "b.example", "b.example/docs", "b.example/docs/1", "c.example/blog"]),
    min_size=1,
    max_size=3,
    unique=True,
)


@given(PLAIN, PLAIN)
def test_nothing_is_lost_of_plain_entries(one: list[str], two: list[str]) -> None:
    """Where it is no conflict, all that both reach is left."""
    reading = Reading(path_below=False, star_is_one=True, loose=False, prefix=False)
    mine, theirs = reached(one, reading), reached(two, reading)
    if shared := _or_none(both, one, two):
        assert reached(shared, reading) == mine & theirs
    if rest := _or_none(without, one, two):
        assert reached(rest, reading) == mine - theirs
