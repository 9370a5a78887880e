"""The asynchronous parts beside the running stack: a worker that can be killed, beat, and a payment provider."""

import json
import os
import signal
import time
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

from tuning.stack import worker
from tuning.stack.children import Child
from tuning.stack.paths import InstancePaths
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack

PATIENCE_S = 20.0
# Long enough to find a worker at a step and kill it there.
PAYMENT_TIMEOUT_S = 8


def eventually(is_so: Callable[[], Any], what: str) -> Any:
    """Wait until a truth, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.02)
    return found


class Provider:
    """The fake payment provider, a process."""

    def __init__(self, stack: Stack) -> None:
        self.port = free_port()
        self.child = worker.start_provider(stack.paths.log(f"payments-{self.port}"), self.port)
        self.url = f"http://{HOST}:{self.port}"

    def faults(self, *faults: dict[str, Any]) -> None:
        """These faults and no others; requests that are held go on."""
        request = urllib.request.Request(f"{self.url}/faults", json.dumps(faults).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 200

    def state(self) -> Any:
        with urllib.request.urlopen(f"{self.url}/state", timeout=5) as answer:
            return json.load(answer)

    def await_held(self) -> None:
        eventually(lambda: self.state()["held"], "a request is held at the provider")

    def authorisations(self, order_id: uuid.UUID) -> list[dict[str, Any]]:
        return [each for each in self.state()["authorisations"] if each["order_id"] == str(order_id)]

    def charges(self, order_id: uuid.UUID) -> int:
        """How often the buyer pays: authorisations that were not voided."""
        return sum(not each["voided"] for each in self.authorisations(order_id))


class Parts:
    """Workers and beats on queues of their own, so that nobody else takes their messages."""

    def __init__(self, stack: Stack, payment_url: str) -> None:
        self._paths = InstancePaths(stack.paths.root)
        broker = stack.service_env()["BROKER_URL"].rpartition("/")[0] + "/2"
        settings = {"PAYMENT_URL": payment_url, "PAYMENT_TIMEOUT_S": str(PAYMENT_TIMEOUT_S), "BROKER_URL": broker}
        self.env = stack.service_env() | settings
        self.broker = broker
        self._started: list[Child] = []

    def worker(self) -> Child:
        self._started.append(worker.start_worker(self._paths, self.env))
        return self._started[-1]

    def beat(self) -> Child:
        self._started.append(worker.start_beat(self._paths, self.env))
        return self._started[-1]

    def kill(self, child: Child) -> None:
        """Kill a part and its processes, none of which is asked."""
        os.killpg(child.pid, signal.SIGKILL)
        child.process.wait()
        self._started.remove(child)

    def end(self) -> None:
        for each in list(self._started):
            self.kill(each)
