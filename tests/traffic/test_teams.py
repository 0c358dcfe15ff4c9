"""The company: eight teams, two organizations, four workspaces, and keys of which none is a key."""

import re

from planner.traffic.teams import AGENTS, TEAMS


def test_the_company() -> None:
    """As many as were promised, and names that are not given twice."""
    assert len(TEAMS) == 8
    assert len({agent.organization for agent in AGENTS}) == 2
    assert len({(agent.organization, agent.workspace) for agent in AGENTS}) == 4
    assert len({agent.name for agent in AGENTS}) == len({agent.fingerprint for agent in AGENTS}) == len(AGENTS)
    assert all(re.fullmatch("[0-9a-f]{16}", agent.fingerprint) for agent in AGENTS)


def test_nobody_is_the_whole_company() -> None:
    """Each agent has a share, and none has half of the month."""
    assert all(0 < agent.share < sum(each.share for each in AGENTS) / 2 for agent in AGENTS)
