"""What browsers load: addresses that change with their content, and parts of others as they were published."""

import re
from hashlib import sha256
from pathlib import Path

import msgspec

from planner.dashboard import assets

STATIC = Path(assets.__file__).parent / "static"


def test_an_address_holds_the_digest_of_what_it_leads_to() -> None:
    """So that browsers may keep it for ever."""
    for name, asset in assets.assets().items():
        content = (STATIC / name).read_bytes()
        assert asset.content == content
        assert sha256(content).hexdigest()[: assets.SHOWN] in asset.address
        assert assets.served()[asset.address] is asset


def test_what_others_wrote_is_as_they_published_it() -> None:
    """The manifest names every file of theirs, with its licence and its digest."""
    folder = STATIC / "vendor"
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    assert {path.name for path in folder.iterdir()} == {*manifest, "manifest.json"}
    for name, told in manifest.items():
        assert sha256((folder / name).read_bytes()).hexdigest() == told["sha256"], name
        assert (folder / told["license_file"]).is_file()
    assert (
        f"Chart.js v{manifest['chart.umd.min.js']['version']}".encode()
        in assets.assets()["vendor/chart.umd.min.js"].content
    )


def test_every_file_is_served_or_belongs_to_one_that_is() -> None:
    """Nothing lies about."""
    files = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()}
    assert files - set(assets.NAMES) == {"vendor/manifest.json", "vendor/chart.LICENSE.md"}


def test_styles_and_scripts_of_ours_name_no_other_place() -> None:
    """No font, no picture, no service of somebody else."""
    for name in ("theme.js", "dashboard.js", "charts.js", "dashboard.css"):
        assert not re.search(rb"https?://|//[a-z]+\.|@import|url\(", assets.assets()[name].content), name
