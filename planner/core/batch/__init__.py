"""Message batches: what goes into one, planned under stricter rules, and what its results cost."""
