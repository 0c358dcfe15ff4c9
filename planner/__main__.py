"""`python -m planner` is the same as the console command `planner`."""

from planner.cli import main

main()
