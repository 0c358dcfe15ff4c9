"""The example agents: eight, each under a key of its own, and none that knows of the planner."""

from pathlib import Path

import pytest

from planner.demo import agents
from planner.demo.agents import AGENTS, Agent
from planner.proxy.callers import fingerprint
from planner.simulator.models import find


def test_eight_agents_one_of_them_with_two_clients() -> None:
    """They are the ones that the documentation names."""
    assert len({agent.name.removesuffix("-keeps").removesuffix("-forgets") for agent in AGENTS}) == 8
    assert len({agent.name for agent in AGENTS}) == len(AGENTS) == 9


def test_each_has_a_key_of_its_own() -> None:
    """So that the planner tells them apart, and the bill too."""
    assert len({fingerprint(agent.key.encode()) for agent in AGENTS}) == len(AGENTS)
    assert len({agent.key_id for agent in AGENTS}) == len(AGENTS)


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_each_uses_a_model_that_is_there(agent: Agent) -> None:
    """A model that is retired would stop the demo."""
    model = find(agent.model)
    assert model is not None
    assert model.lifecycle == "active"


def test_they_know_nothing_of_the_planner() -> None:
    """Only the base address tells where they are sent, so no header of ours is in them."""
    source = Path(agents.__file__).read_text(encoding="utf-8")
    assert "planner-" not in source
    assert "http" not in source


def test_the_documentation_has_them_all() -> None:
    """In its table and in its sample."""
    page = (Path(__file__).parent.parent.parent / "docs" / "demo.md").read_text(encoding="utf-8")
    table, _, sample = page.partition("## What it looks like")
    assert [agent.name for agent in AGENTS if f"| {agent.name} |" not in table] == []
    assert [agent.name for agent in AGENTS if f" {agent.name} " not in sample] == []
