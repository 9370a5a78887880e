"""Two runs held against each other, as text, Markdown and JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tuning.diagnose.comparison import Change, Comparison, Spread
from tuning.diagnose.quantities import number, rate, time

HEADS = ("measure", "before", "after", "ratio", "clear of the spread")


def answer(found: Comparison) -> str:
    """What changed, in one sentence."""
    change = found.changes[0]
    times = "" if change.ratio is None else f"{number(change.ratio)} times "
    clear = {True: "clear of the spread of the repeats", False: "within the spread of the repeats"}
    said = "one run of a side has no spread" if change.is_clear is None else clear[change.is_clear]
    return f"{found.after.name} reached {times}the throughput of {found.before.name}, {said}."


def rows(found: Comparison) -> list[tuple[str, ...]]:
    """The table, in the order of ``HEADS``."""
    return [_row(change) for change in found.changes]


def predictions(found: Comparison) -> list[str]:
    """Predicted against measured: what the first run's demands allowed at most."""
    return [
        f"without {bound.station}: at most {rate(bound.at_most_per_s)} predicted, {rate(found.measured_per_s)} measured"
        f"{': more than this part alone can explain' if found.measured_per_s > bound.at_most_per_s else ''}"
        for bound in found.predicted
    ]


def lines(found: Comparison) -> Iterator[str]:
    """Yield the answer first."""
    yield answer(found)
    for side, name in ((found.before, "before"), (found.after, "after")):
        yield f"{name}: {side.name}, {side.runs} {'run' if side.runs == 1 else 'runs'}. {side.diagnosis.answer}"
    yield ""
    table = [HEADS, *rows(found)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADS))]
    yield from ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)
    if found.predicted:
        yield ""
        yield "Predicted from the first against measured in the second:"
        yield from (f"  {each}" for each in predictions(found))


def markdown(found: Comparison) -> str:
    said = [f"**{answer(found)}**", ""]
    for side, name in ((found.before, "Before"), (found.after, "After")):
        said.append(f"- {name}: {side.name}, runs: {side.runs}. {side.diagnosis.answer}")
    said += ["", f"| {' | '.join(HEADS)} |", "| --- | ---: | ---: | ---: | --- |"]
    said += [f"| {' | '.join(row)} |" for row in rows(found)]
    if found.predicted:
        said += ["", "## Predicted against measured", "", *(f"- {each}." for each in predictions(found))]
    return "\n".join(said) + "\n"


def as_json(found: Comparison) -> dict[str, Any]:
    return {"answer": answer(found), **asdict(found)}


def _row(change: Change) -> tuple[str, ...]:
    clear = {True: "yes", False: "no", None: "not known: one run"}[change.is_clear]
    ratio = "" if change.ratio is None else f"{number(change.ratio)}x"
    return change.name, _told(change.before, change.unit), _told(change.after, change.unit), ratio, clear


def _told(spread: Spread, unit: str) -> str:
    def said(value: float) -> str:
        return time(value) if unit == "s" else f"{number(value)} {unit}".strip()

    range_told = "" if spread.least == spread.most else f" ({said(spread.least)} to {said(spread.most)})"
    return said(spread.middle) + range_told
