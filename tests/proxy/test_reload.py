"""Rules change while requests run: whole or not at all, and nothing that is wrong with them reaches a request."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner import log as logs
from planner.clock import VirtualClock
from planner.compiling import CompileError
from planner.core.rulebook.book import RuleBook
from planner.lastgood import LastGood
from planner.metrics import Metrics
from planner.proxy.inforce import InForce
from planner.proxy.reload import MOST_FINDINGS, Reload
from planner.rulesource import Rules, Source, Watched
from planner.tasks import Tasks
from tests.doubles.proxy import run, settled
from tests.doubles.stored import START
from tests.doubles.volume import BROKEN, Volume, version, without

EVERY = 0.005


class Watching:
    """A watch over a directory, which begins with what is there; `look` is two looks in a row."""

    def __init__(self, directory: Path, source: Source, **changes: Any) -> None:
        looked = source.look()
        self.watched = Watched(source=source, files=looked.files, seen=looked.digest, own=looked.own, **changes)
        self.first = source.compile(looked.files).required()
        self.said, self.metrics = io.StringIO(), Metrics()
        self.in_force = InForce(self.first, VirtualClock(START))
        self.last_good = LastGood(directory / "planner.db")
        self.reload = Reload(
            self.watched,
            self.in_force,
            self.last_good,
            metrics=self.metrics,
            log=logs.build(self.said),
            every=EVERY,
            compiled=lambda source, files: source.compile(files),  # in this process, which is quicker
        )

    async def look(self) -> RuleBook:
        """What is in force once a change that is there has been seen twice."""
        for _ in range(2):
            await self.reload.look()
        return self.in_force.book

    def state(self) -> tuple[float, float, bool]:
        """Reloads that went well, those that did not, and whether the rules say something else by now."""
        values = self.metrics.reloads.values
        return values["ok",], values["error",], self.in_force.stale

    @property
    def log(self) -> list[dict[str, Any]]:
        """What was logged."""
        return [json.loads(line) for line in self.said.getvalue().splitlines()]


def watching(directory: Path, **overrides: str) -> tuple[Watching, Volume]:
    """A watch over a volume, with settings of `--set`."""
    volume = Volume(directory / "rules")
    volume.publish(version(0))
    return Watching(directory, Source(volume.directory, {"free_hours.limit": "7"} | overrides)), volume


def other(number: int) -> str:
    """Policies that stand beside those of a version."""
    return version(number)["policies/ours.yaml"].replace("bundle: never", "container: never")


def test_a_volume_that_is_exchanged(tmp_path: Path) -> None:
    """The new rules are in force, under the settings of the command line, counted and logged once."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        assert await here.look() is here.first
        assert here.state() == (0, 0, False)
        volume.publish(version(1))
        book = await here.look()
        assert [policy.name for policy in book.policies] == ["version-1"]
        assert book.settings.free_hours.limit == 7
        assert await here.look() is book
        assert here.state() == (1, 0, False)
        (line,) = here.log
        assert (line["event"], line["rules"], line["prices"]) == ("rules reloaded", book.digest, book.prices.digest)

    run(scenario())


def test_files_that_come_and_go(tmp_path: Path) -> None:
    """One that is added belongs to its kind, and a kind that is added takes the place of the shipped one."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        volume.publish({**without("policies"), "policies/a.yaml": version(2)["policies/ours.yaml"]})
        assert [policy.name for policy in (await here.look()).policies] == ["version-2"]
        both = {"policies/a.yaml": version(2)["policies/ours.yaml"], "policies/b.yaml": other(3)}
        volume.publish({**without("policies"), "settings.yaml": "settings: {}\n"} | both)
        assert [policy.name for policy in (await here.look()).policies] == ["version-2", "version-3"]
        assert here.state() == (2, 0, False)

    run(scenario())


def test_a_kind_that_is_gone_is_refused_until_a_restart(tmp_path: Path) -> None:
    """A folder that was renamed or forgotten must not bring the shipped policies in, and with them an end to a deny."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        volume.publish(without("policies"))
        assert [policy.name for policy in (await here.look()).policies] == ["version-0"]
        assert here.state() == (0, 1, True)
        (finding,) = here.log[-1]["findings"]
        assert finding.startswith("policies: all files of this kind are gone")
        volume.publish(version(1))
        assert [policy.name for policy in (await here.look()).policies] == ["version-1"]
        assert here.state() == (1, 1, False)
        volume.publish(without("policies"))
        begun = Watching(tmp_path, Source(volume.directory))
        assert "shipped-bundle" in [policy.name for policy in begun.first.policies]

    run(scenario())


def test_a_renamed_folder_is_refused(tmp_path: Path) -> None:
    """At the start too: what is in it looks like rules, and nobody would read it."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        volume.publish({**without("policies"), "policy/ours.yaml": version(1)["policies/ours.yaml"]})
        assert [policy.name for policy in (await here.look()).policies] == ["version-0"]
        assert here.state() == (0, 1, True)
        assert 'Did you mean "policies/ours.yaml"?' in str(here.log[-1]["findings"])

    run(scenario())


def test_the_shipped_rules_are_watched_where_they_are_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a directory, whoever replaces them is heard."""
    shipped = tmp_path / "shipped"
    volume = Volume(shipped)
    whole = {path: content.decode() for path, content in Source().look().files.items()}
    volume.publish(whole)
    monkeypatch.setattr("planner.rulesource.shipped_directory", lambda: shipped)

    async def scenario() -> None:
        here = Watching(tmp_path, Source())
        volume.publish(whole | {"policies/shipped.yaml": version(1)["policies/ours.yaml"]})
        assert [policy.name for policy in (await here.look()).policies] == ["version-1"]

    run(scenario())


def test_a_broken_edit_changes_nothing_and_is_said_once(tmp_path: Path) -> None:
    """With its findings as `planner rules check` prints them; mended, the rules are taken."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        await here.reload.begin()
        volume.publish(BROKEN)
        for _ in range(3):
            assert await here.look() is here.first
        assert here.state() == (0, 1, True)
        (line,) = here.log
        assert (line["event"], line["level"], line["in_force"]) == ("rules refused", "error", here.first.digest)
        findings = here.watched.source.compile(here.watched.source.look().files).findings
        assert line["findings"] == [finding.text() for finding in findings] != []
        assert f"{volume.directory}/policies/ours.yaml:3:11: " in line["findings"][1]
        kept = here.last_good.files(volume.directory)
        assert kept is not None
        assert kept["policies/ours.yaml"].decode() == version(0)["policies/ours.yaml"]
        volume.publish(version(1))
        assert [policy.name for policy in (await here.look()).policies] == ["version-1"]
        assert here.state() == (1, 1, False)

    run(scenario())


def test_an_edit_that_is_taken_back(tmp_path: Path) -> None:
    """The rules are what they were, and as old."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        volume.publish(BROKEN)
        await here.look()
        volume.publish(version(0))
        assert (await here.look()).digest == here.first.digest
        assert here.state() == (1, 1, False)

    run(scenario())


def test_a_setting_of_the_command_line_that_no_longer_holds(tmp_path: Path) -> None:
    """It is a finding of the reload, for the catalog that it rests on was edited."""

    async def scenario() -> None:
        here, volume = watching(tmp_path, **{"tool_tokens.web_fetch_20260318": "40"})
        catalog = here.watched.files["catalog.yaml"].decode().replace("web_fetch_20260318", "web_fetch_20260399")
        volume.publish(version(0) | {"catalog.yaml": catalog})
        assert await here.look() is here.first
        assert any(finding.startswith("--set:") for finding in here.log[0]["findings"])

    run(scenario())


def test_what_is_still_being_written_is_not_taken(tmp_path: Path) -> None:
    """Half a file can be a valid one: only what two looks in a row find the same counts."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        whole = version(1)["policies/ours.yaml"] + other(2).partition("\n")[2]
        for cut in (whole[:9], whole.partition("  - name: version-2")[0], whole[:-9], whole):
            volume.publish(version(1) | {"policies/ours.yaml": cut})
            await here.reload.look()
            assert (here.in_force.book, here.state()) == (here.first, (0, 0, False))
        await here.reload.look()
        assert [policy.name for policy in here.in_force.book.policies] == ["version-1", "version-2"]
        assert here.state() == (1, 0, False)

    run(scenario())


def lost_directory(directory: Path) -> None:
    """The volume is gone."""
    directory.rename(directory.with_name("elsewhere"))


def lost_data(directory: Path) -> None:
    """Every link of the volume leads nowhere."""
    (directory / "..data").unlink()


def circle(directory: Path) -> None:
    """A file that cannot be read, by whomever."""
    (directory / "settings.yaml").symlink_to("settings.yaml")


def no_folder(directory: Path) -> None:
    """A file stands where a folder belongs."""
    (directory / "policies").unlink()
    (directory / "policies").write_text("")


@pytest.mark.parametrize("spoil", [lost_directory, lost_data, circle, no_folder])
def test_rules_that_cannot_be_read(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """The book stays, the failure is counted and logged once; when they are back, the watch goes on."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        spoil(volume.directory)
        for _ in range(3):
            assert await here.look() is here.first
        assert here.state() == (0, 1, True)
        assert str(volume.directory) in here.log[0]["findings"][0]
        shutil.rmtree(volume.directory, ignore_errors=True)
        Volume(volume.directory).publish(version(1))
        assert [policy.name for policy in (await here.look()).policies] == ["version-1"]

    run(scenario())


def test_a_trouble_of_a_moment_is_none(tmp_path: Path) -> None:
    """A link that was gone at one look and is there at the next."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        data = volume.directory / "..data"
        leads = data.readlink()
        data.unlink()
        await here.reload.look()
        data.symlink_to(leads)
        await here.look()
        assert (here.state(), here.log) == ((0, 0, False), [])

    run(scenario())


@pytest.mark.parametrize("what", ["look", "compile"])
def test_a_bug_ends_no_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """It is counted by its kind, and nothing of the rules is in the log."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)

        def fails(*_: object) -> None:
            raise ZeroDivisionError("a secret")

        volume.publish(version(1))
        with monkeypatch.context() as patch:
            patch.setattr(Source, what, fails)
            for _ in range(3):
                assert await here.look() is here.first
        assert here.state() == (0, 1, True)
        assert "ZeroDivisionError" in here.said.getvalue()
        assert "secret" not in here.said.getvalue()
        volume.publish(version(2))
        assert await here.look() is not here.first

    run(scenario())


def test_a_log_line_is_bounded(tmp_path: Path) -> None:
    """However many problems there are; it says how many more."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        volume.publish({"settings.yaml": "settings:\n" + "".join(f"  unknown_{n}: 1\n" for n in range(150))})
        await here.look()
        (line,) = here.log
        assert len(line["findings"]) == MOST_FINDINGS
        assert line["left_out"] >= 50

    run(scenario())


def test_what_is_in_force_is_kept_for_a_restart(tmp_path: Path) -> None:
    """From the start on, and with every change; where the disk takes nothing, the rules hold all the same."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        await here.reload.begin()
        assert here.last_good.files(volume.directory) == here.watched.source.look().files
        volume.publish(version(1))
        await here.look()
        assert here.last_good.files(volume.directory) == here.watched.source.look().files
        (tmp_path / "planner.db.rules.json.new").mkdir()
        volume.publish(version(2))
        assert [policy.name for policy in (await here.look()).policies] == ["version-2"]
        assert here.state() == (2, 0, False)
        assert here.log[-1]["event"] == "rules not kept for a restart"

    run(scenario())


def test_a_start_with_the_last_good_rules_is_a_failure(tmp_path: Path) -> None:
    """Counted and logged as one of a reload; what was kept is not replaced, and the rules may be mended."""

    async def scenario() -> None:
        _, volume = watching(tmp_path)
        here = Watching(tmp_path, Source(volume.directory), refused=("callers.yaml:1:1: broken",))
        await here.reload.begin()
        assert here.state() == (0, 1, True)
        assert not here.last_good.path.exists()
        assert here.log[0]["findings"] == ["callers.yaml:1:1: broken"]
        await here.look()
        assert here.state() == (0, 1, True), "it is known already"
        volume.publish(version(1))
        await here.look()
        assert here.state() == (1, 1, False)

    run(scenario())


def test_what_could_not_be_compiled_is_tried_again_when_asked(tmp_path: Path) -> None:
    """It says nothing of the rules; whoever wakes the watch has the reason out of the way."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        compiled = here.reload._compiled  # noqa: SLF001 - a machine without room for one more process

        def fails(*_: object) -> Rules:
            raise CompileError("there is no process to compile the rules in: Cannot allocate memory")

        here.reload._compiled = fails  # noqa: SLF001 - as above
        volume.publish(version(1))
        for _ in range(3):
            assert await here.look() is here.first
        assert here.state() == (0, 1, True)
        assert here.log[0]["findings"] == ["there is no process to compile the rules in: Cannot allocate memory"]
        here.reload._compiled = compiled  # noqa: SLF001 - as above
        assert await here.look() is here.first
        here.reload.wake()
        assert [policy.name for policy in (await here.look()).policies] == ["version-1"]
        assert here.state() == (1, 1, False)

    run(scenario())


def test_the_watch_can_be_woken(tmp_path: Path) -> None:
    """Once a change was announced, it is not waited for; the second look comes by itself."""

    async def scenario() -> None:
        here, volume = watching(tmp_path)
        here.reload._every = 3_600.0  # noqa: SLF001 - nobody waits for the next look
        tasks = Tasks(lambda *_: None)
        tasks.start("reload", here.reload.run())
        volume.publish(version(1))
        here.reload.wake()
        await settled(lambda: here.state() == (1, 0, False))
        await tasks.close()

    run(scenario())
