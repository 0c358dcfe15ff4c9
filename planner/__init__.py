"""Planner: a cost-aware proxy and workflow planner for Claude's code execution tool."""

__version__ = "0.1.0"
