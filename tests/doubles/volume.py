"""A directory of rules as a cluster mounts it: a change is another folder, and one link is renamed over another."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from planner.proxy.callers import fingerprint
from planner.rulesource import read_files

KEY = b"sk-volume"
ORGANIZATION, WORKSPACE = "org-1", "workspace-1"
INPUT_USD = 4_000
"""Thousandths of a dollar a million input tokens of Opus 5.5, as shipped."""


class Volume:
    """`..data` leads to the newest of the folders beside it, and every name of the directory leads through `..data`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.versions = 0
        directory.mkdir(parents=True)

    def publish(self, files: Mapping[str, str]) -> None:
        """Exchange all files at once; what the folder before held is then removed."""
        self.versions += 1
        folder = self.directory / f"..2026_{self.versions:05}"
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        aside, data = self.directory / "..data_tmp", self.directory / "..data"
        before = data.resolve() if data.is_symlink() else None
        aside.symlink_to(folder.name)
        aside.replace(data)
        names = {path.partition("/")[0] for path in files}
        for name in names:
            if not (self.directory / name).is_symlink():
                (self.directory / name).symlink_to(f"..data/{name}")
        for link in self.directory.iterdir():
            if link.name not in names and not link.name.startswith(".."):
                link.unlink()
        if before is not None:
            shutil.rmtree(before)


def version(number: int) -> dict[str, str]:
    """Rules that are told apart by everything: a price a thousandth of a dollar higher each, a policy of its own name.

    They know the caller with `KEY`.
    """
    shipped = read_files(None)["prices/anthropic.yaml"].decode()
    old = 'usd_per_million: {input: "4", output: "20", cache_write_5m: "5"'
    assert shipped.count(old) == 1
    return {
        "policies/ours.yaml": (
            f"policies:\n  - name: version-{number}\n    why: A test.\n    mode: enforce\n    then: {{bundle: never}}\n"
        ),
        "prices/anthropic.yaml": shipped.replace(old, old.replace('"4"', f'"4.{number:03}"')),
        "callers.yaml": (
            f"principals:\n  caller:\n    keys: [{fingerprint(KEY)}]\n    team: version-{number}\n"
            f"    organization: {ORGANIZATION}\n    workspace: {WORKSPACE}\n"
        ),
    }


def input_nano(number: int) -> int:
    """What an input token costs under that version, in nano-dollars."""
    return INPUT_USD + number


BROKEN = version(1) | {"policies/ours.yaml": "policies:\n  - name: broken\n    mode: enforced\n    then: {}\n"}
"""Rules with one file that makes no rule book."""


def without(folder: str) -> dict[str, str]:
    """The first version without a folder."""
    return {path: text for path, text in version(0).items() if not path.startswith(folder)}
