"""What logins cost those who read, and how many there can be with each hasher."""

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tuning.bench import openloop, tokens
from tuning.bench.figures import percentile
from tuning.bench.openloop import Stream
from tuning.stack import web
from tuning.stack.ports import HOST, free_port
from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running

INSTANCE = "bench-logins"
READS_PER_S = 200
LOGINS_PER_S = 20
# Reads are answered in milliseconds; a stall of a tenth of a second is still asked through.
READERS = 20
# As many as 20 logins/s would have under way if each took 2 s.
LOGGERS = 40
PRODUCTS = 1_000
PASSWORD = "flash-sale"  # noqa: S105  # of the demo data
# Enough to keep every hashing thread busy; each logs in users of its own.
CALLERS = 8
KIT_HASHER, DJANGO_HASHER = "argon2id", "django"
# Each hasher has users of its own: a login would renew the hash of the other.
USERS = {KIT_HASHER: (1, 500), DJANGO_HASHER: (501, 508)}
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Reads:
    p50_ms: float
    p99_ms: float
    max_ms: float
    requests: int
    failed: int


@dataclass(slots=True)
class Measured:
    """Figures by round: reads alone and beside logins, the logins beside them, and logins/s by hasher."""

    alone: list[Reads] = field(default_factory=list)
    beside: list[Reads] = field(default_factory=list)
    logins: list[Reads] = field(default_factory=list)
    logins_per_s: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in USERS})
    worker_timeouts: int = 0
    parts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def measure(*, rounds: int, seconds: int, postgres_bin: Path | None, step: Report, figures: Report) -> Measured:
    """Start the kit's stack, and the same service with Django's default hasher beside it; measure in turns.

    Args:
        rounds: How often each figure is measured.
        seconds: The length of each measurement.
        postgres_bin: Another PostgreSQL than the embedded one.
        step: Called when something begins.
        figures: Called with what is measured.

    Raises:
        StackError: A part did not start, or ended, or a login failed where logins alone are counted.
    """
    found = Measured()
    profile = replace(KIT, has_replica=False)
    with running(INSTANCE, profile, is_fresh=True, postgres_bin=postgres_bin, report=step) as stack:
        found.notes += stack.notes
        port = free_port()
        slow = web.start(stack.paths.log("django"), port, {**stack.service_env(), "HASHER": DJANGO_HASHER})
        urls = {KIT_HASHER: stack.url, DJANGO_HASHER: f"http://{HOST}:{port}"}
        try:
            step("renewing the hashes of those who log in with Django's hasher")
            first, last = USERS[DJANGO_HASHER]
            openloop.saturate(urls[DJANGO_HASHER], _login(DJANGO_HASHER), callers=last - first + 1, seconds=0.1)
            for number in range(rounds):
                step(f"round {number + 1} of {rounds}: 4 measurements, {seconds} s each")
                # The order changes, so that what drifts is fair to both.
                for has_logins in (False, True) if number % 2 == 0 else (True, False):
                    figures(f"reads {'beside logins' if has_logins else 'alone'}")
                    _reads(stack, found, seconds, has_logins=has_logins)
                for hasher, url in urls.items():
                    figures(f"logins with {hasher}")
                    rate = openloop.saturate(url, _login(hasher), callers=CALLERS, seconds=seconds)
                    found.logins_per_s[hasher].append(rate)
                stack.check()
                slow.check()
        finally:
            slow.stop()
        found.worker_timeouts = sum(
            stack.paths.log(name).read_text(errors="replace").count("WORKER TIMEOUT") for name in ("web", "django")
        )
        found.parts = {part.name: part.version for part in stack.parts}
    return found


def _reads(stack: Stack, found: Measured, seconds: int, *, has_logins: bool) -> None:
    kid, key = tokens.first_key(stack.service_env()["JWT_KEYS"])
    reads = Stream("reads", READS_PER_S, READERS, _read(tokens.issue(1, kid, key)))
    logins = Stream("logins", LOGINS_PER_S, LOGGERS, _login(KIT_HASHER))
    heard = openloop.run(stack.url, [reads, logins] if has_logins else [reads], seconds=seconds)
    (found.beside if has_logins else found.alone).append(_summed(heard["reads"]))
    if has_logins:
        found.logins.append(_summed(heard["logins"]))


def _summed(heard: openloop.Heard) -> Reads:
    times = heard.latencies_ms
    return Reads(percentile(times, 0.5), percentile(times, 0.99), max(times), len(times), heard.failed)


def _read(token: str) -> openloop.Ask:
    headers = {"Authorization": f"Bearer {token}"}

    def ask(connection: http.client.HTTPConnection, number: int) -> int:
        connection.request("GET", f"/api/products/{number % PRODUCTS + 1}/availability", headers=headers)
        return _answered(connection)

    return ask


def _login(hasher: str) -> openloop.Ask:
    first, last = USERS[hasher]

    def ask(connection: http.client.HTTPConnection, number: int) -> int:
        name = f"user{first + number % (last - first + 1)}"
        body = json.dumps({"username": name, "password": PASSWORD}).encode()
        connection.request("POST", "/api/auth/token", body, {"Content-Type": "application/json"})
        return _answered(connection)

    return ask


def _answered(connection: http.client.HTTPConnection) -> int:
    answer = connection.getresponse()
    answer.read()
    return answer.status
