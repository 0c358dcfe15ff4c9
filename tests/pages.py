"""Pages that are generated from code: `python -m tests.pages` writes them, and a test compares them."""

from pathlib import Path
from typing import Final

import msgspec

from planner import __version__
from planner.core.containers import EVENTS, TABLE, State
from planner.core.reasons import Action, Outcome, Reason
from planner.core.rulefile import SHAPES
from planner.core.rulefile.schema import render
from planner.dashboard.openapi import description
from tests import workflowpages
from tests.reference import reference_page

DOCS: Final = Path(__file__).parent.parent / "docs"
SCHEMAS: Final = DOCS.parent / "rules/schema"

HEAD: Final = """# Outcomes and reasons

Every decision ends in an outcome and, where it needs one, a reason. Both come from closed lists, so that a metric, a
ledger entry or a `planner-plan` header can hold no other word. This page is generated from `planner/core/reasons.py` by
`python -m tests.pages`.
"""


def reasons_page() -> str:
    """The text of docs/reasons.md."""
    actions = ", ".join(f"`{action}`" for action in Action)
    outcomes = "\n".join(f"| `{outcome}` | {outcome.meaning} |" for outcome in Outcome)
    reasons = "\n".join(f"| `{reason}` | {reason.meaning} |" for reason in sorted(Reason, key=str))
    return (
        f"{HEAD}\nWhat is decided, in this order: {actions}.\n\n"
        f"| outcome | means |\n|---|---|\n{outcomes}\n\n| reason | means |\n|---|---|\n{reasons}\n"
    )


def api_page() -> str:
    """The text of docs/openapi.json."""
    return msgspec.json.format(msgspec.json.encode(description(__version__)), indent=1).decode() + "\n"


def states() -> str:
    """The drawing of what can become of a turn's container, and the events in words, without what changes nothing."""
    steps: dict[tuple[State, State], list[str]] = {}
    for (before, event), after in TABLE.items():
        if before is not after:
            steps.setdefault((before, after), []).append(event)
    arrows = "\n".join(f"    {a.value} --> {b.value}: {', '.join(events)}" for (a, b), events in steps.items())
    words = "\n".join(f"| `{event}` | {meaning} |" for event, meaning in EVENTS.items())
    return f"\n```mermaid\nstateDiagram-v2\n    [*] --> idle\n{arrows}\n```\n\n| event | means |\n|---|---|\n{words}\n"


def between(page: str, mark: str, text: str) -> str:
    """A page with a text between two marks. Raises ValueError for a page without them."""
    head, begin, rest = page.partition(f"<!-- {mark} -->\n")
    _, end, tail = rest.partition(f"<!-- end of {mark} -->")
    if not begin or not end:
        raise ValueError(f"the page has no marks for {mark}")
    return f"{head}{begin}{text}\n{end}{tail}"


if __name__ == "__main__":
    containers = DOCS / "containers.md"
    containers.write_text(between(containers.read_text(encoding="utf-8"), "states", states()), encoding="utf-8")
    (DOCS / "openapi.json").write_text(api_page(), encoding="utf-8")
    (DOCS / "reasons.md").write_text(reasons_page(), encoding="utf-8")
    (DOCS / "rules-reference.md").write_text(reference_page(), encoding="utf-8")
    (DOCS / "workflows" / "README.md").write_text(workflowpages.cookbook_page(), encoding="utf-8")
    (DOCS / "images" / "workflow.svg").write_text(workflowpages.picture(), encoding="utf-8")
    for kind in SHAPES:
        (SCHEMAS / f"{kind}.json").write_text(render(kind), encoding="utf-8")
