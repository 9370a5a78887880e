"""The benchmark of logins, as JSON and Markdown."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tuning.bench.figures import Spread, ratio
from tuning.bench.logins import CALLERS, DJANGO_HASHER, KIT_HASHER, LOGINS_PER_S, READS_PER_S, Measured, Reads
from tuning.observe.machine import Machine

TITLES = ("what", "min", "median", "max")


def document(found: Measured, machine: Machine, *, rounds: int, seconds: int) -> dict[str, Any]:
    """Everything that was measured, ready for JSON."""
    rates = found.logins_per_s
    dearer = [beside.p99_ms - alone.p99_ms for alone, beside in zip(found.alone, found.beside, strict=True)]
    faster = ratio(rates[KIT_HASHER], rates[DJANGO_HASHER])
    return {
        "machine": asdict(machine),
        "settings": {"reads_per_s": READS_PER_S, "logins_per_s": LOGINS_PER_S, "callers": CALLERS, **found.parts},
        "rounds": rounds,
        "seconds": seconds,
        "reads_alone": _reads(found.alone),
        "reads_beside_logins": _reads(found.beside),
        "logins_beside_reads": _reads(found.logins),
        "p99_added_ms": asdict(Spread.of(dearer, digits=2)) | {"per_round": [round(value, 2) for value in dearer]},
        "logins_per_s": {name: asdict(Spread.of(values)) | {"per_round": values} for name, values in rates.items()},
        "ratio": asdict(faster) if faster else None,
        "worker_timeouts": found.worker_timeouts,
        "notes": found.notes,
    }


def failed(found: dict[str, Any]) -> int:
    """How many requests were not answered as they should have been."""
    return sum(int(found[name]["failed"]) for name in ("reads_alone", "reads_beside_logins", "logins_beside_reads"))


def rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table, under ``TITLES``."""
    rates = found["logins_per_s"]
    return [
        _row(f"p99 of {READS_PER_S} reads/s alone, ms", found["reads_alone"]["p99_ms"]),
        _row(f"the same beside {LOGINS_PER_S} logins/s", found["reads_beside_logins"]["p99_ms"]),
        _row("what logins add, ms", found["p99_added_ms"]),
        _row(f"p99 of those {LOGINS_PER_S} logins/s, ms", found["logins_beside_reads"]["p99_ms"]),
        _row(f"logins/s, {KIT_HASHER}", rates[KIT_HASHER]),
        _row(f"logins/s, Django's default ({DJANGO_HASHER})", rates[DJANGO_HASHER]),
        _row(f"{KIT_HASHER} over Django's default", found["ratio"] or {}),
    ]


def sentence(found: dict[str, Any]) -> str:
    """What went wrong, in words."""
    return f"Failed requests: {failed(found)}. Workers that lost their heartbeat: {found['worker_timeouts']}."


def markdown(found: dict[str, Any]) -> str:
    """The document for people."""
    machine = found["machine"]
    conditions = (
        f"{found['rounds']} rounds of {found['seconds']} s on {machine['cores']} cores of {machine['cpu']} with "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB, client on the same machine. Reads ask for the availability of "
        f"1,000 products at a fixed rate, timed from when each was due; the last three rows are {CALLERS} clients that "
        "log in again and again, and nothing else."
    )
    lines = ["# Logins", "", conditions, "", "| " + " | ".join(TITLES) + " |", "| --- | ---: | ---: | ---: |"]
    lines += ["| " + " | ".join(row) + " |" for row in rows(found)]
    lines += ["", sentence(found), *(f"\nNote: {note}." for note in found["notes"])]
    return "\n".join(lines) + "\n"


def _reads(measured: Sequence[Reads]) -> dict[str, Any]:
    return {
        "p50_ms": asdict(Spread.of([each.p50_ms for each in measured], digits=2)),
        "p99_ms": asdict(Spread.of([each.p99_ms for each in measured], digits=2)),
        "max_ms": round(max(each.max_ms for each in measured), 2),
        "requests": sum(each.requests for each in measured),
        "failed": sum(each.failed for each in measured),
    }


def _row(what: str, values: dict[str, Any]) -> tuple[str, ...]:
    return what, *(f"{values[name]:,.1f}" if name in values else "" for name in TITLES[1:])
