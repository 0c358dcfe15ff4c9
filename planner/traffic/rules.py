"""The rules under which the month is decided: the shipped ones, who calls, what the company refuses, and a contract."""

from collections.abc import Mapping
from typing import Final

from planner.traffic.teams import AGENTS, REFUSED, SUBSIDIARY

FULL_MONTH: Final = 300_000
FREE_HOURS: Final = 1_550
"""Free container hours of an organization and month:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool, checked 2026-11-22."""

POLICIES: Final = f"""policies:
  - name: month-no-fable
    why: The shop's assistant is to answer from a small model.
    mode: enforce
    match: {{team: [product], model: ["{REFUSED}"]}}
    then: {{deny: "This model is not for the assistant: ask for claude-haiku-5-5."}}

  - name: month-shadow
    why: It shows what the runbooks would cost with a bundle in each request.
    mode: shadow
    match: {{team: [ops]}}
    then: {{bundle: always}}

  - name: month-tags
    why: Contracts are told apart by their environment.
    mode: enforce
    match: {{team: [legal]}}
    then: {{tags: {{environment: production}}}}
"""

CONTRACT: Final = f"""discounts:
  - name: subsidiary-2026
    why: The subsidiary's agreement of 2026.
    percent_off: "12.5"
    organizations: [{SUBSIDIARY}]
    models: ["claude-haiku-*"]
    source: made up for the month of traffic
    checked: 2026-11-22
    mark: A
"""


def rule_files(shipped: Mapping[str, bytes], *, discounts: bool = False) -> dict[str, bytes]:
    """The rule files of the month, by path; `shipped` are those of the planner, `discounts` adds a contract."""
    own = {"callers.yaml": _callers(), "policies/month.yaml": POLICIES}
    if discounts:
        own["prices/contract.yaml"] = CONTRACT
    return {**shipped, **{path: text.encode() for path, text in own.items()}}


def overrides(entries: int) -> dict[str, str]:
    """Settings of the month: the free hours shrink with the company, so that a small month is like a large one."""
    return {"free_hours.limit": str(max(round(FREE_HOURS * entries / FULL_MONTH), 1))}


def _callers() -> str:
    lines = ["principals:"]
    for agent in AGENTS:
        lines += [
            f"  {agent.name}:",
            f"    keys: [{agent.fingerprint}]",
            f"    team: {agent.team}",
            f"    project: {agent.project}",
            f"    organization: {agent.organization}",
            f"    workspace: {agent.workspace}",
            f"    billing: {agent.billing}",
        ]
    return "\n".join(lines) + "\n"
