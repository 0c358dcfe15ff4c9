"""What an operator sets is refused at once when it could only fail later, in a sentence that says what to write."""

from pathlib import Path
from typing import Any

import pytest

from planner.settings import (
    Settings,
    SettingsError,
    calibration_key_from_environment,
    environment,
    secrets_from_environment,
    sqlite_path,
)


def test_the_defaults_of_the_contract() -> None:
    """Loopback, port 8484, Anthropic's address, an embedded store, no flags."""
    settings = Settings()
    assert (settings.host, settings.port, settings.upstream) == ("127.0.0.1", 8484, "https://api.anthropic.com")
    assert (settings.store, settings.rules) == ("sqlite:///planner.db", None)
    assert (settings.observe, settings.drain, settings.open_metrics) == (False, False, False)
    assert settings.body_limit == 32 * 1024 * 1024


@pytest.mark.parametrize(
    "upstream",
    ["http://127.0.0.1:8485", "https://gateway.example/anthropic/", "http://[::1]:80", "HTTPS://API.example"],
)
def test_upstreams_that_work(upstream: str) -> None:
    """With a port, a path, or an IPv6 address."""
    assert Settings(upstream=upstream).upstream == upstream


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"upstream": ""}, "upstream '' is no http(s) address. Write it like https://api.anthropic.com."),
        ({"upstream": "api.anthropic.com"}, "is no http(s) address"),
        ({"upstream": "ftp://host"}, "is no http(s) address"),
        ({"upstream": "https://"}, "is no http(s) address"),
        ({"upstream": "http://[::1"}, "is no http(s) address"),
        ({"upstream": "http://host:99999"}, "is no http(s) address"),
        ({"upstream": "http://host:word"}, "is no http(s) address"),
        ({"upstream": "http://host:0"}, "is no http(s) address"),
        ({"upstream": "https://host/?a=b"}, "carries a query, fragment or login. Leave them out."),
        ({"upstream": "https://host/#a"}, "carries a query"),
        ({"port": -1}, "port -1 is not between 0 and 65535."),
        ({"port": 65536}, "port 65536 is not between 0 and 65535."),
        ({"connect_timeout": 0}, "connect_timeout is 0; it takes seconds, more than 0."),
        ({"idle_timeout": float("nan")}, "idle_timeout is nan"),
        ({"calibration_pause": 0}, "calibration_pause is 0; it takes seconds, more than 0."),
        ({"reload_every": -1}, "reload_every is -1; it takes seconds, more than 0."),
        ({"calibrate_every_days": -1}, "calibrate_every_days is -1; it takes days, 0 or more."),
        ({"body_limit": 0}, "body_limit is 0; it takes bytes, at least 1."),
    ],
)
def test_what_cannot_be_used(changes: dict[str, Any], sentence: str) -> None:
    """One sentence, which names the setting and the value."""
    with pytest.raises(SettingsError) as raised:
        Settings(**changes)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://planner.example",
        "http://10.0.0.1:8484/",
        "HTTP://[::1]:8484",
        "http://planner",
        "https://a-b_c.example:443",
    ],
)
def test_public_addresses_that_work(address: str) -> None:
    """Scheme and host, perhaps a port, perhaps a slash."""
    assert Settings(public_url=address).public_url == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "planner.example",
        "ftp://planner.example",
        "https://",
        "https://planner.example/path",
        "https://planner.example/?",
        "https://planner.example#a",
        "https://planner.example:0",
        "https://planner.example:99999",
        "https://planner.example:word",
        "https://[::1",
        "https://[12.example]",
        "https://pläner.example",
        "https://planner.example\n",
        " https://planner.example",
    ],
)
def test_public_addresses_that_do_not(address: str) -> None:
    """One sentence, which names the value and shows another."""
    with pytest.raises(SettingsError) as raised:
        Settings(public_url=address)
    assert str(raised.value) == (
        f"the public address {address!r} is no http(s) host and port. Write it like https://planner.example."
    )


def test_a_login_is_not_repeated() -> None:
    """The message ends in a terminal or a log."""
    with pytest.raises(SettingsError) as raised:
        Settings(upstream="https://name:secret@host")
    assert "login" in str(raised.value)
    assert "secret" not in str(raised.value)
    with pytest.raises(SettingsError) as raised:
        Settings(public_url="https://name:secret@host")
    assert "login" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty token is none; a misspelt word is refused rather than taken for closed."""
    monkeypatch.delenv("PLANNER_ADMIN_TOKEN", raising=False)
    monkeypatch.delenv("PLANNER_METRICS", raising=False)
    assert secrets_from_environment() == (None, False)
    monkeypatch.setenv("PLANNER_ADMIN_TOKEN", "")
    monkeypatch.setenv("PLANNER_METRICS", "open")
    assert secrets_from_environment() == (None, True)
    monkeypatch.setenv("PLANNER_ADMIN_TOKEN", "word")
    assert secrets_from_environment() == ("word", True)
    monkeypatch.setenv("PLANNER_METRICS", "yes")
    with pytest.raises(SettingsError, match=r"PLANNER_METRICS is 'yes'; the only value it takes is 'open'\."):
        secrets_from_environment()


def test_the_key_to_count_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from the environment alone; what cannot stand in a header is refused, and not repeated."""
    monkeypatch.delenv("PLANNER_CALIBRATION_KEY", raising=False)
    assert calibration_key_from_environment() is None
    monkeypatch.setenv("PLANNER_CALIBRATION_KEY", "sk-own")
    assert calibration_key_from_environment() == "sk-own"
    assert Settings(calibration_key="sk-own").calibration_key == "sk-own"
    for wrong in ("", "sk own", "sk-\nown", "schlüssel"):
        with pytest.raises(SettingsError, match="PLANNER_CALIBRATION_KEY is no API key") as raised:
            Settings(calibration_key=wrong)
        assert not wrong or wrong not in str(raised.value)


def test_stores() -> None:
    """Three slashes and a relative path, or four and an absolute one."""
    assert sqlite_path("sqlite:///planner.db") == Path("planner.db")
    assert sqlite_path("sqlite:////var/lib/planner.db") == Path("/var/lib/planner.db")


@pytest.mark.parametrize("store", ["", "planner.db", "sqlite:///", "sqlite://planner.db", "mysql://host/db"])
def test_stores_that_are_not_understood(store: str) -> None:
    """The sentence shows how to write one."""
    with pytest.raises(SettingsError, match=r"Write sqlite:///planner\.db"):
        sqlite_path(store)


def test_a_child_gets_the_environment_and_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given beats what is there, and this process keeps its own."""
    monkeypatch.setenv("PLANNER_TEST_WORD", "mine")
    assert environment()["PLANNER_TEST_WORD"] == "mine"
    assert environment(PLANNER_TEST_WORD="theirs")["PLANNER_TEST_WORD"] == "theirs"
    assert environment()["PLANNER_TEST_WORD"] == "mine"
