"""Write down every request with its raw time, and what became of every reservation.

Locust's own figures round (3,432 ms becomes 3,400 ms), and cannot tell a reservation that was
refused from one whose answer never came. One process writes one set of files:

``requests-<pid>.csv``: name, start (s since the epoch), latency (us), ok (1 or 0).
``reservations-<pid>.csv``: key, product id, quantity, outcome (reserved, refused, failed, unanswered).
``run-<pid>.json``: when the load started and stopped, s since the epoch, and how many requests were due and never sent.
``users-<pid>.csv``: s since the epoch, users; a line every second.
``progress-<pid>.json``: figures of the moment, replaced every second.
"""

import csv
import json
import os
import time
from pathlib import Path
from typing import Any


class Recorder:
    """The files of one Locust process in ``directory``, which must exist."""

    def __init__(self, directory: Path) -> None:
        suffix = str(os.getpid())
        self._requests_file = (directory / f"requests-{suffix}.csv").open("w", newline="")
        self._reservations_file = (directory / f"reservations-{suffix}.csv").open("w", newline="")
        self._users_file = (directory / f"users-{suffix}.csv").open("w", newline="")
        self._users = csv.writer(self._users_file)
        self._requests = csv.writer(self._requests_file)
        self._reservations = csv.writer(self._reservations_file)
        self._run = directory / f"run-{suffix}.json"
        self._progress = directory / f"progress-{suffix}.json"
        self._unanswered: dict[str, tuple[int, int]] = {}
        self._started = time.time()
        self._count = 0
        self._failures = 0

    def start(self) -> None:
        self._started = time.time()

    def request(self, name: str, started: float, latency_ms: float, is_ok: bool) -> None:
        self._count += 1
        self._failures += not is_ok
        self._requests.writerow((name, f"{started:.6f}", round(latency_ms * 1000), int(is_ok)))

    def reservation_sent(self, key: str, product_id: int, quantity: int) -> None:
        self._unanswered[key] = (product_id, quantity)

    def reservation_answered(self, key: str, outcome: str) -> None:
        product_id, quantity = self._unanswered.pop(key)
        self._reservations.writerow((key, product_id, quantity, outcome))

    def stop(self, unsent: int = 0) -> None:
        """Note the end of the load; requests under way may still be answered."""
        self._run.write_text(json.dumps({"started": self._started, "stopped": time.time(), "unsent": unsent}))

    def progress(self, users: int) -> None:
        if not self._users_file.closed:
            self._users.writerow((f"{time.time():.3f}", users))
        figures: dict[str, Any] = {
            "elapsed_s": round(time.time() - self._started, 1),
            "users": users,
            "requests": self._count,
            "failures": self._failures,
        }
        staging = self._progress.with_suffix(".new")
        staging.write_text(json.dumps(figures))
        staging.replace(self._progress)

    def close(self) -> None:
        """Write what is left, with the reservations that were never answered."""
        for key, (product_id, quantity) in self._unanswered.items():
            self._reservations.writerow((key, product_id, quantity, "unanswered"))
        self._users_file.close()
        self._requests_file.close()
        self._reservations_file.close()
