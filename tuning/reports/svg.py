"""Charts as inline SVG: bars, stacked bars and lines, with words for those who do not see them."""

from collections.abc import Mapping, Sequence
from html import escape

from tuning.diagnose.quantities import number

WIDTH, ROW, PLOT = 720, 26, 180
_LABEL, _END = 210, 90
COLOURS = 8
"""Classes c0 to c7 of the page's style."""

Bar = tuple[str, Mapping[str, float]]
"""A label, and the parts of its bar by name."""


def bars(title: str, rows: Sequence[Bar], unit: str, marks: Mapping[str, float] | None = None) -> str:
    """Horizontal bars of stacked parts; ``marks`` sets a line on the bar with that label."""
    marks = marks or {}
    names = list(dict.fromkeys(name for _, parts in rows for name in parts))
    most = max([*(sum(parts.values()) for _, parts in rows), *marks.values()], default=0.0) or 1.0
    scale = (WIDTH - _LABEL - _END) / most
    body = []
    for at, (label, parts) in enumerate(rows):
        y, x = at * ROW, float(_LABEL)
        body.append(f'<text class="end" x="{_LABEL - 8}" y="{y + 17}">{escape(_short(label))}</text>')
        for name, value in parts.items():
            told = escape(f"{label}, {name}: {number(value)} {unit}")
            colour = names.index(name) % COLOURS
            size = f'width="{max(value * scale, 0):.1f}" height="{ROW - 8}"'
            body.append(f'<rect class="c{colour}" x="{x:.1f}" y="{y + 4}" {size}><title>{told}</title></rect>')
            x += value * scale
        body.append(f'<text x="{x + 6:.1f}" y="{y + 17}">{escape(number(sum(parts.values())))} {escape(unit)}</text>')
        if label in marks:
            place = _LABEL + marks[label] * scale
            told = escape(f"{label}, at most: {number(marks[label])} {unit}")
            body.append(
                f'<line class="mark" x1="{place:.1f}" x2="{place:.1f}" y1="{y + 1}" y2="{y + ROW - 1}">'
                f"<title>{told}</title></line>"
            )
    return _figure(title, names if len(names) > 1 else [], "".join(body), len(rows) * ROW)


def columns(
    title: str, times: Sequence[float], series: Mapping[str, Sequence[float]], events: Mapping[float, str]
) -> str:
    """Stacked columns over time, in s; ``events`` are set above them, with what happened."""
    most = max((sum(values) for values in zip(*series.values(), strict=True)), default=0.0) or 1.0
    span = (times[-1] - times[0]) or 1.0
    wide = (WIDTH - 60) / max(len(times), 1)
    body = [_axis(most, times)]
    for at in range(len(times)):
        y = float(PLOT)
        for colour, (name, values) in enumerate(series.items()):
            high = values[at] / most * (PLOT - 14)
            y -= high
            if high > 0:
                body.append(
                    f'<rect class="c{colour % COLOURS}" x="{50 + at * wide:.1f}" y="{y:.1f}" width="{wide:.2f}" '
                    f'height="{high:.1f}"><title>{escape(name)}: {number(values[at])}</title></rect>'
                )
    for t, told in events.items():
        x = 50 + (t - times[0]) / span * (WIDTH - 60)
        body.append(f'<circle class="event" cx="{x:.1f}" cy="6" r="4"><title>{escape(told)}</title></circle>')
    return _figure(title, list(series), "".join(body), PLOT + 20)


def lines(title: str, times: Sequence[float], series: Mapping[str, Sequence[float]]) -> str:
    """Lines over time, in s, each on the scale of all."""
    most = max((max(values, default=0.0) for values in series.values()), default=0.0) or 1.0
    span = (times[-1] - times[0]) or 1.0
    body = [_axis(most, times)]
    for colour, values in enumerate(series.values()):
        points = " ".join(
            f"{50 + (t - times[0]) / span * (WIDTH - 60):.1f},{PLOT - value / most * (PLOT - 14):.1f}"
            for t, value in zip(times, values, strict=True)
        )
        body.append(f'<polyline class="l{colour % COLOURS}" points="{points}"/>')
    return _figure(title, list(series), "".join(body), PLOT + 20)


def _axis(most: float, times: Sequence[float]) -> str:
    return (
        f'<line class="axis" x1="50" x2="{WIDTH - 10}" y1="{PLOT}" y2="{PLOT}"/>'
        f'<text class="end" x="44" y="18">{escape(number(most))}</text><text class="end" x="44" y="{PLOT}">0</text>'
        f'<text x="50" y="{PLOT + 16}">{escape(number(times[0]))} s</text>'
        f'<text class="end" x="{WIDTH - 10}" y="{PLOT + 16}">{escape(number(times[-1]))} s</text>'
    )


def _figure(title: str, names: Sequence[str], body: str, height: float) -> str:
    keys = "".join(f'<li><i class="c{at % COLOURS}"></i>{escape(name)}</li>' for at, name in enumerate(names))
    legend = f'<ul class="legend">{keys}</ul>' if names else ""
    drawing = f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {WIDTH} {height}">{body}</svg>'
    return f'<figure><figcaption>{escape(title)}</figcaption><div class="wide">{drawing}</div>{legend}</figure>'


def _short(label: str) -> str:
    return label if len(label) <= 30 else f"{label[:29]}…"
