"""Whether a word is a domain as web tools take it.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool and …/web-fetch-tool, checked
2026-11-22: no scheme, subdomains are included, a path may follow, and one `*` may stand in the path alone.
"""

import re
from typing import Final

LONGEST: Final = 253
LONGEST_LABEL: Final = 63
"""Source: RFC 1035, section 2.3.4."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PORT: Final = re.compile(r":\d*$")
_BLANK: Final = re.compile(r"\s")
_NO_LABEL: Final = re.compile(r"[^\w-]|^-|-$")


def wrong_with(domain: str) -> tuple[str, str] | None:
    """Return what is wrong with a domain and what to do about it, or None for a sound one."""
    if _BLANK.search(domain):
        return "has a space", "Write one domain an entry."
    if scheme := _SCHEME.match(domain):
        return "has a scheme", f"Write {domain[scheme.end() :] or 'the domain alone'}."
    host, slash, path = domain.partition("/")
    if "*" in host:
        return "has a wildcard in its host", "Subdomains are included anyway: a * may stand in a path alone."
    if path.count("*") > 1:
        return "has more than one wildcard", "Keep one * in the path."
    if _PORT.search(host):
        return "has a port", f"Write {_PORT.sub('', host)}{slash}{path}."
    return _wrong_host(host)


def _wrong_host(host: str) -> tuple[str, str] | None:
    labels = host.split(".")
    if not all(labels):
        return "has an empty label", "Write it like example.com, without a dot at either end."
    if len(host) > LONGEST or max(map(len, labels)) > LONGEST_LABEL:
        return "is too long", f"A domain has at most {LONGEST} characters, and {LONGEST_LABEL} between two dots."
    if any(_NO_LABEL.search(label) for label in labels):
        return "is no host name", "Write it like example.com, or example.com/path."
    return None
