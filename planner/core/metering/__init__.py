"""What came back, counted: events and messages as they pass, disjoint token classes, rounds, the time of code."""
