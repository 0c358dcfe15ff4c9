"""Which URLs a web fetch may reach: what the request's `url_sources` and domain lists let it."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from planner.simulator.canonical import Json, blocks_of

ALL = {"type": "all"}


def refusal(url: str, tool: Json, body: Json) -> str | None:
    """The error code with which a fetch of that URL is answered, or None when it may go ahead."""
    if not _domain_allowed(url, tool):
        return "url_not_allowed"
    sources = tool.get("url_sources")
    rules = sources if isinstance(sources, dict) else {}
    names = {str(item.get("name")): str(item.get("type", "custom")) for item in blocks_of(body.get("tools"))}
    found = False
    for source, tool_name, text in _texts(body, names):
        if url in text:
            found = True
            if _open(rules.get(source, ALL), tool_name):
                return None
    closed = bool(rules) and all(isinstance(rule, dict) and rule.get("type") == "none" for rule in rules.values())
    return "url_not_allowed" if found or (closed and len(rules) == 3) else "url_not_in_prior_context"


def _domain_allowed(url: str, tool: Json) -> bool:
    host = urlsplit(url).hostname or ""
    allowed, blocked = tool.get("allowed_domains"), tool.get("blocked_domains")
    if isinstance(allowed, list) and not any(_within(host, domain) for domain in allowed):
        return False
    return not (isinstance(blocked, list) and any(_within(host, domain) for domain in blocked))


def _within(host: str, domain: object) -> bool:
    name = str(domain).split("/", 1)[0]
    return host == name or host.endswith("." + name)


def _open(rule: object, tool_name: str) -> bool:
    if not isinstance(rule, dict):
        return True
    kind = rule.get("type")
    listed = {str(item.get("name")) for item in blocks_of(rule.get("tools"))}
    return kind == "all" or (kind == "only" and tool_name in listed) or (kind == "except" and tool_name not in listed)


def _texts(body: Json, names: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Source, tool name and text of everything that may hold a URL."""
    called: dict[str, str] = {}
    for message in blocks_of(body.get("messages")):
        for block in blocks_of(message.get("content")):
            kind = block["type"]
            if kind == "tool_use":
                called[str(block.get("id"))] = str(block.get("name"))
            elif kind == "tool_result":
                name = called.get(str(block.get("tool_use_id")), "")
                yield "client_tool_results", name, msgspec.json.encode(block.get("content")).decode()
            elif kind in ("web_search_tool_result", "web_fetch_tool_result"):
                name = kind.removesuffix("_tool_result")
                if name in names:
                    yield "server_tool_results", name, msgspec.json.encode(block.get("content")).decode()
            elif kind == "text" and message.get("role") == "user":
                yield "user_input", "", str(block.get("text"))
