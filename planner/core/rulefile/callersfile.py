"""`callers.yaml` becomes the callers; one key belongs to one principal."""

import re
from typing import Literal

import msgspec

from planner.core.rulebook.book import ApiKeyId, CallerRow, Callers, Fingerprint
from planner.core.rulefile.read import Reader, place
from planner.core.rulefile.tree import Items, Node, Pairs

_FINGERPRINT = re.compile(r"[0-9a-f]{16}", re.ASCII)


class CallerShape(msgspec.Struct, frozen=True, kw_only=True):
    """One principal; its name is the key it stands under."""

    keys: tuple[Fingerprint, ...] = ()
    team: str | None = None
    project: str | None = None
    organization: str | None = None
    workspace: str | None = None
    billing: Literal["api", "subscription"] | None = None
    flags: tuple[Literal["zdr", "hipaa"], ...] = ()
    api_keys: tuple[ApiKeyId, ...] = ()


class CallersFile(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of `callers.yaml`.

    Attributes:
        principals: who calls, by name or by the fingerprint of a key.
    """

    principals: dict[str, CallerShape] = {}


def read_callers(reader: Reader, root: Node | None) -> Callers:
    """Return the callers of the file; an empty file has none."""
    if not reader.top(root, ("principals",)) or not isinstance(root, Pairs):
        return Callers()
    table = root.values.get("principals")
    if table is None and "principals" in reader.meant:
        return Callers()
    if not isinstance(table, Pairs):
        problem = '"principals" must be a table of names'
        reader.find(root if table is None else table, "wrong-type", "this file", problem, "Write principals: {}.")
        return Callers()
    rows = []
    owners: dict[str, str] = {}
    for name, node in table.values.items():
        subject = f'principal "{name}"'
        shape = reader.read(node, CallerShape, subject)
        if shape is None or not isinstance(node, Pairs):
            continue
        rows.append(CallerRow(name=name, **{key: getattr(shape, key) for key in CallerShape.__struct_fields__}))
        if not shape.keys and not _FINGERPRINT.fullmatch(name):
            problem = "it has no keys and its name is no fingerprint"
            remedy = "Add keys: [fingerprints]; planner key prints one."
            reader.find(table.keys[name], "no-keys", subject, problem, remedy, "warning")
        listed = [item for kind in ("keys", "api_keys") for item in _items(place(node, kind))]
        claims = [(item, getattr(item, "text", "")) for item in listed]
        for at, key in [(table.keys[name], name), *claims]:
            if owners.setdefault(key, name) != name:
                problem = f'"{key}" already belongs to "{owners[key]}"'
                reader.find(at, "duplicate-name", subject, problem, "A key has one principal.")
    return Callers(tuple(rows))


def _items(node: Node | None) -> list[Node]:
    return list(node.items) if isinstance(node, Items) else []
