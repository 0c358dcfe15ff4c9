"""`python -m tests.bench.regret.picture` writes docs/images/cost-by-share.svg: cost by the share of requests with code.

One agent on a warm cached prompt, every hour at full price: untouched, under both habits, and with the planner. The
file carries its data in a comment, so that a test can draw it anew and play some of it again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from planner.core.replay.staging import nature_of
from planner.core.replay.trace import TraceLine, read_trace
from planner.core.rulebook.book import RuleBook
from planner.rulesource import load_rules
from tests.bench.regret.habits import acting, play
from tests.bench.regret.workloads import Agent, Workload, trace

FILE: Final = Path(__file__).parents[3] / "docs" / "images" / "cost-by-share.svg"
CHANCES: Final = tuple(tenth / 10 for tenth in range(11))
REQUESTS: Final = 800
AGENT: Final = Agent(
    name="analyst",
    principal="p1",
    prompt=6_000,
    cached=5_500,
    output=150,
    growth=200,
    iterations=2,
    turns=2,
    every=140,
)

SIDES: Final[dict[str, Callable[[RuleBook], RuleBook]]] = {
    "untouched": lambda book: replace(book, policies=()),
    "never": lambda book: acting(book, "never"),
    "always": lambda book: acting(book, "always"),
    "planner": lambda book: book,
}
LABELS: Final = {
    "untouched": "without the planner",
    "never": "never bundle (warm containers alone)",
    "always": "always bundle",
    "planner": "the planner, learning from nothing",
}

TITLE: Final = "Cost against the share of requests that run code"
SUBTITLE: Final = f"Sonnet 5.5, {AGENT.cached:,} tokens of its prompt in a warm cache, container hours at full price"
WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 76, 728, 64, 396
STEP: Final = 2
"""Dollars between two lines of the grid."""
STYLE: Final = """
  .ground { fill: #ffffff }
  text { font: 14px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 }
  .grid { stroke: #d8dee4; stroke-width: 1 }
  .axis { stroke: #57606a; stroke-width: 1.5 }
  polyline, .sample { fill: none; stroke-width: 2.5; stroke-linejoin: round }
  .untouched { stroke: #6e7781; stroke-dasharray: 2 5; stroke-linecap: round }
  .never { stroke: #0550ae; stroke-dasharray: 9 4 }
  .always { stroke: #bc4c00 }
  .planner { stroke: #7ddc9a; stroke-width: 10; stroke-linecap: round }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 }
    text { fill: #e6edf3 }
    .grid { stroke: #30363d }
    .axis { stroke: #9198a1 }
    .untouched { stroke: #a5adb6 }
    .never { stroke: #79c0ff }
    .always { stroke: #ffa657 }
    .planner { stroke: #1f7a3a }
  }
"""


class Point(msgspec.Struct, frozen=True):
    """One trace: how many requests, how many of them ran code, and nano-dollars of the whole by side."""

    chance: float
    requests: int
    ran: int
    nano: dict[str, int]

    @property
    def share(self) -> float:
        """The share of requests that ran code."""
        return self.ran / self.requests

    def dollars(self, side: str) -> float:
        """Dollars of a thousand requests."""
        return self.nano[side] / self.requests / 1e6


def point(chance: float) -> Point:
    """Play the agent with such a chance of running code, in all four ways."""
    workload = Workload(name="share", agents=(msgspec.structs.replace(AGENT, chance=chance),), requests=REQUESTS)
    book = load_rules(None, workload.settings).required()
    lines = [line for line in read_trace(trace(workload)) if isinstance(line, TraceLine)]
    nature = nature_of(book)
    nano = {side: play(lines, under(book), nature).cost.whole for side, under in SIDES.items()}
    return Point(chance, len(lines), sum(line.work.code_runs > 0 for line in lines), nano)


def draw(points: Sequence[Point]) -> str:
    """The picture."""
    top = _top(max(each.dollars(side) for each in points for side in SIDES))
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<!-- {msgspec.json.encode(points).decode()} -->",
        f"<title>{TITLE}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" {size}/>',
        f'<text class="title" x="{LEFT}" y="26">{TITLE}</text>',
        f'<text x="{LEFT}" y="47">{SUBTITLE}</text>',
        *_axes(top),
        *_legend(),
    ]
    for side in ("planner", "untouched", "never", "always"):
        places = " ".join(f"{_across(each.share):.1f},{_down(each.dollars(side), top):.1f}" for each in points)
        parts.append(f'<polyline class="{side}" points="{places}"/>')
    return "\n".join((*parts, "</svg>", ""))


def read(svg: str) -> list[Point]:
    """The data of a picture."""
    return msgspec.json.decode(svg.partition("<!-- ")[2].partition(" -->")[0], type=list[Point])


def _axes(top: int) -> list[str]:
    parts = []
    for dollars in range(0, top + 1, STEP):
        y = _down(dollars, top)
        kind = "grid" if dollars else "axis"
        parts.append(f'<line class="{kind}" x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 10}" y="{y + 5:.1f}" text-anchor="end">${dollars}</text>')
    for percent in range(0, 101, 20):
        x = _across(percent / 100)
        parts.append(f'<text x="{x:.1f}" y="{BOTTOM + 22}" text-anchor="middle">{percent} %</text>')
    across, down = (LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2
    return [
        *parts,
        f'<text x="{across}" y="{BOTTOM + 48}" text-anchor="middle">share of requests that run code</text>',
        f'<text transform="translate(24 {down}) rotate(-90)" text-anchor="middle">dollars per 1,000 requests</text>',
    ]


def _legend() -> list[str]:
    height = 24 * len(LABELS) + 8
    parts = [f'<rect class="ground" x="{LEFT + 8}" y="{TOP + 6}" width="356" height="{height}"/>']
    for row, (side, label) in enumerate(LABELS.items()):
        y = TOP + 22 + 24 * row
        parts.append(f'<line class="sample {side}" x1="{LEFT + 20}" y1="{y}" x2="{LEFT + 64}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT + 76}" y="{y + 5}">{label}</text>')
    return parts


def _top(dollars: float) -> int:
    """The end of the scale: a whole number of steps above every cost."""
    return STEP * (int(dollars / STEP) + 1)


def _across(share: float) -> float:
    return LEFT + (RIGHT - LEFT) * share


def _down(dollars: float, top: int) -> float:
    return BOTTOM - (BOTTOM - TOP) * dollars / top


def main() -> None:
    """Play every point and write the file."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(draw([point(chance) for chance in CHANCES]), encoding="utf-8")


if __name__ == "__main__":
    main()
