"""A month of a made-up company's traffic: the trace, the ledger that a proxy would have written, and the bill.

    teams, rhythm ──► script ──► clerk: player and world ──► exchange ──► entry
                                          └────────────► bill ──► what the API reports

It is pure: the same seed makes the same bytes. Tests, the demo, replays, dashboards and benchmarks feed on it. What a
request used and what it is billed comes of the world of a replay; what the ledger says of it comes of the code that
settles real answers. The two share no counting code, so that ledger and bill may be held against each other.
"""

from planner.traffic.account import Account, Key
from planner.traffic.bill import Bill, Item
from planner.traffic.month import FULL_MONTH, Happening, Month
from planner.traffic.rules import overrides, rule_files

__all__ = ["FULL_MONTH", "Account", "Bill", "Happening", "Item", "Key", "Month", "overrides", "rule_files"]
