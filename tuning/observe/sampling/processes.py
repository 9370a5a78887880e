"""The processor time of groups of processes, and of the whole host, from /proc."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuning.observe.sampling.process_group import Group, read_all
from tuning.observe.sampling.source import Seen, Unwatchable
from tuning.timeline import PROCESSES

NAME = "processes"
# All of /proc is read to find new children; between, the known processes alone.
DISCOVERY_S = 1.0
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# proc(5), /proc/stat: user nice system idle iowait irq softirq steal.
_HOST_FIELDS = {"user": (0, 1), "system": (2, 5, 6), "idle": (3,), "iowait": (4,), "steal": (7,)}


class Processes:
    """Groups by name; each begins with processes that are there, or it is not watched."""

    name = NAME

    def __init__(self, groups: Mapping[str, Sequence[int]], interval_s: float) -> None:
        self.interval_s = interval_s
        self.facts: dict[str, Any] = {"cores": os.cpu_count() or 1}
        self.partly: str | None = None
        roots = [pid for pids in groups.values() for pid in pids]
        self._groups = {name: Group(pids, roots) for name, pids in groups.items()}
        self._discovery_due = 0.0

    def open(self) -> None:
        if not Path("/proc/stat").exists():
            raise Unwatchable("this system has no /proc")
        alive = read_all()
        gone = sorted(f"{pid} ({name})" for name, group in self._groups.items() for pid in group.roots - alive.keys())
        if gone and all(not group.roots & alive.keys() for group in self._groups.values()):
            raise Unwatchable(f"there is no process {', '.join(gone)}")
        self.partly = f"there is no process {', '.join(gone)}" if gone else None

    def sample(self, *, is_edge: bool) -> Seen:
        now = time.monotonic()
        if is_edge or now >= self._discovery_due:
            self._discovery_due = now + DISCOVERY_S
            alive = read_all()
            for group in self._groups.values():
                group.discover(alive)
        groups = {name: group.read() for name, group in self._groups.items()}
        yield PROCESSES, {"groups": groups, "host": {"cpu_s": _host(), "cores": self.facts["cores"]}}

    def close(self) -> None:
        """Keep the groups: what has ended has been counted in them."""

    def interrupt(self) -> None:
        """Nothing here waits."""


def _host() -> dict[str, float]:
    with Path("/proc/stat").open() as file:
        ticks = [int(value) for value in file.readline().split()[1:]]
    return {
        name: round(sum(ticks[index] for index in indexes if index < len(ticks)) * _TICK_S, 2)
        for name, indexes in _HOST_FIELDS.items()
    }
