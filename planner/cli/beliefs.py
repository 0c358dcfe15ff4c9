"""What a ledger has learnt for a plan to rest on, and how the source of a number is told to people."""

import asyncio
from datetime import datetime

import msgspec
import rich_click as click

from planner.cli.options import USAGE, fail
from planner.core.learning.profile import Profiles
from planner.core.learning.sizes import LearntScale, LearntSize, Sizes
from planner.core.preview.beliefs import Believed
from planner.core.records import Learnt
from planner.opening import is_shared, read_store
from planner.settings import DEFAULT_STORE, SettingsError, sqlite_path
from planner.stores import Metered, StoreError


class Known(msgspec.Struct, frozen=True):
    """What a ledger has learnt: of edits, of agents, and of the hours that count against the free ones."""

    sizes: Sizes
    profiles: Profiles
    hours: tuple[Metered, ...] = ()


def learnt_in(store: str, since: datetime) -> Known:
    """What a ledger has learnt, hours from a moment on; without a ledger, or in one that is too old for it, nothing."""
    known = Known(Sizes(), Profiles())
    try:
        path = None if is_shared(store) else sqlite_path(store)
    except SettingsError as error:
        fail(str(error), USAGE)
    there = path is None or path.is_file()
    if not there and store != DEFAULT_STORE:
        click.echo(f"planner: there is no ledger {path}, so nothing of it is known", err=True)
    if there:
        try:
            learnt, hours = asyncio.run(_read(store, since))
        except StoreError as error:
            name = "the ledger" if path is None else path
            click.echo(f"planner: what {name} has learnt is left out: {error}", err=True)
            return known
        for each in learnt:
            if isinstance(each, LearntSize | LearntScale):
                known.sizes.restore((each,))
            else:
                known.profiles.restore(each)
        known = msgspec.structs.replace(known, hours=tuple(hours))
    return known


async def _read(address: str, since: datetime) -> tuple[tuple[Learnt, ...], list[Metered]]:
    store = await read_store(address)
    try:
        return (await store.learnt()).learnt, await store.hours(since.isoformat(timespec="microseconds"))
    finally:
        await store.close()


def dated(each: Believed) -> str:
    """The source of a number, and its age where it has one."""
    if each.at is None or each.age_days is None:
        return each.source
    days = "today" if each.age_days < 1 else "1 day old" if each.age_days == 1 else f"{each.age_days} days old"
    return f"{each.source}, {each.at[:10]} ({days})"
