"""A domain is one that web tools take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.rulefile.domains import wrong_with


@pytest.mark.parametrize(
    "domain",
    [
        "example.com",
        "docs.example.com",
        "example.com/blog",
        "example.com/*",
        "example.com/*/articles",
        "müller.de",
        "a-b.c",
    ],
)
def test_what_web_tools_take(domain: str) -> None:
    """Hosts, with a path or one wildcard in it."""
    assert wrong_with(domain) is None


@pytest.mark.parametrize(
    ("domain", "problem", "remedy"),
    [
        ("https://example.com", "has a scheme", "Write example.com."),
        ("http://", "has a scheme", "Write the domain alone."),
        ("b c", "has a space", "Write one domain an entry."),
        ("example.com:8080/x", "has a port", "Write example.com/x."),
        ("*.foo.com", "has a wildcard in its host", "Subdomains are included anyway"),
        ("ex*.com", "has a wildcard in its host", "Subdomains"),
        ("example.com/*/news/*", "has more than one wildcard", "Keep one"),
        ("example..com", "has an empty label", "Write it like example.com"),
        (".com", "has an empty label", ""),
        ("example.com.", "has an empty label", ""),
        ("/path", "has an empty label", ""),
        ("a" * 64 + ".com", "is too long", ""),
        ("a." * 130 + "com", "is too long", ""),
        ("user@example.com", "is no host name", "Write it like example.com"),
        ("-a.com", "is no host name", ""),
        ("example.com?q=1", "is no host name", ""),
    ],
)
def test_what_they_do_not_take(domain: str, problem: str, remedy: str) -> None:
    """With what to write instead."""
    found = wrong_with(domain)
    assert found is not None
    assert found[0] == problem
    assert found[1].startswith(remedy)


@given(st.text(max_size=40))
def test_any_word_is_one_or_the_other(domain: str) -> None:
    """A sound one has no space and no colon in its host."""
    if wrong_with(domain) is None:
        assert not set(domain.partition("/")[0]) & set(" :*@?#")
