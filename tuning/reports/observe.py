"""What a timeline holds, in short: how many samples, what was waited for, who was in the way, what is missing."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tuning import timeline
from tuning.observe.watch import Overhead
from tuning.timeline import Timeline

# The first ones tell it; the file has them all.
SHOWN_WAITS = 10
SHOWN_BLOCKERS = 10
MAX_TEXT = 120
# Issue 6: what watching may cost.
TARGET_SHARE = 0.02
ON_CPU = "CPU"


def summary(seen: Timeline, path: Path, overhead: Overhead | None, problem: str | None) -> dict[str, Any]:
    """The same for people and for programs.

    ``waits`` says how many sessions waited so on average. Blockers are told by their statement and state:
    ``pids`` are the sessions that were one, ``blocked`` the most sessions that waited for one at a time, through others
    too. A session that is itself blocked is no blocker here, since it goes on when that ends.
    """
    counts = Counter(sample.kind for sample in seen.samples)
    return {
        "timeline": str(path),
        "seconds": round(seen.seconds, 3),
        "sources": [{**asdict(source), "samples": counts[source.name]} for source in seen.header.sources],
        "waits": _waits(seen),
        "blockers": _blockers(seen),
        "lost": [{"t": sample.t, **sample.data} for sample in seen.of(timeline.LOST)],
        "hidden_sessions": max((sample.data["hidden"] for sample in seen.of(timeline.ACTIVITY)), default=0),
        "overhead": asdict(overhead) if overhead is not None else None,
        "cores": seen.header.facts.get("cores", 1),
        "problem": problem,
        "notes": list(seen.notes),
    }


def lines(told: dict[str, Any]) -> list[str]:
    """The summary as text."""
    found = [f"{told['timeline']}: {told['seconds']:.1f} s"]
    watched = [source for source in told["sources"] if source["interval_s"] is not None]
    found += [f"  {source['name']}: {source['samples']} samples" for source in watched]
    if told["waits"]:
        found.append("Sessions at work or in a transaction, on average:")
        found += [f"  {each['sessions']:7.2f}  {each['wait']}" for each in told["waits"][:SHOWN_WAITS]]
    for each in told["blockers"][:SHOWN_BLOCKERS]:
        more = f" and {len(each['pids']) - 1} more" if len(each["pids"]) > 1 else ""
        found.append(
            f"Blocker {each['pids'][0]}{more} ({each['state']}) kept up to {each['blocked']} sessions waiting, "
            f"the longest {each['longest_s']:.1f} s: {each['statement'][:MAX_TEXT]}"
        )
    if not told["blockers"] and any(source["name"] == timeline.ACTIVITY for source in watched):
        found.append("No session was seen waiting for another's lock.")
    found += _cost(told["overhead"], told["cores"])
    missing = [source for source in told["sources"] if source["reason"] is not None]
    if missing:
        found.append("Missing:")
        found += [f"  {source['name']}: {source['reason']}" for source in missing]
    if told["hidden_sessions"]:
        found.append(f"  up to {told['hidden_sessions']} sessions of which nothing is visible")
    found += [f"  {each['source']} from {each['t']:.1f} s: {each['reason']}" for each in told["lost"]]
    return [*found, *told["notes"], *([told["problem"]] if told["problem"] else [])]


def _waits(seen: Timeline) -> list[dict[str, Any]]:
    samples = seen.of(timeline.ACTIVITY)
    counted: Counter[str] = Counter()
    for sample in samples:
        for session in sample.data["sessions"]:
            counted[_wait(session)] += 1
    return [{"wait": wait, "sessions": round(count / len(samples), 3)} for wait, count in counted.most_common()]


def _wait(session: dict[str, Any]) -> str:
    wait = f"{session['wait_type']}:{session['wait_event']}" if session["wait_type"] else ON_CPU
    return wait if session["state"] == "active" else f"{wait} ({session['state']})"


def _blockers(seen: Timeline) -> list[dict[str, Any]]:
    texts = {sample.data["number"]: sample.data["text"] for sample in seen.of(timeline.STATEMENT)}
    found: dict[tuple[Any, Any], dict[str, Any]] = {}
    for sample in seen.of(timeline.ACTIVITY):
        sessions = {session["pid"]: session for session in sample.data["sessions"]}
        waiting = [session for session in sessions.values() if session["blocked_by"]]
        for pid in {pid for session in waiting for pid in session["blocked_by"]}:
            blocker = sessions.get(pid, {})
            if blocker.get("blocked_by"):
                continue
            behind = _behind(pid, waiting)
            told = found.setdefault(
                (blocker.get("statement"), blocker.get("state")),
                {
                    "pids": [],
                    "state": blocker.get("state", "no client's session"),
                    "application": blocker.get("application"),
                    "statement": " ".join(texts.get(blocker.get("statement"), "its statement is not known").split()),
                    "blocked": 0,
                    "longest_s": 0.0,
                    "samples": 0,
                },
            )
            told["samples"] += 1
            told["pids"] += [pid] if pid not in told["pids"] else []
            told["blocked"] = max(told["blocked"], len(behind))
            told["longest_s"] = max([told["longest_s"], *(session["query_s"] or 0.0 for session in behind)])
    return sorted(found.values(), key=lambda told: -told["samples"])


def _behind(pid: int, waiting: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All who wait for this one, or for one who waits for it."""
    pids, size = {pid}, 0
    while len(pids) > size:
        size = len(pids)
        pids |= {session["pid"] for session in waiting if pids & set(session["blocked_by"])}
    return [session for session in waiting if session["pid"] in pids]


def _cost(overhead: dict[str, Any] | None, cores: int) -> list[str]:
    if overhead is None:
        return []
    told = (
        f"Watching took {overhead['cpu_s']:.2f} s of a processor ({overhead['core_share']:.1%} of one core, "
        f"{overhead['core_share'] / cores:.1%} of this machine) and "
        f"{overhead['database_s']:.2f} s of statements"
    )
    share = overhead["database_share"]
    if share is None:
        return [f"{told}."]
    over = (
        f", more than the {TARGET_SHARE:.0%} that it should be where the database has work"
        if share > TARGET_SHARE
        else ""
    )
    return [f"{told}, {share:.1%} of the time of the database's sessions{over}."]
