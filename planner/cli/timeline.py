"""A plan in time: a line a request, for the terminal and as a picture (SVG) that stands by itself.

Both show the same: when each request begins and ends, what goes out in a batch, and which requests share a container.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import msgspec

from planner.core.reports.wording import spell

LINE: Final = 80
"""Characters of a line on a terminal."""
WIDTH, NARROW, NAME = 48, 12, 12
"""Characters of a line's bar at most and at least, and to which a name is shortened before a bar is narrower."""
LANE, GAP, LABEL, CHART, BESIDE, MARGIN = 26, 8, 210, 580, 130, 16
"""Pixels: a request's height and what lies between, names, bars, what stands beside them, and the edge."""
TICKS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400)
"""Seconds between two marks of the axis, whichever makes no more than MOST_TICKS."""
MOST_TICKS: Final = 8
LONGEST: Final = 28
"""Characters of a name left of the bars of a picture."""


class Bar(msgspec.Struct, frozen=True):
    """One request in time, in seconds from the begin; `container` numbers those that are shared, 0 for none."""

    name: str
    begin: float
    end: float
    batch: bool
    container: int


def lines(bars: Sequence[Bar]) -> Iterator[str]:
    """The plan for a terminal: what waits in a batch is drawn light, and a shared container has its number."""
    whole = max(bar.end for bar in bars) or 1.0
    told = [f"{spell(bar.begin)} to {spell(bar.end)}{_shared(bar, '  ')}" for bar in bars]
    room = LINE - 6 - max(map(len, told))  # for a name and a bar; two characters stand before each of the three
    names = min(max(len(bar.name) for bar in bars), max(room - NARROW, NAME))
    width = min(max(room - names, NARROW), WIDTH)
    for bar, when in zip(bars, told, strict=True):
        begin = min(round(bar.begin / whole * width), width - 1)
        length = max(round(bar.end / whole * width) - begin, 1)
        drawn = " " * begin + ("░" if bar.batch else "█") * length
        yield f"  {short(bar.name, names):<{names}}  {drawn:<{width}}  {when}"


def picture(bars: Sequence[Bar], title: str) -> str:
    """The plan as SVG, with its own colours for light and dark."""
    whole = max(bar.end for bar in bars) or 1.0
    height = 2 * MARGIN + 30 + len(bars) * (LANE + GAP) + 24
    width = 2 * MARGIN + LABEL + CHART + BESIDE
    top, left = MARGIN + 30, MARGIN + LABEL
    body = [f'<text x="{MARGIN}" y="{MARGIN + 12}" class="title">{escape(title)}</text>']
    bottom = top + len(bars) * (LANE + GAP)
    for at in _ticks(whole):
        x = left + at / whole * CHART
        body.append(f'<line x1="{x:.1f}" y1="{top - 4}" x2="{x:.1f}" y2="{bottom}" class="grid"/>')
        body.append(f'<text x="{x:.1f}" y="{bottom + 16}" class="tick">{spell(at)}</text>')
    for place, bar in enumerate(bars):
        y = top + place * (LANE + GAP)
        x, length = left + bar.begin / whole * CHART, max((bar.end - bar.begin) / whole * CHART, 2.0)
        kind = "batch" if bar.batch else f"shared{(bar.container - 1) % 3}" if bar.container else "live"
        how = ", in a batch" if bar.batch else _shared(bar, ", ")
        told = f"{bar.name}: {spell(bar.begin)} to {spell(bar.end)}{how}"
        body.append(f'<text x="{left - 10}" y="{y + 17}" class="name">{escape(short(bar.name, LONGEST))}</text>')
        body.append(
            f'<rect x="{x:.1f}" y="{y}" width="{length:.1f}" height="{LANE}" rx="3" class="{kind}">'
            f"<title>{escape(told)}</title></rect>"
        )
        body.append(
            f'<text x="{x + length + 6:.1f}" y="{y + 17}" class="tick start">{spell(bar.end - bar.begin)}{how}</text>'
        )
    return "\n".join((_HEAD.format(width=width, height=height, title=escape(title)), *body, "</svg>", ""))


def _ticks(whole: float) -> Iterator[float]:
    step = next(
        (each for each in TICKS if whole / each <= MOST_TICKS), TICKS[-1] * (1 + whole // TICKS[-1] // MOST_TICKS)
    )
    at = 0.0
    while at <= whole:
        yield at
        at += step


def short(name: str, most: int) -> str:
    """A name of so many characters at most: its middle goes, since names differ where they end."""
    if len(name) <= most:
        return name
    head = most // 2
    return f"{name[:head]}…{name[len(name) - (most - head - 1) :]}"


def _shared(bar: Bar, before: str) -> str:
    return f"{before}container {bar.container}" if bar.container else ""


_HEAD: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" \
aria-label="{title}">
<style>
text {{ font: 13px system-ui, sans-serif; fill: #1f2933 }}
.title {{ font-weight: 600; font-size: 15px }} .name {{ text-anchor: end }}
.tick {{ text-anchor: middle; fill: #5b6875 }}
.start {{ text-anchor: start }} .grid {{ stroke: #d5dbe1 }} .live {{ fill: #3568a8 }} .batch {{ fill: #a9bdd6 }}
.shared0 {{ fill: #2f8f6b }} .shared1 {{ fill: #b3742a }} .shared2 {{ fill: #8a5aa8 }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e4e8ec }} .tick {{ fill: #9aa7b4 }} .grid {{ stroke: #3a444e }} .batch {{ fill: #51657e }}
.live {{ fill: #6c9bd6 }} .shared0 {{ fill: #54b98f }} .shared1 {{ fill: #d69a52 }} .shared2 {{ fill: #b48ad2 }}
}}
</style>"""
