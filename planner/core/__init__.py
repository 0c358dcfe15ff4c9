"""The pure floor: no clock, disk, socket, event loop, log, database or web below this line."""
