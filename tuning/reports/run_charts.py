"""The charts of one run: latency, throughput over time, where the time went, what sessions waited for."""

from collections import defaultdict
from collections.abc import Iterator

from tuning import timeline
from tuning.diagnose.findings import Diagnosis
from tuning.diagnose.readers.run_folder import Folder
from tuning.diagnose.split import Split
from tuning.reports import svg

# Wide enough to tell apart on the page.
MOST_COLUMNS = 120
_PERCENTILES = (50.0, 95.0, 99.0)


def charts(folder: Folder, found: Diagnosis) -> Iterator[str]:
    """Yield the figures for which there is something to draw."""
    latencies = [
        (f"{each.name}, P{percent:g}", {"response time": each.percentiles_s[percent] * 1000})
        for each in folder.run.load.requests
        for percent in _PERCENTILES
        if percent in each.percentiles_s
    ]
    if latencies:
        yield svg.bars("Latency distribution", latencies, "ms")
    if len(folder.series) > 1:
        times = [row[0] for row in folder.series]
        series = {"requests/s": [row[2] for row in folder.series], "users": [row[1] for row in folder.series]}
        yield svg.lines("Throughput over time", times, series)
    if found.splits:
        yield svg.bars(
            "Where the time of a request went", [(each.request, _parts(each)) for each in found.splits], "ms"
        )
    if folder.timeline is not None:
        yield from _waits(folder.timeline)


def _parts(split: Split) -> dict[str, float]:
    return {part.name: part.seconds * 1000 for part in split.parts if part.seconds is not None and part.seconds > 0}


def _waits(watched: timeline.Timeline) -> Iterator[str]:
    samples = watched.of(timeline.ACTIVITY)
    if len(samples) < 2:
        return
    began, span = samples[0].t, (samples[-1].t - samples[0].t) or 1.0
    count = min(MOST_COLUMNS, len(samples))
    seen = [0] * count
    kinds: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * count)
    events: dict[float, str] = {}
    for sample in samples:
        at = min(int((sample.t - began) / span * count), count - 1)
        seen[at] += 1
        blocked = 0
        for row in sample.data["sessions"]:
            state = str(row.get("state", ""))
            kind = state if state != "active" else row.get("wait_type") or "on a processor"
            kinds[str(kind)][at] += 1
            blocked += bool(row.get("blocked_by"))
        if blocked:
            pids = sorted({pid for row in sample.data["sessions"] for pid in row.get("blocked_by") or ()})
            column = began + (at + 0.5) * span / count
            events[column] = f"{sample.t:.1f} s: {blocked} waited for a lock of pid {', '.join(map(str, pids))}"
    times = [began + (at + 0.5) * span / count for at in range(count)]
    means = {
        name: [value / (number or 1) for value, number in zip(values, seen, strict=True)]
        for name, values in sorted(kinds.items())
    }
    if means:
        yield svg.columns(
            "Sessions of the database by what they waited for; a dot is a lock wait", times, means, events
        )
