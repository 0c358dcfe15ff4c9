"""The one module that reads the environment: what an operator sets is read once and passed on as a value."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

DEFAULT_UPSTREAM = "https://api.anthropic.com"
DEFAULT_STORE = "sqlite:///planner.db"
DEFAULT_PORT = 8484
PUBLIC_EXAMPLE = "https://planner.example"
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?/?", re.IGNORECASE)

# Where Anthropic answers 413: https://platform.claude.com/docs/en/api/errors#request-size-limits, checked 2026-11-22.
MESSAGES_LIMIT = 32 * 1024 * 1024


class SettingsError(Exception):
    """A setting that cannot be used; the message says which, and what to write instead."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one proxy process is told by its operator.

    `overrides` are `key=value` pairs that beat `rules/settings.yaml`; times are seconds, sizes bytes. `public_url` is
    the planner's own address as callers see it; without it, it is known to callers on this machine alone.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    upstream: str = DEFAULT_UPSTREAM
    public_url: str | None = None
    store: str = DEFAULT_STORE
    journal: Path | None = None
    rules: Path | None = None
    overrides: tuple[str, ...] = ()
    observe: bool = False
    drain: bool = False
    admin_token: str | None = None
    calibration_key: str | None = None
    open_metrics: bool = False
    connect_timeout: float = 10.0
    idle_timeout: float = 600.0
    decide_timeout: float = 0.025
    calibrate_every_days: float = 7.0
    calibration_pause: float = 5.0
    reload_every: float = 5.0
    body_limit: int = MESSAGES_LIMIT

    def __post_init__(self) -> None:
        """Refuse what could only fail later, in front of a request."""
        no_address = f"upstream {self.upstream!r} is no http(s) address. Write it like {DEFAULT_UPSTREAM}."
        try:
            parts = urlsplit(self.upstream)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError as error:  # brackets without an address between them, or a port that is none
            raise SettingsError(no_address) from error
        if parts.username is not None or parts.query or parts.fragment:  # a login is not repeated in the message
            raise SettingsError("the upstream address carries a query, fragment or login. Leave them out.")
        if not usable:
            raise SettingsError(no_address)
        _check_public(self.public_url)
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port {self.port} is not between 0 and 65535.")
        for name in ("connect_timeout", "idle_timeout", "decide_timeout", "calibration_pause", "reload_every"):
            value: float = getattr(self, name)
            if not value > 0:
                raise SettingsError(f"{name} is {value}; it takes seconds, more than 0.")
        if not self.calibrate_every_days >= 0:
            raise SettingsError(f"calibrate_every_days is {self.calibrate_every_days}; it takes days, 0 or more.")
        if self.calibration_key is not None and not _is_token(self.calibration_key):  # it is not repeated either
            raise SettingsError("PLANNER_CALIBRATION_KEY is no API key: it takes visible ASCII characters, no blanks.")
        if self.body_limit < 1:
            raise SettingsError(f"body_limit is {self.body_limit}; it takes bytes, at least 1.")


def secrets_from_environment() -> tuple[str | None, bool]:
    """The admin token (PLANNER_ADMIN_TOKEN) and whether scraping is open (PLANNER_METRICS=open).

    They are read here and not taken as flags: a flag shows in the process list.
    """
    token = os.environ.get("PLANNER_ADMIN_TOKEN") or None  # noqa: TID251 - the one place
    metrics = os.environ.get("PLANNER_METRICS", "")  # noqa: TID251 - the one place
    if metrics not in {"", "open"}:
        raise SettingsError(f"PLANNER_METRICS is {metrics!r}; the only value it takes is 'open'.")
    return token, metrics == "open"


def calibration_key_from_environment() -> str | None:
    """The key to count tokens with (PLANNER_CALIBRATION_KEY), never a caller's; None for not counting."""
    return os.environ.get("PLANNER_CALIBRATION_KEY") or None  # noqa: TID251 - the one place


def environment(**more: str) -> dict[str, str]:
    """The environment for a process that is started from here, with some variables set."""
    return {**os.environ, **more}  # noqa: TID251 - the one place


def admin_key_from_environment() -> str | None:
    """The organization's admin key (PLANNER_ADMIN_KEY), for the bill and usage APIs alone; None where there is none.

    Raises SettingsError for what can be no key; it is not repeated.
    """
    key = os.environ.get("PLANNER_ADMIN_KEY") or None  # noqa: TID251 - the one place
    if key is not None and not _is_token(key):
        raise SettingsError("PLANNER_ADMIN_KEY is no API key: it takes visible ASCII characters, no blanks.")
    return key


def sqlite_path(store: str) -> Path:
    """The file that a `sqlite:///path` store names; `sqlite:////abs` is absolute. Raises SettingsError."""
    prefix = "sqlite:///"
    if not store.startswith(prefix) or len(store) == len(prefix):
        raise SettingsError(f"store {store!r} is not understood. Write sqlite:///planner.db or postgresql://….")
    return Path(store.removeprefix(prefix))


def _check_public(address: str | None) -> None:
    """Refuse a public address that is more or less than scheme, host and perhaps a port; a login is not repeated."""
    try:
        if address is None or (_ORIGIN.fullmatch(address) is not None and urlsplit(address).port != 0):
            return
        told = "with a login" if "@" in address else repr(address)
    except ValueError:  # brackets without an address between them, or a port that is none
        told = repr(address)
    raise SettingsError(f"the public address {told} is no http(s) host and port. Write it like {PUBLIC_EXAMPLE}.")


def _is_token(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text and bool(text)
