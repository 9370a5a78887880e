"""A tree of processes whose total grows: those that end leave their time to it."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """``waited_s`` is the time of its ended children that it has waited for. ``start`` tells two of one pid apart."""

    pid: int
    parent: int
    start: int
    cpu_s: float
    waited_s: float
    threads: int
    rss_bytes: int
    program: bytes


def read(pid: int) -> Process | None:
    """/proc/PID/stat; None where the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # five times a second for each process
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5); the name in parentheses may hold spaces and parentheses. Field 3, the state, is the first after it.
    fields = text[text.rindex(b")") + 2 :].split()
    user, system, waited_user, waited_system = (int(fields[number]) for number in (11, 12, 13, 14))
    return Process(
        pid,
        int(fields[1]),
        int(fields[19]),
        (user + system) * _TICK_S,
        (waited_user + waited_system) * _TICK_S,
        int(fields[17]),
        int(fields[21]) * _PAGE_BYTES,
        text[text.index(b"(") + 1 : text.rindex(b")")],
    )


def read_all() -> dict[int, Process]:
    found = (read(int(name)) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208
    return {process.pid: process for process in found if process is not None}


class Group:
    """The trees below some processes, without those below ``others``, the roots of other groups: each process is in
    one group, though a test or a supervisor starts the service and its load as its own children.

    A child whose parent has ended stays in the group. The time of one of ``others`` comes to the group that waits for
    its end.
    """

    def __init__(self, roots: Iterable[int], others: Iterable[int] = ()) -> None:
        self.roots = frozenset(roots)
        self._others = frozenset(others) - self.roots
        self._first_s: dict[int, float] = {}
        self._known: dict[int, Process] = {}
        self._starts: dict[int, int] = {}
        self._left_s = 0.0
        self._total_s = 0.0

    def discover(self, alive: Mapping[int, Process]) -> None:
        """Find the members among all processes; a root whose pid was given to another process is none any more."""
        children: dict[int, list[Process]] = {}
        for process in alive.values():
            children.setdefault(process.parent, []).append(process)
        known = [pid for pid, process in self._known.items() if pid in alive and alive[pid].start == process.start]
        first = [
            pid for pid in self.roots if pid in alive and self._starts.get(pid, alive[pid].start) == alive[pid].start
        ]
        queue, members = [*first, *known], {}
        while queue:
            pid = queue.pop(0)
            if pid in members:
                continue
            members[pid] = alive[pid]
            queue += [child.pid for child in children.get(pid, ()) if child.pid not in self._others]
        self._starts |= {pid: alive[pid].start for pid in first}
        # Who is new begins to be known; who has gone is settled by the next reading.
        self._known = {pid: process for pid, process in self._known.items() if pid not in members} | members

    def read(self) -> dict[str, Any]:
        """The group as it is now.

        Parents are read before their children: a child that ends between the two is missing for a moment, which the
        total hides because it never falls, and is not counted twice, which would stay.
        """
        now: dict[int, Process] = {}
        for pid in sorted(self._known, key=lambda pid: self._known[pid].start):
            process = read(pid)
            if process is not None and process.start == self._known[pid].start:
                now[pid] = process
        for pid, gone in self._known.items():
            # The parent that waited for it has its time; where that is no member, the group keeps it.
            if pid not in now and gone.parent not in now:
                self._left_s += gone.cpu_s + gone.waited_s
        self._known = now
        members = now.values()
        # What a process did before it was watched does not make it the busiest.
        self._first_s = {pid: self._first_s.get(pid, process.cpu_s) for pid, process in now.items()}
        total = self._left_s + sum(process.cpu_s + process.waited_s for process in members)
        self._total_s = max(self._total_s, total)
        return {
            "cpu_s": round(self._total_s, 2),
            "processes": len(now),
            "threads": sum(process.threads for process in members),
            "rss_bytes": sum(process.rss_bytes for process in members),
            "most_cpu_s": round(
                max((process.cpu_s - self._first_s[process.pid] for process in members), default=0.0), 2
            ),
        }
