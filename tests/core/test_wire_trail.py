"""A trail is the same wherever it is read, in a stream, a message or a history, and another for whatever differs."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from planner.core.wire import Followed, follow
from planner.core.wire.trail import LONGEST

CALL: dict[str, Any] = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}}
RESULT: dict[str, Any] = {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "x"}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
ANSWERED: list[Any] = [
    {"role": "user", "content": "Run it."},
    {"role": "assistant", "content": [CALL, RESULT, {"type": "text", "text": "It ran."}]},
]
ASKED = {"role": "user", "content": "And what of it?"}
WORDS = st.text(st.characters(codec="utf-8"), max_size=40)


def said(text: str) -> dict[str, str]:
    """A text block."""
    return {"type": "text", "text": text}


def raw(messages: Sequence[Any]) -> list[Raw]:
    """Messages as a request has them."""
    return [Raw(json.dumps(message).encode()) for message in messages]


def followed(*messages: Any) -> Followed:
    """The trail of a conversation that made a call."""
    found = follow(raw(messages))
    assert found is not None
    return found


def last(content: Any, *asked: Any) -> str | None:
    """What an answer is known by, once its conversation goes on."""
    return followed(*ANSWERED, *(asked or (ASKED,)), {"role": "assistant", "content": content}, ASKED).last


def heard(blocks: Sequence[Any], size: int) -> str | None:
    """The same while it is streamed, its text in pieces."""
    trail = followed(*ANSWERED, ASKED).trail
    for index, block in enumerate(blocks):
        text = block.get("text", "")
        opened = block | ({"text": ""} if block["type"] == "text" else {})
        trail.hear(json.dumps({"type": "content_block_start", "index": index, "content_block": opened}).encode())
        for start in range(0, len(text), size):
            delta = {"type": "text_delta", "text": text[start : start + size]}
            trail.hear(json.dumps({"type": "content_block_delta", "index": index, "delta": delta}).encode())
        trail.hear(b'{"type":"content_block_stop","index":0}')
    return trail.end


@given(st.lists(WORDS, max_size=4), st.integers(1, 9), st.booleans())
def test_a_stream_a_message_and_a_history_say_the_same(texts: list[str], size: int, resumed: bool) -> None:  # noqa: FBT001 - drawn
    """However it is cut, and also where the result of an earlier call comes first."""
    blocks = [*([RESULT] if resumed else []), *map(said, texts)]
    trail = followed(*ANSWERED, ASKED).trail
    trail.copy().read(json.dumps({"content": [said("another")]}).encode())
    trail.read(json.dumps({"id": "msg_2", "content": blocks}).encode())
    assert trail.end == heard(blocks, size) == last(blocks)


def test_clients_write_an_answer_down_in_their_own_way() -> None:
    """As a string, in one block or several, with white space trimmed, without thinking, with cache breakpoints."""
    known = last([THOUGHT, said("Mild, "), said("they say.\n")])
    marked = said("Mild, they say.") | {"cache_control": {"type": "ephemeral"}, "citations": None}
    for content in ("Mild, they say.", [said("Mild, they say.")], [said("Mild,\n"), said("they say.")], [marked]):
        assert last(content) == known
    blocks = ASKED | {"content": [said("And what of it?") | {"cache_control": {"type": "ephemeral"}}]}
    assert last("Mild, they say.", blocks) == known


def test_two_answers_in_one_message_are_the_same_as_in_two() -> None:
    """A turn that paused goes on in the same message for some clients; the ids in it are those of its first half."""
    apart = followed(*ANSWERED, {"role": "assistant", "content": "Done."}, ASKED)
    whole = ANSWERED[1]["content"] + [said("Done.")]
    together = followed(ANSWERED[0], {"role": "assistant", "content": whole}, ASKED)
    paused = followed(*ANSWERED).trail
    paused.read(json.dumps({"content": [said("Done.")]}).encode())
    assert apart.last == together.last == paused.end
    assert apart.last != followed(*ANSWERED, ASKED).last


def test_a_fork_has_a_trail_of_its_own() -> None:
    """Another call, question, role, answer or result before it makes another."""
    plain = last("Done.")
    other_call = [ANSWERED[0], {"role": "assistant", "content": [CALL | {"id": "srvtoolu_2"}, RESULT, said("It ran.")]}]
    others = [
        last("Done!"),
        last([RESULT, said("Done.")]),
        last([RESULT | {"tool_use_id": "srvtoolu_0"}, said("Done.")]),
        last("Done.", {"role": "user", "content": "And what of that?"}),
        last("Done.", {"role": "system", "content": "And what of it?"}),
        last("Done.", ASKED, {"role": "assistant", "content": "Done."}, ASKED),
        followed(*other_call, ASKED, {"role": "assistant", "content": "Done."}, ASKED).last,
    ]
    assert len({plain, *others}) == len(others) + 1


def test_what_makes_a_call_is_known_by_its_id() -> None:
    """An answer that calls has no other name; the next trail begins with it."""
    trail = followed(*ANSWERED, ASKED).trail
    trail.read(json.dumps({"content": [said("Again."), CALL | {"id": "srvtoolu_2"}]}).encode())
    assert trail.end is None
    assert heard([CALL | {"type": "tool_use", "id": "toolu_2"}], 9) is None


def test_without_a_call_there_is_no_trail() -> None:
    """Nothing that was said tells one conversation from another that was said in the same words."""
    assert follow([]) is None
    assert follow(raw([ASKED, {"role": "assistant", "content": "Done."}, ASKED])) is None
    assert follow(raw([{"role": "user", "content": [CALL]}, ASKED])) is None
    talk = [ASKED, {"role": "assistant", "content": "Done."}] * (LONGEST // 2)
    assert follow(raw([*ANSWERED, *talk[1:]])) is not None
    assert follow(raw([*ANSWERED, *talk])) is None


@given(st.binary(max_size=40))
def test_what_cannot_be_read_says_nothing(data: bytes) -> None:
    """A trail never fails."""
    before = followed(*ANSWERED, ASKED).trail
    after = before.copy()
    for take in (after.hear, after.read):
        take(b"[1] " + data)
    after.read(b'{"content": [1, null, {"text": 5, "id": 7}]}')
    assert after.end == before.end
