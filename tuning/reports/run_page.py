"""A diagnosis, or a whole ladder of them, as one HTML page that needs no network, in the reader's light or dark."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from string import Template

from tuning.contract import Outcome
from tuning.diagnose.findings import Diagnosis
from tuning.diagnose.quantities import number, rate, time
from tuning.diagnose.readers.run_folder import Folder
from tuning.reports import diagnose, run_charts, svg

_TEMPLATE = Path(__file__).with_name("run_page.html")
Judged = Sequence[tuple[Folder, Diagnosis]]


def page(judged: Judged) -> str:
    """The whole report; every text of it is escaped."""
    is_ladder = len(judged) > 1
    answer = _ladder_answer(judged) if is_ladder else judged[0][1].answer
    sections = [_ladder(judged)] if is_ladder else []
    sections += ["".join(_run(folder, found, is_ladder=is_ladder)) for folder, found in judged]
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(answer=escape(answer), sections="".join(sections))


def _ladder_answer(judged: Judged) -> str:
    (first, _), (last, found) = judged[0], judged[-1]
    times = last.run.throughput_per_s / first.run.throughput_per_s
    limit = found.limit.rule if found.limit else "nothing that was measured"
    reached = f"{last.name} reached {rate(last.run.throughput_per_s)}, {number(times)} times {first.name}"
    return f"{reached}; its limit is {limit}."


def _ladder(judged: Judged) -> str:
    rows = [(folder.name, {"measured": folder.run.throughput_per_s}) for folder, _ in judged]
    before = [None, *(found for _, found in judged)]
    predicted = {
        folder.name: earlier.gains[0].at_most_per_s
        for (folder, _), earlier in zip(judged, before, strict=False)
        if earlier is not None and earlier.gains
    }
    table = [
        (
            folder.name,
            folder.change,
            f"{folder.run.throughput_per_s:.1f}",
            f"{predicted[folder.name]:.1f}" if folder.name in predicted else "not known",
            f"{folder.run.load.total.mean_s * 1000:.1f}",
            str(folder.run.load.total.failures),
            found.limit.rule if found.limit else "none seen",
        )
        for folder, found in judged
    ]
    heads = ("run", "change", "req/s", "predicted at most", "mean, ms", "failures", "limit")
    chart = svg.bars("Measured throughput; the line is what the run before allowed at most", rows, "req/s", predicted)
    return f"<section><h2>Ladder</h2>{chart}{_table(heads, table)}</section>"


def _run(folder: Folder, found: Diagnosis, *, is_ladder: bool) -> Iterator[str]:
    yield f"<section><h2>{escape(folder.name)}</h2>"
    if is_ladder:
        yield f"<p><strong>{escape(found.answer)}</strong></p>"
    yield "".join(f"<p>{escape(said)}.</p>" for said in found.read)
    if found.missing:
        yield "<h3>Missing</h3><ul>"
        yield "".join(f"<li>{escape(said)}</li>" for said in found.missing)
        yield "</ul>"
    yield from _findings(found)
    yield from run_charts.charts(folder, found)
    for split in found.splits:
        yield f"<h3>Where the time of {escape(split.request)} went</h3>"
        parts = [
            (part.name, "not known" if part.seconds is None else f"{part.seconds * 1000:.2f}", part.source)
            for part in split.parts
        ]
        yield _table(("part", "ms", "measured by"), parts)
        share = " What is inside the worker is in proportion." if split.is_apportioned else ""
        yield f"<p>Together {escape(time(split.mean_s))}, the client's mean.{share}</p>"
    if found.gains:
        yield "<h3>What a change can gain at most</h3>"
        yield _table(
            ("without", "at most, req/s", "times", "then the limit is"),
            [(each.station, f"{each.at_most_per_s:.1f}", f"{each.gain:.2f}", each.next_limit) for each in found.gains],
        )
    yield "<h3>Requests</h3>"
    requests = [
        (
            *(each.name, str(each.count), str(each.failures), f"{each.mean_s * 1000:.1f}"),
            *(_percentile(each.percentiles_s.get(percent)) for percent in (50.0, 95.0, 99.0)),
        )
        for each in folder.run.load.requests
    ]
    yield _table(("request", "count", "failures", "mean, ms", "P50, ms", "P95, ms", "P99, ms"), requests)
    yield "</section>"


def _findings(found: Diagnosis) -> Iterator[str]:
    yield "<h3>Found</h3><ul>"
    skipped = [verdict for verdict in found.judged if verdict.outcome is Outcome.SKIP]
    for verdict in diagnose.told_first(found):
        for each in verdict.findings:
            remedy = f"<br>Remedy: {escape(verdict.remedy)}" if verdict.remedy else ""
            yield (
                f'<li><b class="{each.outcome}">{each.outcome}</b> <code>{escape(verdict.rule)}</code>: '
                f"{escape(each.message)}{remedy}</li>"
            )
    yield f"</ul><details><summary>Not concluded: {len(skipped)} rules</summary><ul>"
    yield "".join(f"<li><code>{escape(each.rule)}</code>: {escape(each.reason)}</li>" for each in skipped)
    yield "</ul></details>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col"><button type="button">{escape(each)}</button></th>' for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _percentile(seconds: float | None) -> str:
    return "not known" if seconds is None else f"{seconds * 1000:.1f}"
