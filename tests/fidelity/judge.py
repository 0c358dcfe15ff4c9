"""The judge: did the upstream see what the caller sent? It shares no code with the planner.

An untouched request is identical: method, target, end-to-end header fields in order, case and value, and body bytes
after transfer decoding. An edited one differs only in what was declared: insertions at places of its own bytes.
"""

from collections.abc import Sequence

from tests.doubles.upstream import Field, Recorded

ONE_HOP = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade", b"expect",
}  # fmt: skip
FRAMING = {b"host", b"content-length", b"transfer-encoding"}
OURS = {b"planner-mode", b"planner-session", b"planner-tags"}


def end_to_end(fields: Sequence[Field]) -> list[Field]:
    """The fields that must cross a proxy."""
    named = {
        token.strip().lower() for name, value in fields if name.lower() == b"connection" for token in value.split(b",")
    }
    left_out = ONE_HOP | FRAMING | OURS | named
    return [field for field in fields if field[0].lower() not in left_out]


Change = tuple[bytes, bytes]
"""What stood there and what stands there now; nothing stood where something was put in."""


def differences(
    sent: tuple[str, bytes, Sequence[Field], bytes], seen: Recorded, changes: Sequence[Change] = ()
) -> list[str]:
    """What differs between a request as sent (method, target, fields, body) and as seen, but for declared changes."""
    method, target, fields, body = sent
    found = []
    if seen.method != method.encode():
        found.append(f"method {method} became {seen.method!r}")
    if seen.target != target:
        found.append(f"target {target[:99]!r} became {seen.target[:99]!r}")
    wanted, got = end_to_end(fields), [field for field in seen.fields if field[0].lower() not in FRAMING]
    if got != wanted:
        found.append(f"fields {wanted} became {got}")
    if not seen.whole:
        found.append("the body did not come whole")
    if not only_changed(body, seen.body, changes):
        found.append(f"the body differs at byte {_first_difference(body, seen.body)} by more than was declared")
    return found


def only_changed(body: bytes, seen: bytes, changes: Sequence[Change]) -> bool:
    """Whether `seen` is `body` with these changes, each once and in this order, and with nothing else."""
    if not changes:
        return body == seen
    (old, new), rest = changes[0], changes[1:]
    if len(seen) - len(body) != sum(len(after) - len(before) for before, after in changes):
        return False
    at = seen.find(new)
    while at >= 0 and seen[:at] == body[:at]:
        if body[at : at + len(old)] == old and only_changed(body[at + len(old) :], seen[at + len(new) :], rest):
            return True
        at = seen.find(new, at + 1)
    return False


def _first_difference(one: bytes, other: bytes) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
