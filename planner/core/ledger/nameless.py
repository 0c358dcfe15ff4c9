"""An entry, and the sums it is part of, without a name that is to be forgotten; what was spent stays as it was.

    sums of nameless entries = nameless sums of entries

A name stands in an entry as who called, as whose budget it counts in, and where a client put it into a tag. Team,
project, model, time, tokens and money stay, so that no total moves; digests stay too, since none of them can be turned
back into a name, and sessions, conversations and seals rest on them. Anthropic's own id of the request goes, because it
leads to the key there.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import Amounts, K, Key, Rollup, TagKey, add

FORGOTTEN: Final = "(forgotten)"
"""Who stands where somebody stood that was forgotten; no key has such a fingerprint."""

Names = frozenset[str]
"""What one principal is called: its name in `callers.yaml`, the fingerprints of its keys."""


def nameless(entry: Entry, names: Names) -> Entry:
    """The entry without these names; the same object where none is in it."""
    changes: dict[str, object] = {}
    if entry.principal in names:
        changes |= {"principal": FORGOTTEN, "upstream_request_id": None}
    if entry.spender.principal in names:
        changes["spender"] = msgspec.structs.replace(entry.spender, principal=FORGOTTEN)
    if not names.isdisjoint(entry.tags.values()):
        changes["tags"] = _tags(entry.tags, names)
    shape = entry.shape
    if shape is not None and shape.own is not None and not names.isdisjoint(shape.own.tags.values()):
        own = msgspec.structs.replace(shape.own, tags=_tags(shape.own.tags, names))
        changes["shape"] = msgspec.structs.replace(shape, own=own)
    return msgspec.structs.replace(entry, **changes) if changes else entry


def nameless_key(key: K, names: Names) -> K:
    """The key of a cell without these names; the same where none is in it."""
    if isinstance(key, Key):
        return key._replace(principal=FORGOTTEN) if key.principal in names else key
    if isinstance(key, TagKey):
        return key._replace(value=FORGOTTEN) if key.value in names else key
    return key


def nameless_sums(sums: Rollup, names: Names) -> Rollup:
    """The sums without these names: what stood under them is added to what stands under nobody's."""
    return msgspec.structs.replace(sums, requests=_cells(sums.requests, names), tags=_cells(sums.tags, names))


def is_named(sums: Rollup, names: Names) -> bool:
    """Whether one of these names stands in the sums."""
    return any(key.principal in names for key in sums.requests) or any(key.value in names for key in sums.tags)


def _cells(cells: Mapping[K, Amounts], names: Names) -> dict[K, Amounts]:
    found: dict[K, Amounts] = {}
    for key, amounts in cells.items():
        add(found.setdefault(nameless_key(key, names), {}), amounts)
    return found


def _tags(tags: Mapping[str, str], names: Names) -> dict[str, str]:
    return {key: FORGOTTEN if value in names else value for key, value in tags.items()}
