"""Every case of the corpus reaches the upstream as it came, planned or not."""

from pathlib import Path

from tests.doubles.messages import message
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import Turn, answer
from tests.fidelity.corpus import read_cases
from tests.fidelity.judge import differences


async def script(turn: Turn) -> None:
    """Answer anything with a message, and HEAD with its head."""
    await turn.body()
    whole = answer(message(), (b"content-type", b"application/json"))
    await turn.write(whole.split(b"\r\n\r\n")[0] + b"\r\n\r\n" if turn.request.method == b"HEAD" else whole)


def test_identity(tmp_path: Path) -> None:
    """The judge finds no difference, and the answer says that there is none."""
    wrong: list[str] = []
    modes: list[tuple[bytes, ...]] = [(), (b"planner-mode: off",)]

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            for case in read_cases():
                for mode in modes:
                    async with proxy.client() as client:
                        got = await client.ask(case.wire(*mode), head_only=case.method == "HEAD")
                    if got.status != 200 or got.value(b"planner-body") != b"unchanged":
                        wrong.append(f"{case.name}: {got.status} {got.body[:200]!r}")
                        continue
                    sent = (case.method, case.expected_target, case.fields, case.body or b"")
                    wrong.extend(f"{case.name}: {text}" for text in differences(sent, proxy.upstream.requests.pop()))
            assert not wrong, "\n".join(wrong)
            entries = await proxy.entries(len(modes) * len(read_cases()))
            assert {entry.outcome for entry in entries} == {"ok"}

    run(scenario())
