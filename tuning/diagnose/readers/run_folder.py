"""A run folder of the lab's: ``run.json`` with what was asked and measured, ``timeline.jsonl`` with what was seen."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from tuning import timeline as timelines
from tuning.diagnose import evidence
from tuning.diagnose.figures import LoadFigures, Moment
from tuning.diagnose.readers import own_json
from tuning.diagnose.readers.documents import Document, Unreadable
from tuning.diagnose.run import Run, Stated

FORMAT = "hotrow-run/1"
RUN, TIMELINE = "run.json", "timeline.jsonl"
_LOAD = "load"
_OPEN = "open"


@dataclass(frozen=True, slots=True)
class Folder:
    """``name`` is the folder's; ``series`` has [t, users, requests, failures, P50 in ms, P95 in ms] for each second."""

    name: str
    profile: str
    change: str
    run: Run
    series: tuple[tuple[float, ...], ...] = ()
    timeline: timelines.Timeline | None = None


def read(path: Path, stated: Stated | None = None) -> Folder:
    """Read a run folder; what ``stated`` says goes before what the folder says.

    Raises:
        OSError: There is no run.json, or it cannot be read.
        Unreadable: It is no run, or holds no request.
    """
    document = Document.open(path / RUN)
    try:
        found = json.loads(document.text)
    except ValueError as error:
        raise Unreadable(f"{path / RUN} is no JSON ({error}): it was cut, or the run has not ended") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get(_LOAD), dict):
        raise Unreadable(f"{path / RUN} is no run of the form {FORMAT}: `hotrow bench` writes them")
    scenario = {"users": found.get("users") or 0, "spawn_rate": found.get("spawn_rate_per_s") or 0}
    load = own_json.read(document, {"scenario": scenario, _LOAD: found[_LOAD]}, _LOAD)
    series, lacking = _series(found[_LOAD])
    load = replace(
        load, source=f"run {path.name}", history=_history(series), configuration=None, missing=(*load.missing, *lacking)
    )
    load, seen, watched = with_timeline(load, path / TIMELINE)
    told = Stated(
        slots=_positive(found, "slots"),
        users=_positive(found, "users"),
        spawn_rate_per_s=found.get("spawn_rate_per_s") or None,
        seconds=found.get("seconds") or None,
        is_open=found.get("arrivals") == _OPEN,
    )
    run = Run(load, _over(told, stated), seen)
    profile, change = str(found.get("profile") or path.name), str(found.get("change") or "")
    return Folder(path.name, profile, change, run, series, watched)


def found_in(path: Path) -> tuple[Path, ...]:
    """The run itself, the repeats ``<name>-<n>`` of one, or all runs of a ladder in the order of their writing.

    Raises:
        Unreadable: There is none.
    """
    if (path / RUN).is_file():
        return (path,)
    beside = path.parent.glob(f"{path.name}-*") if not path.is_dir() else path.iterdir()
    runs = [each for each in beside if (each / RUN).is_file() and (path.is_dir() or _is_repeat(each.name, path.name))]
    if not runs:
        raise Unreadable(f"{path} holds no {RUN}: give a folder that `hotrow bench` wrote")
    return tuple(sorted(runs, key=lambda each: ((each / RUN).stat().st_mtime_ns, each.name)))


def _is_repeat(name: str, of: str) -> bool:
    return name.removeprefix(f"{of}-").isdecimal()


def with_timeline(
    load: LoadFigures, path: Path
) -> tuple[LoadFigures, evidence.Evidence | None, timelines.Timeline | None]:
    """The load with what lies beside it; a timeline that cannot be read is said to be missing."""
    try:
        found = timelines.read(path)
        return load, evidence.reduce(found), found
    except (OSError, timelines.TimelineError) as error:
        said = f"{path.name} cannot be read, so no limit is named: {error}"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"{path.name} holds a sample of another form, so no limit is named: {error!r}"
    return replace(load, missing=(*load.missing, said)), None, None


def _over(told: Stated, stated: Stated | None) -> Stated:
    if stated is None:
        return told
    keys = ("slots", "users", "spawn_rate_per_s", "seconds")
    known = {key: value for key in keys if (value := getattr(stated, key) or getattr(told, key)) is not None}
    return replace(stated, is_open=told.is_open, **known)


def _positive(found: Mapping[str, Any], key: str) -> int | None:
    value = found.get(key)
    return value if isinstance(value, int) and value > 0 else None


def _series(load: Mapping[str, Any]) -> tuple[tuple[tuple[float, ...], ...], tuple[str, ...]]:
    rows = load.get("series") or []
    try:
        found = tuple(tuple(float(value or 0) for value in row) for row in rows)
    except (TypeError, ValueError):
        return (), ("the series of the run cannot be read",)
    if any(len(row) != len(_COLUMNS) for row in found):
        return (), (f"the series of the run has not the columns {', '.join(_COLUMNS)}",)
    if any(late[0] < early[0] for early, late in pairwise(found)):
        return tuple(sorted(found)), ("the clock of the series went back: its rows are in the order of their times",)
    return found, ()


_COLUMNS = ("t", "users", "requests", "failures", "p50_ms", "p95_ms")


def _history(series: tuple[tuple[float, ...], ...]) -> tuple[Moment, ...]:
    passed, found = 0, []
    for at_s, users, requests, *_ in series:
        passed += int(requests)
        found.append(Moment(at_s, int(users), passed))
    return tuple(found)
