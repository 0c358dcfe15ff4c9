"""Workflows: steps that are known beforehand become requests, at the least expected cost in time."""
