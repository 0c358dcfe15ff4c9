"""The Claude API in a box: served over HTTP, scripted, deterministic, and with a bill of its own."""

from planner.simulator.app import Simulator
from planner.simulator.bill import Bill, Charge, Line
from planner.simulator.config import Config, Key, Switches
from planner.simulator.prepared import BillError, check_bill
from planner.simulator.serving import build, serve
from planner.simulator.trouble import check_scenarios, check_settings

__all__ = [
    "Bill",
    "BillError",
    "Charge",
    "Config",
    "Key",
    "Line",
    "Simulator",
    "Switches",
    "build",
    "check_bill",
    "check_scenarios",
    "check_settings",
    "serve",
]
