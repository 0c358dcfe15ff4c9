"""The README's pictures are there, in both colours, and as large as they were made."""

import re
import struct
from pathlib import Path

from tests.dashboard.pictures import FOLDER, PAGES, SCHEMES, name

README = Path(__file__).parents[2] / "README.md"


def test_every_picture_is_there_and_shown() -> None:
    """Of the size of its window, and named by the README, which names no other."""
    shown = set(re.findall(r"docs/images/(dashboard-[\w-]+\.png)", README.read_text(encoding="utf-8")))
    assert shown == {name(page, scheme) for page in PAGES for scheme in SCHEMES}
    for page, (_, height) in PAGES.items():
        for scheme in SCHEMES:
            head = (FOLDER / name(page, scheme)).read_bytes()[:24]
            assert head.startswith(b"\x89PNG\r\n\x1a\n")
            assert struct.unpack(">II", head[16:24]) == (1280, height)
