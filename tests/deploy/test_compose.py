"""The compose file is one, and what it names is there: images, files, commands, variables, ports."""

import hashlib
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

import click
import jsonschema_rs
import msgspec
import pytest
from ruamel.yaml import YAML

from planner.cli import main
from planner.settings import DEFAULT_PORT
from tests.doubles.compose import DEPLOY, UnsetError, interpolated, mounts, names, raw, services

ROOT: Final = DEPLOY.parent
SPECIFICATION: Final = Path(__file__).parent / "compose-spec"
SECRETS: Final = {
    "PLANNER_ADMIN_TOKEN": "a-token",
    "POSTGRES_PASSWORD": "owner",
    "GRAFANA_LEDGER_PASSWORD": "reader",
    "GRAFANA_ADMIN_PASSWORD": "admin",
}
SERVICES: Final = services(SECRETS)
EACH: Final = pytest.mark.parametrize("name", SERVICES)
OURS: Final = ("planner", "simulator")
DOCKERFILE: Final = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Validator:
    """The specification's schema."""
    return jsonschema_rs.validator_for(msgspec.json.decode((SPECIFICATION / "compose-spec.json").read_bytes()))


def test_the_schema_is_the_one_that_is_named() -> None:
    """A copy, byte for byte, of the commit that its README names."""
    digest = hashlib.sha256((SPECIFICATION / "compose-spec.json").read_bytes()).hexdigest()
    assert digest == "1f91e091f16b2dd50ab8860e02bb391d22df553d91c145eacedb1b6eff9c3f0e"


def test_the_file_keeps_the_specification(schema: jsonschema_rs.Validator) -> None:
    """As it is written, and with its variables replaced."""
    for written in (raw(), interpolated(raw(), SECRETS)):
        assert [f"{list(error.instance_path)}: {error.message}" for error in schema.iter_errors(written)] == []


@pytest.mark.parametrize(
    "broken",
    [
        {"comand": ["serve"]},
        {"healthcheck": {"tests": ["CMD"]}},
        {"depends_on": {"postgres": {"condition": "service_up"}}},
        {"volumes": [{"type": "bind", "from": "."}]},
    ],
)
def test_a_word_that_is_none_is_found(schema: jsonschema_rs.Validator, broken: dict[str, Any]) -> None:
    """Lest the schema take everything."""
    written = raw()
    written["services"]["planner"] |= broken
    assert not schema.is_valid(written)


def test_the_services() -> None:
    """Proxy, store, metrics and pages; the simulator only where it is asked for."""
    assert set(SERVICES) == {"planner", "postgres", "prometheus", "grafana", "simulator"}
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"simulator"}


@EACH
def test_images_are_pinned(name: str) -> None:
    """By a version's tag, or made here."""
    image = SERVICES[name]["image"]
    assert re.fullmatch(r"[a-z/]+:v?\d+(\.\d+)+", image) or (image.endswith(":local") and name in OURS)
    assert ("build" in SERVICES[name]) == (name in OURS)


@EACH
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    """Whoever opens them to others does it on purpose."""
    ports = SERVICES[name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)


@EACH
def test_files_that_are_mounted_are_there(name: str) -> None:
    """And nobody can change them from inside; volumes are declared."""
    for target, source in mounts(SERVICES[name]).items():
        if isinstance(source, Path):
            assert source.exists(), source
            assert any(each.endswith(f":{target}:ro") for each in SERVICES[name]["volumes"])
        else:
            assert source in raw()["volumes"]


@pytest.mark.parametrize("missing", SECRETS)
def test_a_secret_that_is_missing_is_said(missing: str) -> None:
    """Nothing starts with an empty password."""
    for environment in ({name: word for name, word in SECRETS.items() if name != missing}, SECRETS | {missing: ""}):
        with pytest.raises(UnsetError, match=f"^{missing}: set it in deploy/.env$"):
            services(environment)


def test_the_example_names_every_variable() -> None:
    """Those that must be set, empty; the others as they are without it."""
    lines = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    told = dict(line.removeprefix("# ").split("=", 1) for line in lines if re.match(r"(# )?[A-Z_]+=", line))
    assert set(told) == names()
    assert {name for name, word in told.items() if not word} == set(SECRETS)
    kept = services(SECRETS | {name: word for name, word in told.items() if word})
    assert kept == SERVICES


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_commands_that_are_there(name: str) -> None:
    """With flags and variables that they know, on the ports that are published."""
    word, *flags = SERVICES[name]["command"]
    assert isinstance(main, click.Group)
    command = main.get_command(click.Context(main), word)
    assert command is not None
    assert {flag for flag in flags if flag.startswith("--")} <= {flag for each in command.params for flag in each.opts}
    known = {each.envvar for each in command.params} | {"PLANNER_ADMIN_TOKEN", "PLANNER_METRICS"}
    assert set(SERVICES[name].get("environment", {})) <= known
    port = next(each.default for each in command.params if each.name == "port")
    assert SERVICES[name]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_everybody_finds_everybody() -> None:
    """Names, ports, users, databases and secrets are the same on both ends."""
    sources = YAML(typ="safe").load(ROOT / "grafana/provisioning/datasources/planner.yaml")["datasources"]
    metrics, ledger = sources
    assert metrics["url"] == "http://prometheus:9090"
    assert SERVICES["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]
    assert ledger["url"] == "postgres:5432"
    assert ledger["jsonData"]["database"] == SERVICES["postgres"]["environment"]["POSTGRES_DB"]
    assert SERVICES["planner"]["environment"]["PLANNER_STORE"] == "postgresql://planner:owner@postgres:5432/planner"
    assert "GRAFANA_LEDGER_PASSWORD" in SERVICES["grafana"]["environment"]
    assert "GRAFANA_LEDGER_PASSWORD" in SERVICES["postgres"]["environment"]
    (provider,) = YAML(typ="safe").load(ROOT / "grafana/provisioning/dashboards/planner.yaml")["providers"]
    assert mounts(SERVICES["grafana"])[provider["options"]["path"]] == ROOT / "grafana/dashboards"
    (scrape,) = YAML(typ="safe").load(DEPLOY / "prometheus/prometheus.yaml")["scrape_configs"]
    assert (scrape["job_name"], scrape["dns_sd_configs"][0]["names"]) == ("planner", ["planner"])
    assert scrape["dns_sd_configs"][0]["port"] == DEFAULT_PORT
    (secret,) = SERVICES["prometheus"]["secrets"]
    assert scrape["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert raw()["secrets"][secret] == {"environment": "PLANNER_ADMIN_TOKEN"}


def test_the_proxy_is_called_what_its_agents_call_it() -> None:
    """By default the port that is published on this machine; an empty variable names nothing."""
    (published,) = SERVICES["planner"]["ports"]
    host, port, _ = published.split(":")
    assert SERVICES["planner"]["environment"]["PLANNER_PUBLIC_URL"] == f"http://{host}:{port}"
    assert services(SECRETS | {"PLANNER_PUBLIC_URL": ""})["planner"]["environment"]["PLANNER_PUBLIC_URL"] == ""


def test_the_proxy_begins_by_observing() -> None:
    """Whoever starts it has not looked yet; an empty variable lets it work."""
    assert SERVICES["planner"]["environment"]["PLANNER_OBSERVE"] == "1"
    assert services(SECRETS | {"PLANNER_OBSERVE": ""})["planner"]["environment"]["PLANNER_OBSERVE"] == ""


def copied() -> list[str]:
    """What the image takes from the context."""
    lines = [shlex.split(line) for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    return [source for _, *sources, _ in lines if not sources[0].startswith("--from") for source in sources]


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    """The context holds that, and nothing else of the repository."""
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied())
    assert all((ROOT / source).exists() for source in copied())


def test_what_the_image_copies_makes_the_package(tmp_path: Path) -> None:
    """Built without anything else of the repository, by the backend that is pinned; its rules are inside."""
    context = tmp_path / "context"
    for source in copied():
        (context / source).parent.mkdir(parents=True, exist_ok=True)
        (context / source).symlink_to(ROOT / source)
    built = tmp_path / "built"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(build, cwd=context, check=True, capture_output=True)
    (wheel,) = built.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        assert {"planner/cli/serve.py", "planner/stores/sql/rollups.sql", "planner/rules/catalog.yaml"} <= set(
            archive.namelist()
        )


def test_the_image_runs_the_planner() -> None:
    """As nobody in particular, with what is pinned by hash."""
    assert "--require-hashes -r requirements/image.txt" in DOCKERFILE
    assert 'ENTRYPOINT ["planner"]' in DOCKERFILE
    assert DOCKERFILE.index("\nUSER planner\n") < DOCKERFILE.index("ENTRYPOINT")
    (default,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert msgspec.json.decode(default) == SERVICES["planner"]["command"]
    homes = re.findall(r"^(?:WORKDIR|RUN useradd .*--home-dir) (\S+)", DOCKERFILE, re.MULTILINE)
    assert mounts(SERVICES["planner"])["/var/lib/planner"] == "journal"
    assert homes[-1] == "/var/lib/planner"
