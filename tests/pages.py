"""Pages that are generated from code: `python -m tests.pages` writes them, and a test compares them."""

from pathlib import Path
from typing import Final

from planner.core.reasons import Action, Outcome, Reason
from planner.core.rulefile import SHAPES
from planner.core.rulefile.schema import render
from tests import workflowpages
from tests.reference import reference_page

DOCS: Final = Path(__file__).parent.parent / "docs"
SCHEMAS: Final = DOCS.parent / "rules/schema"

OUTCOMES: Final = {
    Outcome.APPLIED: "The request was edited.",
    Outcome.KEPT: "What the caller declares stays as it is, or an earlier edit of its conversation is repeated.",
    Outcome.THREADED: "The conversation's warm container was put in.",
    Outcome.CALLER: "The caller names a container itself.",
    Outcome.NONE: "No container is known, and a new one will start.",
    Outcome.DECLINED: "Nothing was done, for the reason that is given.",
    Outcome.SHADOW: "A policy in shadow would have done it; nothing was done.",
    Outcome.FAILED_OPEN: "Planning failed inside; the request went on untouched.",
}

HEAD: Final = """# Outcomes and reasons

Every decision ends in an outcome and, where it needs one, a reason. Both come from closed lists, so that a metric, a
ledger entry or a `planner-plan` header can hold no other word. This page is generated from `planner/core/reasons.py` by
`python -m tests.pages`.
"""


def reasons_page() -> str:
    """The text of docs/reasons.md."""
    actions = ", ".join(f"`{action}`" for action in Action)
    outcomes = "\n".join(f"| `{outcome}` | {OUTCOMES[outcome]} |" for outcome in Outcome)
    reasons = "\n".join(f"| `{reason}` | {reason.meaning} |" for reason in sorted(Reason, key=str))
    return (
        f"{HEAD}\nWhat is decided, in this order: {actions}.\n\n"
        f"| outcome | means |\n|---|---|\n{outcomes}\n\n| reason | means |\n|---|---|\n{reasons}\n"
    )


if __name__ == "__main__":
    (DOCS / "reasons.md").write_text(reasons_page(), encoding="utf-8")
    (DOCS / "rules-reference.md").write_text(reference_page(), encoding="utf-8")
    (DOCS / "workflows" / "README.md").write_text(workflowpages.cookbook_page(), encoding="utf-8")
    (DOCS / "images" / "workflow.svg").write_text(workflowpages.picture(), encoding="utf-8")
    for kind in SHAPES:
        (SCHEMAS / f"{kind}.json").write_text(render(kind), encoding="utf-8")
