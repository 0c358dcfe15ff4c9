"""A shape is small: what is usual is left out of its JSON, and it comes back as it was."""

import msgspec

from planner.core.ledger.shape import Claims, Shape, ToolShape

USUAL = Shape(conversation="c", prefix="p", prompt_tokens=7)


def test_what_is_usual_takes_no_room() -> None:
    """A ledger has one in each entry."""
    assert msgspec.json.encode(USUAL) == b'{"conversation":"c","prefix":"p","prompt_tokens":7}'
    assert msgspec.json.encode(ToolShape(type="custom")) == b'{"type":"custom"}'


def test_it_survives_json() -> None:
    """Every member of it."""
    full = msgspec.structs.replace(
        USUAL,
        own=Claims(team="t", project="p", tags={"team": "t"}),
        begins=True,
        message="m",
        after="a",
        thread=True,
        pending=True,
        system="s",
        tools=(ToolShape(type="custom", name="web_fetch", callers=("direct",), deferred=True, max_uses=2, count=3),),
        tool_choice="auto",
        container="k",
        skills=1,
        files=2,
        body_bytes=99,
        max_tokens=9,
        stream=True,
        speed="fast",
        inference_geo="us",
        marked=True,
        cache_ttl="1h",
        cached_tokens=5,
        iterations=2,
        growth_tokens=3,
        added_tokens=4,
        web_searches=1,
        estimated=True,
    )
    usual = {name for name in Shape.__struct_fields__ if getattr(full, name) == getattr(USUAL, name)}
    assert usual == {"conversation", "prefix", "prompt_tokens"}
    assert msgspec.json.decode(msgspec.json.encode(full), type=Shape) == full
