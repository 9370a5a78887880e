"""What a planted cause needs: a load that is timed, a way that is slow on purpose, and the run folder of both."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from tuning.diagnose.findings import Diagnosis
from tuning.diagnose.judge import judge
from tuning.diagnose.readers import run_folder
from tuning.observe.watch import Targets, Watch
from tuning.stack.ports import HOST

Request = Callable[[], str]
"""Makes one request and returns its name."""
SECONDS = 2.5
# A load of seconds needs more samples than one of a minute.
OFTEN_HZ = 20.0


class Load:
    """Closed clients, each a thread that asks again at once; ``took`` is (name, when it ended, s)."""

    def __init__(self, clients: list[Request], seconds: float = SECONDS) -> None:
        self.seconds, self.users = seconds, len(clients)
        self.took: list[tuple[str, float, float]] = []
        self._errors: list[BaseException] = []
        self._clients = clients

    def run(self) -> None:
        self._began = time.monotonic()
        threads = [threading.Thread(target=self._ask, args=(client,)) for client in self._clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _ask(self, client: Request) -> None:
        try:
            while (began := time.monotonic()) < self._began + self.seconds:
                name = client()
                ended = time.monotonic()
                self.took.append((name, ended - self._began, ended - began))
        except (AssertionError, OSError, psycopg.Error) as error:
            self._errors.append(error)

    def document(self) -> dict[str, Any]:
        """As a run folder has it."""
        names = sorted({name for name, _, _ in self.took})
        in_time = sum(ended <= self.seconds for _, ended, _ in self.took)
        by_request = [_figures(name, [s for each, _, s in self.took if each == name]) for name in names]
        whole = _figures("all", [s for _, _, s in self.took])
        series = [
            [at + 1, self.users, len(now), 0, _at(now, 0.5), _at(now, 0.95)]
            for at in range(int(self.seconds))
            for now in [sorted(s * 1000 for _, ended, s in self.took if at <= ended < at + 1)]
        ]
        rate = {"seconds": self.seconds, "requests_per_s": in_time / self.seconds, "requests": whole.pop("count")}
        return whole | rate | {"by_request": by_request, "series": series}


def _figures(name: str, took_s: list[float]) -> dict[str, Any]:
    ordered = sorted(took_s)
    percentiles = {f"p{percent}_ms": _at(ordered, percent / 100) * 1000 for percent in (50, 95, 99)}
    mean_ms = sum(ordered) / len(ordered) * 1000
    return {"name": name, "count": len(ordered), "failures": 0, "mean_ms": mean_ms, "max_ms": ordered[-1] * 1000} | (
        percentiles
    )


def _at(ordered: list[float], part: float) -> float:
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def diagnosed(
    folder: Path, load: Any, targets: Targets, *, slots: int | None = None, during: Callable[[], Any] | None = None
) -> Diagnosis:
    """Run the load while everything is recorded, write the run folder, and judge it."""
    often = replace(targets, activity_hz=OFTEN_HZ, processes_hz=OFTEN_HZ, totals_hz=OFTEN_HZ / 4)
    with Watch(often, folder / run_folder.TIMELINE):
        # Something beside the load, which ends by itself.
        beside = threading.Thread(target=during) if during else None
        if beside:
            beside.start()
        load.run()
        if beside:
            beside.join()
    run = {
        "format": run_folder.FORMAT,
        "profile": folder.name,
        "slots": slots,
        "users": load.users,
        "spawn_rate_per_s": None,
        "seconds": load.seconds,
        "arrivals": "closed",
        "load": load.document(),
    }
    (folder / run_folder.RUN).write_text(json.dumps(run))
    return judge(run_folder.read(folder).run)


@contextmanager
def slow_way(port: int, delay_s: float) -> Iterator[int]:
    """A port that leads to another of this host, and keeps what is sent for a while, each way."""
    listener = socket.create_server((HOST, 0))
    open_sockets: list[socket.socket] = [listener]

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                time.sleep(delay_s)
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((HOST, port))
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_sockets.extend((client, server))
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=pass_on, args=ends, daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        for each in open_sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        accepting.join(timeout=5)
