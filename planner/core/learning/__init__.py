"""What traffic has shown: habits of agents, warm prefixes, what edits weigh, and what may be expected of it."""
