"""Run folders of known figures: 10 s, 4 users, 400 requests of 100 ms, and what a timeline adds."""

import json
from pathlib import Path
from typing import Any

from tuning import timeline
from tuning.diagnose.readers import run_folder

SECONDS, USERS, REQUESTS, MEAN_MS = 10, 4, 400, 100.0
ROUTE = 'hotrow_http_request_seconds_{}{{method="GET",route="api/products",status="2xx"{}}}'


def load(**changes: Any) -> dict[str, Any]:
    figures = {"failures": 0, "mean_ms": MEAN_MS, "p50_ms": 90.0, "p95_ms": 200.0, "p99_ms": 300.0, "max_ms": 400.0}
    whole = {"seconds": SECONDS, "requests_per_s": REQUESTS / SECONDS, "requests": REQUESTS, **figures}
    series = [[at, USERS, REQUESTS // SECONDS, 0, 90.0, 200.0] for at in range(1, SECONDS + 1)]
    kinds = [{"name": "GET /api/products", "count": REQUESTS, **figures}]
    return {**whole, "by_request": kinds, "series": series, **changes}


def write(folder: Path, samples: list[tuple[float, str, dict[str, Any]]] | None, **changes: Any) -> Path:
    """Write a run, and its timeline unless ``samples`` is None."""
    folder.mkdir(parents=True, exist_ok=True)
    run = {"format": run_folder.FORMAT, "profile": folder.name, "change": "a change", "slots": 4, "users": USERS}
    run |= {"spawn_rate_per_s": None, "seconds": SECONDS, "arrivals": "closed", "load": load(), **changes}
    (folder / run_folder.RUN).write_text(json.dumps(run))
    if samples is not None:
        with (folder / run_folder.TIMELINE).open("w") as file:
            writer = timeline.Writer(file, timeline.Header(0.0, (timeline.Source("redis", "it was not named"),)))
            for t, kind, data in samples:
                writer.add(t, kind, data)
    return folder


def session(pid: int, *, state: str = "active", wait: str | None = None, xact_s: float = 0.0, by: Any = ()) -> Any:
    kind, _, event = (wait or "").partition(":")
    who = {"pid": pid, "user": "app", "application": "web", "state": state, "statement": 1}
    return who | {"wait_type": kind or None, "wait_event": event or None, "xact_s": xact_s, "blocked_by": list(by)}


def activity(*sessions: Any) -> list[tuple[float, str, dict[str, Any]]]:
    """The same sessions for the whole run, at 10 Hz."""
    said = (0.0, timeline.STATEMENT, {"number": 1, "text": "SELECT units FROM stock FOR UPDATE"})
    return [said, *((at / 10, timeline.ACTIVITY, {"sessions": list(sessions)}) for at in range(SECONDS * 10 + 1))]


def service(inside_s: float, *, pool_wait_s: float = 0.0) -> list[tuple[float, str, dict[str, Any]]]:
    """Each request was so long in the service, and waited so long for a connection."""
    samples = []
    for at in range(SECONDS + 1):
        count = REQUESTS / SECONDS * at
        values = {ROUTE.format("count", ""): count, ROUTE.format("sum", ""): count * inside_s}
        values |= {ROUTE.format("bucket", ',le="+Inf"'): count}
        values |= {'hotrow_pool_wait_seconds_total{alias="default"}': count * pool_wait_s}
        samples.append((float(at), timeline.SERVICE, {"values": values}))
    return samples


def logins(took_s: float, *, hash_s: float | None = None) -> list[tuple[float, str, dict[str, Any]]]:
    """Ten logins a second that take so long in the service; its own count of what each one's hash computed."""
    samples = []
    for at in range(SECONDS + 1):
        count = 10.0 * at
        labels = 'method="POST",route="api/auth/token",status="2xx"'
        name = "hotrow_http_request_seconds"
        values = {f"{name}_count{{{labels}}}": count, f"{name}_sum{{{labels}}}": count * took_s}
        values |= {f'{name}_bucket{{{labels},le="{upper}"}}': count * (took_s < upper) for upper in (0.1, 0.5, 5.0)}
        values |= {f'{name}_bucket{{{labels},le="+Inf"}}': count}
        if hash_s is not None:
            values |= {"hotrow_login_hash_cpu_seconds_total": count * hash_s}
        samples.append((float(at), timeline.SERVICE, {"values": values}))
    return samples


def processes(**cores: float) -> list[tuple[float, str, dict[str, Any]]]:
    """Groups of one process that use so much of two cores, of which half is idle."""
    return [
        (
            float(at),
            timeline.PROCESSES,
            {
                "groups": {
                    name: {"cpu_s": used * at, "processes": 1, "most_cpu_s": used * at} for name, used in cores.items()
                },
                "host": {"cpu_s": {"user": at, "idle": at, "steal": 0.0, "iowait": 0.0}, "cores": 2},
            },
        )
        for at in range(SECONDS + 1)
    ]


def pooler(size: int, busy: float, queue: float) -> list[tuple[float, str, dict[str, Any]]]:
    """A pool whose servers are in transactions for a share of the time, with so many clients waiting."""
    row = {"database": "shop", "user": "app", "cl_active": 9, "cl_waiting": round(queue), "pool_size": size}
    row |= {"sv_active": size, "sv_idle": 0 if queue else size}
    return [
        (
            float(at),
            timeline.POOLER,
            {
                "pools": [row],
                "totals": {
                    "shop": {
                        "xact_count": 40 * at,
                        "xact_time": at * size * busy * 1e6,
                        "query_time": at * size * busy * 1e6,
                        "wait_time": at * queue * 1e6,
                    }
                },
            },
        )
        for at in range(SECONDS + 1)
    ]
