"""Watch PgBouncer's pools for some seconds."""

import time
from collections.abc import Callable

from tuning.observe.sampling.pooler import Pooler
from tuning.timeline import Sample

INTERVAL_S = 1.0


def watch(console: str, seconds: float, tell: Callable[[str], None] = lambda _: None) -> list[Sample]:
    """Samples of SHOW POOLS and SHOW STATS_TOTALS, two at least.

    Raises:
        Unwatchable: The console does not answer.
        psycopg.Error: It stopped to.
    """
    source, samples = Pooler(console, INTERVAL_S), []
    source.open()
    try:
        began = time.monotonic()
        while True:
            at = time.monotonic() - began
            samples += [Sample(at, kind, data) for kind, data in source.sample(is_edge=False)]
            if at >= seconds and len(samples) > 1:
                return samples
            tell(f"watching PgBouncer's pools: {at:.0f} of {seconds:.0f} s")
            time.sleep(min(INTERVAL_S, max(seconds - at, 0.05)))
    finally:
        source.close()
