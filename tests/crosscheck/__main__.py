"""`python -m tests.crosscheck`: our shipped prices in force today beside those of genai-prices (the `dev` extra).

It prints every difference and fails on none: what is right is on Anthropic's page, and a person looks there.
"""

import sys

from planner.clock import SystemClock
from planner.rulesource import load_rules
from tests.crosscheck.compare import differences, our_prices, their_prices


def main() -> int:
    """Compare, and print."""
    try:
        from genai_prices import __version__  # noqa: PLC0415 - only a development environment has it
        from genai_prices.data import providers  # noqa: PLC0415 - likewise
    except ImportError:
        print("genai-prices is not installed: pip install -r requirements/dev.txt", file=sys.stderr)
        return 3
    now = SystemClock().now()
    book = load_rules(None).required()
    models = next(provider.models for provider in providers if provider.id == "anthropic")
    matched = {name: next((each for each in models if each.is_match(name)), None) for name in book.catalog.known_models}
    ours = our_prices(book.prices, book.catalog.known_models, now)
    theirs = {name: their_prices(each, now) for name, each in matched.items() if each is not None}
    found = differences(ours, theirs)
    both = sorted(ours.keys() & theirs.keys())
    print(f"genai-prices {__version__}, prices in force on {now.date()}: {len(both)} models in both")
    print("\n".join(each.text() for each in found) or "no difference")
    known = {each.id for each in matched.values() if each is not None}
    for who, names in (
        ("ours", ours.keys() - theirs.keys()),
        ("theirs, of those in our catalog", theirs.keys() - ours.keys()),
        ("theirs, not in our catalog", {each.id for each in models} - known),
    ):
        print(f"only {who}: {', '.join(sorted(names)) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
