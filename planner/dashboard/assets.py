"""The files that a browser loads: read once from the package, each under an address that holds its digest.

An address whose file changes is another one, so that browsers may keep what they have for ever. Parts that others wrote
lie in `static/vendor`, byte for byte as they were published; its `manifest.json` says which, and their digests.
"""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

import msgspec

PREFIX: Final = "/planner/static"
SHOWN: Final = 16
"""Hex digits of a digest in an address."""
TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "png": "image/png"}
NAMES: Final = ("theme.js", "dashboard.js", "charts.js", "dashboard.css", "mark.svg", "vendor/chart.umd.min.js")
"""What is served, and nothing else."""


class Asset(msgspec.Struct, frozen=True):
    """One file as it is served."""

    content: bytes
    media_type: str
    address: str


@cache
def assets() -> dict[str, Asset]:
    """Every file by name."""
    return {name: _asset(name) for name in NAMES}


@cache
def served() -> dict[str, Asset]:
    """Every file by its address."""
    return {asset.address: asset for asset in assets().values()}


def address(name: str) -> str:
    """Where a file is served. Raises KeyError for one that is not."""
    return assets()[name].address


def _asset(name: str) -> Asset:
    content = (files("planner.dashboard") / "static" / name).read_bytes()
    digest = sha256(content).hexdigest()[:SHOWN]
    return Asset(content, TYPES[name.rpartition(".")[2]], f"{PREFIX}/{digest}/{name.rpartition('/')[2]}")
