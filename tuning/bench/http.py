"""The whole service under wrk, and FastAPI with asyncpg beside it on the same database."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tuning.bench import tokens, wrk
from tuning.bench.matrix import rotated_numbers
from tuning.bench.rig import one
from tuning.bench.wrk import Hits, Target
from tuning.observe import audit
from tuning.observe.audit import InvariantResult
from tuning.stack import web
from tuning.stack.children import Child, spawn
from tuning.stack.errors import StackError
from tuning.stack.ports import HOST, free_port
from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running

INSTANCE = "bench-http"
SERVICE, PEER = "service", "fastapi"
LOADS = ("empty", "list", "hot", "spread")
# The service's cached product list; the peer has none.
LIST_PATH = "/api/products"
BUYERS = 200
HOT_PRODUCT = 1
SPREAD = (1, 1_000)
UNITS = 10**9
PEER_WORKERS = 2
WARM_UP_S = 2
# wrk goes when its time is up, whatever is under way; this long without a new row is quiet.
SETTLE_S = 0.3
SETTLE_TIMEOUT_S = 5.0
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Hit:
    """One row: a server, what is asked of it, over how many connections."""

    server: str
    load: str
    connections: int


@dataclass(slots=True)
class Served:
    """What each round measured of a row; ``reserved`` is what the database has more after it."""

    hit: Hit
    rounds: list[Hits] = field(default_factory=list)
    reserved: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Measured:
    strategy: str
    rows: list[Served]
    audit: list[InvariantResult]
    parts: dict[str, str]
    notes: list[str]


def measure(
    strategy: str,
    connections: Sequence[int],
    *,
    rounds: int,
    seconds: int,
    postgres_bin: Path | None,
    peers: Path,
    step: Report,
    figures: Report,
) -> Measured:
    """Start the kit's stack and the peer, measure every row once in each round, and audit.

    Args:
        strategy: The service's way to reserve.
        connections: Connections that are kept open at a time, one after the other.
        rounds: How often each row is measured.
        seconds: The length of each measurement.
        postgres_bin: Another PostgreSQL than the embedded one.
        peers: The peers' virtual environment; without FastAPI in it the service is measured alone.
        step: Called when something begins.
        figures: Called with the row that is measured.

    Raises:
        StackError: wrk is not installed, or a part did not start, or ended.
    """
    if shutil.which("wrk") is None:
        raise StackError("wrk is not installed: `make bench-peers` installs it, given root")
    # Strategies that write from Python need the rights for it.
    role = "lab" if strategy in ("pessimistic", "optimistic", "conditional") else KIT.role
    # Nothing here reads the replica.
    profile = replace(KIT, role=role, has_replica=False, service={**KIT.service, "STRATEGY": strategy})
    with (
        tempfile.TemporaryDirectory(prefix="hotrow-") as scratch,
        running(INSTANCE, profile, is_fresh=True, postgres_bin=postgres_bin, report=step) as stack,
    ):
        notes = list(stack.notes)
        kid, key = tokens.first_key(stack.service_env()["JWT_KEYS"])
        file = Path(scratch) / "tokens"
        file.write_text("".join(f"{tokens.issue(user, kid, key)}\n" for user in range(1, BUYERS + 1)))
        with psycopg.connect(stack.superuser, autocommit=True) as database, _peer(stack, peers, key) as peer:
            database.execute(
                "SELECT restock_v1('bench-' || n, n, 'MAIN', %s) FROM generate_series(%s::bigint, %s::bigint) AS n",
                [UNITS, *SPREAD],
            )
            urls = {SERVICE: stack.url} | ({PEER: peer} if peer else {})
            if peer is None:
                notes.append(f"FastAPI is left out: it is not installed in {peers} (`make bench-peers` does)")
            every = product(connections, LOADS, urls)
            hits = [Hit(server, load, each) for each, load, server in every if load != "list" or server == SERVICE]
            rows = {hit: Served(hit) for hit in hits}

            def take(hit: Hit, number: int, length: int) -> tuple[Hits, int]:
                stack.check()
                newest = _newest(database)
                found = wrk.measure(
                    _target(hit, urls[hit.server], file), connections=hit.connections, seconds=length, number=number
                )
                _settle(database)
                return found, one(database, "SELECT count(*) FROM stock_reservation WHERE id > %s", [newest])

            step("warming up")
            for number, hit in enumerate(hits[: 2 * len(LOADS)]):
                take(hit, 1_000 + number, WARM_UP_S)
            for turn in range(rounds):
                step(f"round {turn + 1} of {rounds}: {len(hits)} rows, {seconds} s each")
                for position in rotated_numbers(len(hits), turn * len(hits) // rounds):
                    hit = hits[position]
                    figures(f"{hit.server}, {hit.load}, {hit.connections} connections")
                    found, reserved = take(hit, 2_000 + turn * len(hits) + position, seconds)
                    rows[hit].rounds.append(found)
                    rows[hit].reserved.append(reserved)
        step("auditing")
        parts = {part.name: part.version for part in stack.parts}
        return Measured(strategy, list(rows.values()), audit.check(stack.superuser), parts, notes)


def _newest(database: psycopg.Connection) -> int:
    return int(one(database, "SELECT coalesce(max(id), 0) FROM stock_reservation"))


def _settle(database: psycopg.Connection) -> None:
    """Wait until the requests that wrk left under way have been served, at most a few seconds."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    before = -1
    while (newest := _newest(database)) != before and time.monotonic() < deadline:
        before = newest
        time.sleep(SETTLE_S)


def _target(hit: Hit, url: str, file: Path) -> Target:
    if hit.load == "empty":
        return Target(url)
    if hit.load == "list":
        return Target(url, LIST_PATH, tokens=file)
    return Target(url, tokens=file, products=(HOT_PRODUCT, HOT_PRODUCT) if hit.load == "hot" else SPREAD)


@contextmanager
def _peer(stack: Stack, peers: Path, key: str) -> Iterator[str | None]:
    """Run FastAPI on the stack's database, past PgBouncer: asyncpg's own pool is its best configuration."""
    if not any(peers.glob("lib/python*/site-packages/fastapi/__init__.py")):
        yield None
        return
    given = conninfo_to_dict(stack.conninfo("app"))
    address = f"{given['host']}:{given['port']}/{given['dbname']}"
    env = {
        "BENCH_DATABASE_URL": f"postgresql://{given['user']}:{given['password']}@{address}",
        "BENCH_JWT_KEY": key,
        "PATH": str(peers / "bin"),
    }
    port = free_port()
    words = [str(peers.absolute() / "bin" / "python"), "-m", "uvicorn", "fastapi_app:app", f"--host={HOST}"]
    words += [f"--port={port}", f"--workers={PEER_WORKERS}", "--no-access-log", "--log-level=warning"]
    words += [f"--app-dir={Path(__file__).parent / 'peers'}"]
    child: Child = spawn("fastapi", words, log=stack.paths.log("fastapi"), env=env)
    try:
        child.wait_until(lambda: web.answers(port, "/healthz"))
        yield f"http://{HOST}:{port}"
        child.check()
    finally:
        child.stop()
