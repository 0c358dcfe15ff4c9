"""The planner inside the official SDK, for those who run no proxy: the same core, the same ledger.

client = anthropic.AsyncAnthropic(middleware=[Planner(store="sqlite:///planner.db", observe=True)])
"""

from planner.core.findings import RulesError
from planner.middleware.planner import Planner
from planner.settings import SettingsError

__all__ = ["Planner", "RulesError", "SettingsError"]
