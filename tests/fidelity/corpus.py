"""The corpus: odd requests, one a file, in a form that shows what is odd about them. `README.md` describes it."""

import gzip
import re
from hashlib import sha256
from itertools import cycle
from pathlib import Path

import msgspec

from tests.doubles.upstream import Field, chunk

CASES = Path(__file__).parent / "cases"
EDITED = Path(__file__).parent / "edited"
DIRECTIVES = {"empty", "chunked", "gzip", "crlf", "encode", "target", "edit"}
ESCAPE = re.compile("«([^»]*)»")


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One request: `lines` are header lines as they are sent, `body` is what the framing carries; None is no body."""

    name: str
    defect: str
    directives: dict[str, str]
    method: str
    target: bytes
    lines: tuple[bytes, ...]
    body: bytes | None
    skeleton: str

    @property
    def fields(self) -> list[Field]:
        """The header lines as fields."""
        parts = (line.partition(b":") for line in self.lines)
        return [(name, value.strip(b" \t")) for name, _, value in parts]

    @property
    def expected_target(self) -> bytes:
        """What the upstream must see."""
        return unescape(self.directives["target"]) if "target" in self.directives else self.target

    def wire(self, *extra: bytes) -> bytes:
        """The request as bytes, with more header lines at its end."""
        lines = [b"%s %s HTTP/1.1" % (self.method.encode(), self.target)]
        if not any(name.lower() == b"host" for name, _ in self.fields):
            lines.append(b"Host: 127.0.0.1")
        lines += [*self.lines, *extra]
        framing, body = self._framed()
        return b"".join(line + b"\r\n" for line in (*lines, *framing)) + b"\r\n" + body

    def _framed(self) -> tuple[list[bytes], bytes]:
        if self.body is None:
            return [], b""
        if "chunked" not in self.directives:
            return [b"Content-Length: %d" % len(self.body)], self.body
        sizes, *rest = self.directives["chunked"].split()
        options = dict(option.split("=", 1) for option in rest)
        extension = b";" + unescape(options["ext"]) if "ext" in options else b""
        trailer = unescape(options["trailer"]) + b"\r\n" if "trailer" in options else b""
        pieces, left = [], self.body
        for size in cycle(map(int, sizes.split(","))):
            if not left:
                break
            pieces.append(chunk(left[:size]).replace(b"\r\n", extension + b"\r\n", 1))
            left = left[size:]
        return [b"Transfer-Encoding: chunked"], b"".join(pieces) + b"0\r\n" + trailer + b"\r\n"


def read_cases(directory: Path = CASES) -> list[Case]:
    """Every case, by name."""
    return [read_case(path) for path in sorted(directory.glob("*.http"))]


def read_case(path: Path) -> Case:
    """One case. Raises ValueError for a file that breaks the form."""
    text = path.read_bytes().decode().removesuffix("\n")
    head, blank, body_text = text.partition("\n\n")
    first, *lines = head.split("\n")
    if not first.startswith("# ") or not first.endswith("."):
        raise ValueError(f"{path.name}: the first line is '# ' and a sentence")
    directives: dict[str, str] = {}
    while lines[0].startswith("@"):
        name, _, value = lines.pop(0)[1:].partition(" ")
        directives[name] = value
    if not directives.keys() <= DIRECTIVES:
        raise ValueError(f"{path.name}: unknown directive among {sorted(directives)}")
    method, _, target = lines.pop(0).partition(" ")
    return Case(
        name=path.stem,
        defect=first.removeprefix("# "),
        directives=directives,
        method=method,
        target=unescape(target),
        lines=tuple(unescape(line) for line in lines),
        body=_body(directives, body_text, present=bool(blank)),
        skeleton=_skeleton(directives, method, target, lines, body_text if blank else None),
    )


def _body(directives: dict[str, str], text: str, *, present: bool) -> bytes | None:
    if "empty" in directives:
        return b""
    if not present:
        return None
    if "crlf" in directives:
        text = text.replace("\n", "\r\n")
    body = text.encode(directives["encode"]) if "encode" in directives else unescape(text)
    return gzip.compress(body, mtime=0) if "gzip" in directives else body


def unescape(text: str) -> bytes:
    """Text as UTF-8; `«0d0a»` stands for bytes, `«1000*5b»` for bytes repeated, `«text 1000»` for so much prose."""
    parts = ESCAPE.split(text)
    return b"".join(_recipe(part) if index % 2 else part.encode() for index, part in enumerate(parts))


def _recipe(recipe: str) -> bytes:
    if recipe.startswith("text "):
        words = (sha256(b"%d" % number).hexdigest().encode() + b" " for number in range(int(recipe[5:]) // 65 + 1))
        return b"".join(words)[: int(recipe[5:])]
    count, star, digits = recipe.rpartition("*")
    return bytes.fromhex(digits) * (int(count) if star else 1)


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[A-Za-z]+|\s+|.', re.DOTALL)
KEPT = {'"type"', '"role"'}


def _skeleton(directives: dict[str, str], method: str, target: str, lines: list[str], body: str | None) -> str:
    """What is left of a case when its values are taken out: two cases with one skeleton catch one defect."""
    return "\n".join(
        [
            *(f"@{name} {re.sub('[0-9]+', '0', value)}" for name, value in directives.items()),
            f"{method} {_plain(target)}",
            *(f"{name}:{_plain(value)}" for name, _, value in (line.partition(":") for line in lines)),
            "" if body is None else _body_skeleton(body),
        ]
    )


def _plain(text: str) -> str:
    """Words and numbers of a target or a header value, without what they say."""
    return re.sub(r"[A-Za-z0-9]*\d[A-Za-z0-9]*", "0", text) if "/" in text else re.sub(r"[A-Za-z0-9]+", "a", text)


def _body_skeleton(body: str) -> str:
    tokens = TOKEN.findall(re.sub(r"«(?:text )?[0-9]+", "«0", body))
    out = []
    key = ""
    for index, token in enumerate(tokens):
        following = next((after for after in tokens[index + 1 :] if not after.isspace()), "")
        if token.startswith('"') and following == ":":
            key = token
            out.append(token)
        elif token.startswith('"'):
            out.append(re.sub("[0-9]+", "0", token) if key in KEPT else _string(token))
        elif token[0].isdigit() or token[0] == "-":
            out.append(_number(token))
        else:
            out.append(token)
    return "".join(out)


def _string(token: str) -> str:
    """A string by how it is spelled."""
    return re.sub(r"[A-Za-z0-9 _.,:;-]+", "a", re.sub(r"\\u[0-9a-fA-F]{4}", r"\\u", token))


def _number(token: str) -> str:
    """A number by how it is spelled."""
    return re.sub(r"[1-9]\d*", "9", token) if len(token) < 16 else "99" + re.sub(r"\d+", "", token)
