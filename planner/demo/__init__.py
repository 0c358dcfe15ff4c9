"""The demo: example agents on the official SDK, sent through the planner and past it, and both bills side by side."""
