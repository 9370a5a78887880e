"""The report's workload: ``locust -f tuning/load/locustfile.py --host http://... --headless``.

Each user logs in once, then lists products, checks availability and reserves, in the report's
mix and without think time; with ``--rate`` requests are due at that rate instead. It speaks to any
host that serves the same API. Locust has patched threads and sleeps with gevent's before it loads
this file.
"""

import itertools
import random
import threading
import time
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import Any

from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from tuning.load.recorder import Recorder
from tuning.load.scenario import AVAILABILITY, LIST, LOGIN, MIX, RESERVE, Scenario
from tuning.load.schedule import Schedule

PROGRESS_INTERVAL_S = 1.0
# The report's slowest answer took 27 s: a client that gives up earlier would hide such waits.
TIMEOUT_S = 120.0
LIST_PAGES = 5
RETRY_LOGIN_S = 1.0

_numbers = itertools.count()
_recorder: Recorder | None = None
_schedule: Schedule | None = None
# Which of the load's processes this is, and how many there are.
_index, _processes = 0, 1


@events.init_command_line_parser.add_listener
def _arguments(parser: LocustArgumentParser) -> None:
    group = parser.add_argument_group("flash sale")
    group.add_argument("--scenario", default="", help="<strategy>_<users>_<spawn rate>; sets the last two")
    group.add_argument("--timings", default="", help="existing directory for the raw timings")
    group.add_argument("--rate", type=float, default=0.0, help="requests/s that are due, however slow the answers")
    group.add_argument("--demo-users", type=int, default=1_000, help="user1 ... userN exist")
    group.add_argument("--demo-password", default="flash-sale", help="the password of each of them")
    group.add_argument("--products", type=int, default=1_000, help="products 1 ... N exist; 1 is on flash sale")
    group.add_argument("--hot-share", type=float, default=0.8, help="share of the reservations that want product 1")


@events.init.add_listener
def _prepare(environment: Environment, **_: Any) -> None:
    global _recorder, _schedule, _index, _processes  # noqa: PLW0603  # Locust's listeners share nothing else
    options = environment.parsed_options
    assert options is not None  # the runner was started from a command line
    if options.scenario:
        scenario = Scenario.parse(options.scenario)
        options.num_users, options.spawn_rate = scenario.users, scenario.spawn_rate
    if isinstance(environment.runner, MasterRunner):
        return  # its workers make the requests, and each of them records its own
    if isinstance(environment.runner, WorkerRunner):
        _index, _processes = environment.runner.worker_index, max(1, options.processes or 1)
    if options.rate:
        schedule = _schedule = Schedule(options.rate / _processes, _index / _processes)
        environment.events.spawning_complete.add_listener(lambda **_: schedule.begin(time.time()))
    if not options.timings:
        return
    recorder = _recorder = Recorder(Path(options.timings))

    def follow() -> None:
        while True:
            recorder.progress(environment.runner.user_count if environment.runner else 0)
            time.sleep(PROGRESS_INTERVAL_S)

    def start(**_: Any) -> None:
        recorder.start()
        threading.Thread(target=follow, daemon=True).start()

    def request(
        name: str, start_time: float, response_time: float, context: dict[str, Any], exception: Any = None, **_: Any
    ) -> None:
        due = context.get("due")
        if due is not None:
            start_time, response_time = due, response_time + (start_time - due) * 1000
        recorder.request(name, start_time, response_time, exception is None)

    def stop(**_: Any) -> None:
        recorder.stop(_schedule.unsent(time.time()) if _schedule else 0)

    environment.events.test_start.add_listener(start)
    environment.events.request.add_listener(request)
    environment.events.test_stopping.add_listener(stop)
    environment.events.quit.add_listener(lambda **_: recorder.close())


class Buyer(FastHttpUser):
    """One buyer of the flash sale."""

    network_timeout = TIMEOUT_S
    connection_timeout = TIMEOUT_S
    due: float | None = None
    """When the request under way was due, where requests are due at a rate."""

    def wait_time(self) -> float:
        """Until the next request; closed-loop users ask again at once."""
        if _schedule is None:
            return 0.0
        self.due = _schedule.take()
        return Schedule.wait_s(self.due)

    def context(self) -> dict[str, Any]:
        return {"due": self.due}

    def on_start(self) -> None:
        """Log in; a service that asks for patience is asked again."""
        options = self.environment.parsed_options
        name = f"user{(next(_numbers) * _processes + _index) % options.demo_users + 1}"
        credentials = {"username": name, "password": options.demo_password}
        while True:
            answer = self.client.post("/api/auth/token", json=credentials, name=LOGIN)
            if answer.status_code == HTTPStatus.OK:
                break
            time.sleep(RETRY_LOGIN_S)
        self.client.client.default_headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        # Not Locust's own wait: a user who is stopped in it would be told of as an error.
        time.sleep(self.wait_time())

    @task(MIX[LIST])
    def list_products(self) -> None:
        self.client.get(f"/api/products?page={random.randint(1, LIST_PAGES)}", name=LIST)

    @task(MIX[AVAILABILITY])
    def check_availability(self) -> None:
        self.client.get(f"/api/products/{self._product()}/availability", name=AVAILABILITY)

    @task(MIX[RESERVE])
    def reserve(self) -> None:
        product_id, key = self._product(), str(uuid.uuid4())
        if _recorder is not None:
            _recorder.reservation_sent(key, product_id, 1)
        with self.client.post(
            "/api/reservations",
            json={"lines": [{"product_id": product_id, "quantity": 1}]},
            headers={"Idempotency-Key": key},
            name=RESERVE,
            catch_response=True,
        ) as answer:
            outcome = "failed"
            if answer.status_code == HTTPStatus.CREATED:
                outcome = "reserved"
            elif answer.status_code == HTTPStatus.CONFLICT and answer.json().get("code") == "insufficient":
                outcome = "refused"
                answer.success()
        # Without an answer (status 0) the reservation may stand: the key stays unanswered.
        if _recorder is not None and answer.status_code:
            _recorder.reservation_answered(key, outcome)

    def _product(self) -> int:
        options = self.environment.parsed_options
        return 1 if random.random() < options.hot_share else random.randint(1, options.products)
