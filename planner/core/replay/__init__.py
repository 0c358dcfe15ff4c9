"""Recorded traffic played again under a rule book, in a world that need not be what the rule book believes."""
