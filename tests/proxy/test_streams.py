"""A stream through real sockets is byte-identical at every split, and metered the same."""

import random
from pathlib import Path

import pytest

from tests.doubles.client import request
from tests.doubles.messages import ASKED, COST_NANO, SSE_END, SSE_HEAD, event, events
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import Turn, chunk

PLAIN = b"".join(events(text="héllo, 世界 😀"))
NOISE = b": a comment\n\nretry: 3\nid: 9\n\ndata: not json\n\nevent: ping\ndata: {}\n\n"
ODD = event("brand_new", x={"a": [1]}) + NOISE
VARIANTS = {
    "plain": PLAIN,
    "crlf": PLAIN.replace(b"\n", b"\r\n"),
    "cr": PLAIN.replace(b"\n", b"\r"),
    "bom": b"\xef\xbb\xbf" + PLAIN,
    "unknown": ODD + ODD.join(events()) + ODD,
    "escaped": "".join(piece.decode().replace("hi", "\\u0068\\ud83d\\ude00") for piece in events()).encode(),
    "large": b"".join(events(text="é" * 300_000)),
}


def split(data: bytes, chance: random.Random) -> list[bytes]:
    """Cut data into a few hundred pieces at most, many of them single bytes."""
    pieces = []
    while data:
        size = chance.choice([1, 1, 2, 3, 7, 50, 1_000, 70_000, max(len(data) // 100, 1)])
        pieces.append(data[:size])
        data = data[size:]
    return pieces


@pytest.mark.parametrize("name", VARIANTS)
def test_seeded_splits(tmp_path: Path, name: str) -> None:
    """Chunks and writes cut anywhere, across line ends and characters: the same bytes, the same money."""
    chance = random.Random(name)  # noqa: S311 - a seed, no secret
    data, rounds = VARIANTS[name], 8

    async def script(turn: Turn) -> None:
        await turn.body()
        framed = b"".join(map(chunk, split(data, chance))) + SSE_END
        await turn.write(SSE_HEAD)
        for piece in split(framed, chance):
            await turn.write(piece)

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            for _ in range(rounds):
                assert (await client.ask(request(body=ASKED))).body == data
            entries = await proxy.entries(rounds)
            assert {(entry.outcome, entry.cost_nano) for entry in entries} == {("ok", COST_NANO)}

    run(scenario())
