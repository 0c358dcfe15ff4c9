"""What a planner inside another program is told, checked at once: whatever is wrong is said where it is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from planner.core.rulebook.book import RuleBook
from planner.lastgood import LastGood, LastGoodError
from planner.opening import beside, is_shared
from planner.rulesource import Source, Watched
from planner.settings import Settings, SettingsError

PATHS: Final = str | Path | None


class Told(msgspec.Struct, frozen=True):
    """What a planner begins with: its settings, its rule book, and where that is watched."""

    settings: Settings
    book: RuleBook
    watched: Watched


def begin(  # noqa: PLR0913 - what a planner is told, named
    *,
    store: str,
    rules: str | Path | None,
    journal: str | Path | None,
    observe: bool,
    drain: bool,
    settings: Mapping[str, str],
    decide_timeout: float,
) -> Told:
    """Check it. Raises SettingsError for what cannot be used, RulesError for rules that make no rule book."""
    if not isinstance(store, str):
        raise SettingsError(f"store takes an address such as sqlite:///planner.db, not {store!r}.")
    for name, path in (("rules", rules), ("journal", journal)):
        if not isinstance(path, PATHS):
            raise SettingsError(f"{name} takes the path of a directory, not {path!r}.")
    for name, flag in (("observe", observe), ("drain", drain)):
        if not isinstance(flag, bool):
            raise SettingsError(f"{name} takes True or False, not {flag!r}.")
    if not isinstance(decide_timeout, int | float):
        raise SettingsError(f"decide_timeout takes seconds, not {decide_timeout!r}.")
    if not _are_texts(settings):
        raise SettingsError('settings takes texts by name, such as {"free_hours.limit": "0"}.')
    is_shared(store)
    kept = None if journal is None else Path(journal)
    told = Settings(
        store=store,
        journal=kept,
        rules=None if rules is None else Path(rules),
        overrides=tuple(f"{name}={value}" for name, value in settings.items()),
        observe=observe,
        drain=drain,
        decide_timeout=decide_timeout,
    )
    book, watched = _rules(Source(told.rules, dict(settings)), LastGood(beside(store, kept)))
    return Told(told, book, watched)


def _are_texts(settings: object) -> bool:
    return isinstance(settings, Mapping) and all(isinstance(each, str) for pair in settings.items() for each in pair)


def _rules(source: Source, last_good: LastGood) -> tuple[RuleBook, Watched]:
    """What the source says, or else what was in force last. Raises SettingsError, RulesError."""
    looked = source.look()
    found = source.compile(looked.files) if looked.trouble is None else None
    if found is not None and found.book is not None:
        return found.book, Watched(source=source, files=looked.files, seen=looked.digest, own=looked.own)
    try:
        files = last_good.files(source.directory)
    except LastGoodError:
        files = None
    kept = None if files is None else source.compile(files)
    if kept is not None and kept.book is not None:
        refused = (looked.trouble or "",) if found is None else tuple(each.text() for each in found.findings)
        own = Watched(source=source, files=kept.files, seen=looked.digest, own=looked.own, refused=refused)
        return kept.book, own
    if found is None:
        raise SettingsError(f"the rules cannot be read: {looked.trouble}")
    return found.required(), Watched(source=source, files=looked.files, seen=looked.digest)
