"""A name is taken out of every table of a store; what stood under it stands under nobody's, to the nano-dollar.

Entries, open requests and sums keep their amounts and lose the name. What is only remembered of somebody (scopes,
conversations, turns, habits, leases) goes. Each step finds what still has the name, so that running it again finishes
what was interrupted, and changes nothing where nothing is left. Closed months come before (`planner.forgetting`).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from typing import Any, Final

import msgspec

from planner.core.conversations import Conversation, Turn
from planner.core.ledger.entry import Entry
from planner.core.ledger.nameless import FORGOTTEN, Names, nameless, nameless_key
from planner.core.ledger.rollup import Key, TagKey
from planner.core.reports.forgetting import nameless_pruned
from planner.core.reports.pruning import Pruned
from planner.stores.retention import Retention

PAGE: Final = 100
"""Rows that are changed in one transaction: milliseconds."""
_PRINCIPAL: Final = "principal"
_encoder = msgspec.json.Encoder()
_entries = msgspec.json.Decoder(Entry)
_turns = msgspec.json.Decoder(Turn)
_conversations = msgspec.json.Decoder(Conversation)
_prunings = msgspec.json.Decoder(Pruned)


class Step(msgspec.Struct, frozen=True):
    """Some rows that had the name; `kind` is what they are, in the words of `planner store forget`."""

    kind: str
    rows: int


async def forget(retention: Retention, names: Names, *, write: bool) -> AsyncGenerator[Step, None]:
    """Take names out of a store, step by step; without `write` only look what has them. Raises StoreError."""
    for number, name in enumerate(ordered := sorted(names)):
        earlier = frozenset(ordered[:number])
        for steps in (
            _entry_steps(retention, name, names, earlier, write=write),
            _intents(retention, name, names, earlier, write=write),
            _cells(retention, name, names, write=write),
            _tags(retention, name, names, write=write),
            _money(retention, name, write=write),
            _scopes(retention, name, write=write),
            _memories(retention, name, write=write),
            _statements(retention, name, write=write),
        ):
            async for step in steps:
                yield step
    async for step in _kept(retention, names, write=write):
        yield step


async def _entry_steps(
    retention: Retention, name: str, names: Names, earlier: Names, *, write: bool
) -> AsyncIterator[Step]:
    """Settled entries with a name in them; one that has an earlier name as well is counted there."""
    async for rows in _pages(retention, "named_entries", ("", ""), _quoted(name)):
        found = [(at, request_id, _without(text, names, earlier)) for at, request_id, text in rows]
        changed = [(at, request_id, without) for at, request_id, without in found if without is not None]
        if changed and write:
            async with retention.transaction() as fetch:
                for at, request_id, without in changed:
                    await fetch("put_nameless_entry", without.principal, _text(without), at, request_id)
        yield Step("entries", len(changed))


async def _intents(
    retention: Retention, name: str, names: Names, earlier: Names, *, write: bool
) -> AsyncIterator[Step]:
    changed = 0
    async with retention.transaction() as fetch:
        for _, request_id, text in await fetch("named_intents", _quoted(name)):
            without = _without(text, names, earlier)
            if without is not None:
                changed += 1
                if write:
                    await fetch("put_nameless_intent", _text(without), request_id)
    yield Step("open requests", changed)


def _without(text: str, names: Names, earlier: Names) -> Entry | None:
    """An entry without names; None where none is in it, or one of those that were looked for before."""
    entry = _entries.decode(text)
    without = nameless(entry, names)
    return None if without is entry or nameless(entry, earlier) is not entry else without


async def _cells(retention: Retention, name: str, names: Names, *, write: bool) -> AsyncIterator[Step]:
    """Move hourly sums to where nobody's stand, each with what it has come to by then."""
    async for rows in _pages(retention, "named_cells", ("",) * len(Key._fields), name):
        if write:
            async with retention.transaction() as fetch:
                for row in rows:
                    for (amounts,) in await fetch("take_cell", *row):
                        await fetch("add_cells", *nameless_key(Key(*row), names), amounts)
        yield Step("hourly sums", len(rows))


async def _tags(retention: Retention, name: str, names: Names, *, write: bool) -> AsyncIterator[Step]:
    async for rows in _pages(retention, "named_cells_by_tag", ("",) * len(TagKey._fields), name):
        if write:
            async with retention.transaction() as fetch:
                for row in rows:
                    for (amounts,) in await fetch("take_cell_by_tag", *row):
                        await fetch("add_cells_by_tag", *nameless_key(TagKey(*row), names), amounts)
        yield Step("hourly sums by tag", len(rows))


async def _money(retention: Retention, name: str, *, write: bool) -> AsyncIterator[Step]:
    """What was spent within budgets stays spent, by nobody; leases go back."""
    async with retention.transaction() as fetch:
        days = await fetch("take_spending" if write else "named_spending", name)
        for day, nano in sorted(map(tuple, days)) if write else ():
            await fetch("add_spending", _PRINCIPAL, FORGOTTEN, day, nano)
        leases = await fetch("named_leases", name)
        if write:
            await fetch("forget_named_leases", name)
    yield Step("days of budgets", len(days))
    yield Step("leases of budgets", len(leases))


async def _scopes(retention: Retention, name: str, *, write: bool) -> AsyncIterator[Step]:
    async with retention.transaction() as fetch:
        rows = await fetch("named_scopes", name, f"{name}@", f"{name}@")
        for (principal,) in rows if write else ():
            await fetch("forget_named_scope", principal)
    yield Step("scopes", len(rows))


async def _memories(retention: Retention, name: str, *, write: bool) -> AsyncIterator[Step]:
    """Conversations and their turns, and the habits of the agents that had them: these are found by them alone."""
    word, seen = f'"principal":{_quoted(name)}', set[str]()
    async for rows in _pages(retention, "named_conversations", ("",), word):
        found = {root: _conversations.decode(text) for root, text in rows}
        yield Step("conversations", len(found))
        yield await _unlearn(retention, found.values(), seen, write=write)
        if write:
            async with retention.transaction() as fetch:
                for root in found:
                    await fetch("forget_named_conversation", root)
    async for rows in _pages(retention, "named_turns", ("",), word):
        turns = {turn: _turns.decode(text).conversation for turn, text in rows}
        yield Step("turns", len(turns))
        yield await _unlearn(retention, turns.values(), seen, write=write)
        if write:
            async with retention.transaction() as fetch:
                for turn in turns:
                    await fetch("forget_keys_of_turn", turn)
                    await fetch("forget_named_turn", turn)


async def _unlearn(retention: Retention, conversations: Iterable[Conversation], seen: set[str], *, write: bool) -> Step:
    """Forget the habits behind conversations, which must still be there: they are what tells whose habits they are."""
    profiles = [each.profile for each in conversations if each.profile is not None]
    names = sorted({name for profile in profiles for name in (profile.own, profile.parent)} - seen)
    seen.update(names)
    known = 0
    async with retention.transaction() as fetch:
        for name in names:
            known += len(await fetch("forget_habits" if write else "named_habits", name))
    return Step("habits of agents", known)


async def _pages(
    retention: Retention, statement: str, key: Sequence[str], word: str
) -> AsyncIterator[Sequence[Sequence[Any]]]:
    """The rows of a statement by pages; a page begins behind the key that the page before ended with."""
    while True:
        rows = await retention.fetch(statement, *key, word, PAGE)
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        key = tuple(rows[-1])[: len(key)]


async def _statements(retention: Retention, name: str, *, write: bool) -> AsyncIterator[Step]:
    """Statements against the bill name whose keys have tokens beyond the ledger, at the end of a sentence."""
    changed, inside = 0, _quoted(name)[1:-1]
    async with retention.transaction() as fetch:
        for *key, text in await fetch("named_reconciliations", f" {inside}"):
            found = msgspec.json.decode(text)
            without = _unsaid(found, f" {name}")
            if without != found:
                changed += 1
                if write:
                    await fetch("put_nameless_reconciliation", _text(without), *key)
    yield Step("statements against the bill", changed)


async def _kept(retention: Retention, names: Names, *, write: bool) -> AsyncIterator[Step]:
    """What is kept of pruned months."""
    changed = 0
    async with retention.transaction() as fetch:
        for (text,) in await fetch("prunings"):
            pruned = _prunings.decode(text)
            without = nameless_pruned(pruned, names)
            if without != pruned:
                changed += 1
                if write:
                    await fetch("put_nameless_pruning", _text(without), pruned.month)
    yield Step("pruned months", changed)


def _unsaid(found: Any, ending: str) -> Any:  # noqa: ANN401 - JSON
    """The same JSON with the ending of its sentences replaced."""
    if isinstance(found, str):
        return f"{found.removesuffix(ending)} {FORGOTTEN}" if found.endswith(ending) else found
    if isinstance(found, dict):
        return {key: _unsaid(value, ending) for key, value in found.items()}
    return [_unsaid(each, ending) for each in found] if isinstance(found, Sequence) else found


def _quoted(name: str) -> str:
    """A name as it stands in JSON."""
    return _text(name)


def _text(value: object) -> str:
    return _encoder.encode(value).decode()
