"""The demo's worlds: one clock, one seed, one set of settings for the planner and for the simulator behind it."""

import io
from pathlib import Path

import pytest
import uvloop

from planner.clock import VirtualClock
from planner.core.findings import RulesError
from planner.demo import world
from planner.demo.agents import AGENTS
from planner.listening import AddressError
from planner.proxy.callers import fingerprint
from planner.settings import SettingsError
from planner.simulator.config import ORGANIZATION, WORKSPACE
from tests.doubles.simulated import START


def test_the_clock_skips_what_would_be_slept() -> None:
    """Wall time and monotonic time alike, and never back."""
    base = VirtualClock(START)
    clock = world.SkippingClock(base)
    before = clock.monotonic()
    uvloop.run(clock.sleep(240))
    uvloop.run(clock.sleep(-1))
    assert (clock.now() - START).total_seconds() == 240
    assert clock.monotonic() - before == 240
    assert base.monotonic() == 0


def test_the_planner_knows_the_agents_from_callers_yaml(tmp_path: Path) -> None:
    """By the fingerprints of their keys, with team and scope, as a platform team would write it."""
    world.write_rules(tmp_path / "rules", AGENTS)
    book = world.read_book(tmp_path / "rules", {})
    for agent in AGENTS:
        row = book.callers.find(fingerprint(agent.key.encode()))
        assert row is not None
        assert (row.name, row.team) == (agent.name, agent.team)
        assert (row.organization, row.workspace) == (ORGANIZATION, WORKSPACE)
    assert agent.key not in (tmp_path / "rules" / "callers.yaml").read_text(encoding="utf-8")


def test_the_shipped_policies_hold_unless_others_are_given(tmp_path: Path) -> None:
    """The demo shows what the planner does as it ships."""
    world.write_rules(tmp_path / "shipped", AGENTS)
    world.write_rules(tmp_path / "anyway", AGENTS, world.BUNDLE_ANYWAY)
    assert "shipped-bundle" in {policy.name for policy in world.read_book(tmp_path / "shipped", {}).policies}
    assert {policy.name for policy in world.read_book(tmp_path / "anyway", {}).policies} == {"bundle-anyway"}


def test_planner_and_simulator_share_the_settings(tmp_path: Path) -> None:
    """What only the planner has is no business of the simulator."""
    settings = {"free_hours.limit": "0", "code.minimum_per": "request", "decision.confidence": "0.9"}
    world.write_rules(tmp_path / "rules", AGENTS)
    believed = world.read_book(tmp_path / "rules", settings).settings
    billed = world.simulator_config(AGENTS, "test", VirtualClock(START), settings).switches
    assert (believed.free_hours.limit, billed.free_hours_limit) == (0, 0)
    assert believed.code.minimum_per == billed.code_minimum_per == "request"
    assert believed.decision.confidence == 0.9


def test_settings_that_cannot_be_taken_are_refused(tmp_path: Path) -> None:
    """By the planner with a finding, by the simulator with a sentence."""
    world.write_rules(tmp_path / "rules", AGENTS)
    with pytest.raises(RulesError, match="nonsense"):
        world.read_book(tmp_path / "rules", {"nonsense": "1"})
    with pytest.raises(SettingsError, match="the simulator cannot take these settings"):
        world.simulator_config(AGENTS, "test", VirtualClock(START), {"free_hours.limit": "0.5"})


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    """Before anything was played."""
    world.write_rules(tmp_path / "rules", AGENTS)
    book = world.read_book(tmp_path / "rules", {})
    clock = VirtualClock(START)

    async def work() -> None:
        async with world.simulated(world.simulator_config(AGENTS, "test", clock, {})) as (_, address):
            port = int(address.rpartition(":")[2])
            async with world.planned(tmp_path, book, address, clock=clock, port=port, log=io.StringIO()):
                raise AssertionError("the port was free")

    with pytest.raises(AddressError, match="Choose another with --port"):
        uvloop.run(work())
