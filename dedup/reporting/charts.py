"""Small charts as inline SVG. Lengths along the page are percentages, so that text keeps its size on any screen.

Everything written is escaped here; colours come from the page's style sheet by class. No style attributes: the page's
security policy forbids them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

__all__ = ["Bar", "Dot", "Span", "bars", "columns", "forest", "heat", "timeline"]


@dataclass(frozen=True)
class Bar:
    """A label, how long the bar is, what is written behind it, and the part that is drawn strongly."""

    label: str
    value: float
    text: str
    strong: float | None = None  #: None: all of it


@dataclass(frozen=True)
class Dot:
    """A share with its interval."""

    label: str
    value: float
    low: float
    high: float
    text: str
    kind: str  #: above, below or no_clear_difference


def bars(rows: Sequence[Bar]) -> Markup:
    """Horizontal bars, label above each: readable on a narrow screen."""
    longest = max((row.value for row in rows), default=0) or 1
    items = [
        Markup(
            '<li><span class="l">{}</span><span class="v">{}</span>'
            '<svg height="10" aria-hidden="true"><rect class="weak" width="{}%" height="10" rx="2"/>'
            '<rect class="strong" width="{}%" height="10" rx="2"/></svg></li>'
        ).format(
            row.label,
            row.text,
            _percent(row.value / longest),
            _percent((row.value if row.strong is None else row.strong) / longest),
        )
        for row in rows
    ]
    return Markup('<ul class="bars">{}</ul>').format(Markup("").join(items))


def columns(title: str, rows: Sequence[Bar]) -> Markup:
    """Upright columns in time order with the first, middle and last label below; every column has its title."""
    if not rows:
        return Markup("")
    highest = max(row.value for row in rows) or 1
    step, parts = 100 / len(rows), []
    for place, row in enumerate(rows):
        height, strong = (140 * part / highest for part in (row.value, row.strong or 0))
        bar = Markup('<rect class="{}" x="{:.3f}%" y="{:.1f}" width="{:.3f}%" height="{:.1f}"/>')
        x, width = place * step + step * 0.1, step * 0.8
        parts.append(
            Markup("<g><title>{}</title>{}{}</g>").format(
                f"{row.label}: {row.text}",
                bar.format("weak", x, 150 - height, width, height),
                bar.format("strong", x, 150 - strong, width, strong),
            )
        )
    for place, anchor in {0: "start", len(rows) // 2: "middle", len(rows) - 1: "end"}.items():
        x = {"start": 0.0, "middle": (place + 0.5) * step, "end": 100.0}[anchor]
        parts.append(
            Markup('<text x="{:.3f}%" y="168" text-anchor="{}">{}</text>').format(x, anchor, rows[place].label)
        )
    return Markup(
        '<svg class="chart" height="176" role="img" aria-label="{}"><line x1="0" x2="100%" y1="150" y2="150"/>{}</svg>'
    ).format(title, Markup("").join(parts))


def forest(title: str, rows: Sequence[Dot], whole: float) -> Markup:
    """Shares with their intervals, one below the other, and in each a line for the share of all."""
    top = max([whole, *(row.high for row in rows)]) or 1
    items = [
        Markup(
            '<li class="{}"><span class="l">{}</span><span class="v">{}</span><svg height="12" aria-hidden="true">'
            '<line class="all" x1="{all}%" x2="{all}%" y1="0" y2="12"/><line x1="{}%" x2="{}%" y1="6" y2="6"/>'
            '<circle cx="{}%" cy="6" r="4"/></svg></li>'
        ).format(
            row.kind,
            row.label,
            row.text,
            _percent(row.low / top),
            _percent(row.high / top),
            _percent(row.value / top),
            all=_percent(whole / top),
        )
        for row in rows
    ]
    return Markup('<ul class="bars forest" aria-label="{}">{}</ul>').format(title, Markup("").join(items))


def heat(
    caption: str, corner: str, rows: Sequence[str], heads: Sequence[str], cells: Sequence[Sequence[int]]
) -> Markup:
    """A matrix of counts, darker where there are more; a table, so that it reads without colours too."""
    most = max((max(line, default=0) for line in cells), default=0) or 1
    head = Markup("").join(Markup('<th scope="col"><span>{}</span></th>').format(name) for name in heads)
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            name,
            Markup("").join(
                Markup('<td class="h{}">{}</td>').format(-(-5 * value // most), value or "") for value in line
            ),
        )
        for name, line in zip(rows, cells, strict=True)
    )
    return Markup(
        '<table class="heat"><caption>{}</caption><thead><tr><th scope="col">{}</th>{}</tr></thead>'
        "<tbody>{}</tbody></table>"
    ).format(caption, corner, head, body)


def _percent(share: float) -> str:
    return f"{max(0.0, min(share, 1.0)) * 100:.2f}"


@dataclass(frozen=True)
class Span:
    """A stretch of time, as shares of the time drawn, with its label; ``kind`` is strong or weak."""

    label: str
    text: str
    start: float
    end: float
    kind: str


def timeline(title: str, rows: Sequence[Span], now: float, now_label: str) -> Markup:
    """Stretches of time one below the other, and in each an upright line for the moment they are held against."""
    items = [
        Markup(
            '<li><span class="l">{}</span><span class="v">{}</span><svg height="18" aria-hidden="true">'
            '<rect class="{}" x="{}%" y="4" width="{}%" height="10" rx="2"/>'
            '<line class="now" x1="{now}%" x2="{now}%" y1="0" y2="18"/></svg></li>'
        ).format(
            row.label,
            row.text,
            row.kind,
            _percent(row.start),
            max(0.5, (row.end - row.start) * 100),
            now=_percent(now),
        )
        for row in rows
    ]
    return Markup('<ul class="bars timeline" aria-label="{}">{}</ul><p class="quiet">{}</p>').format(
        title, Markup("").join(items), now_label
    )
