"""One request and its money, as it is written down: entry, shape, charges, corrections, hourly sums."""
