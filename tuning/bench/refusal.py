"""How long a refusal takes while another session holds the row lock: a sold-out product must not queue."""

import time
import uuid
from dataclasses import dataclass

import psycopg

from tuning.bench.figures import percentile
from tuning.bench.rig import Rig
from tuning.bench.shop import Shop

CALLS = 1_000
# Enough of them: where each is slow, a thousand would take minutes.
MAX_S = 5.0
# A refusal that waits for the lock would wait for ever: this ends it, and it counts.
LOCK_TIMEOUT = "1s"
_CALL = "SELECT outcome FROM reserve_stock_v1(%s, 1, %s, ARRAY[%s::bigint], '{1}', 900)"


@dataclass(frozen=True, slots=True)
class WhileLocked:
    """Times in milliseconds; ``waited`` counts the calls that did wait for the lock until they were ended."""

    calls: int
    refused: int
    waited: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def while_locked(rig: Rig, shop: Shop, calls: int = CALLS) -> WhileLocked:
    """Ask for a sold-out product again and again, at most for some seconds, while its counter is locked."""
    product = shop.sold_out().first
    times_ms: list[float] = []
    refused = waited = 0
    with (
        shop.connect() as holder,
        psycopg.connect(rig.conninfo(), autocommit=True, options=f"-c lock_timeout={LOCK_TIMEOUT}") as asker,
        holder.transaction(),
    ):
        holder.execute("SELECT FROM product_stock WHERE product_id = %s FOR UPDATE", [product])
        asker.execute(_CALL, [uuid.uuid4(), "warm-up", product])
        deadline = time.monotonic() + MAX_S
        for number in range(calls):
            if time.monotonic() > deadline:
                break
            started = time.perf_counter()
            try:
                row = asker.execute(_CALL, [uuid.uuid4(), f"locked-{number}", product]).fetchone()
                refused += row is not None and row[0] == "insufficient"
            except psycopg.errors.LockNotAvailable:
                waited += 1
            times_ms.append((time.perf_counter() - started) * 1000)
    return WhileLocked(
        calls=len(times_ms),
        refused=refused,
        waited=waited,
        p50_ms=round(percentile(times_ms, 0.5), 3),
        p99_ms=round(percentile(times_ms, 0.99), 3),
        max_ms=round(max(times_ms), 3),
    )
