"""The driver is imported before gevent has patched the worker.

When: gevent's workers with preload_app, or with a configuration file that imports psycopg.
Why: psycopg chooses how it waits when it is imported; chosen too early, each query blocks all requests of the worker.
Remedy: preload_app False, and no import in gunicorn.conf.py that leads to psycopg; set up in post_worker_init.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("workers",)


def check(chain: Chain) -> Iterator[Found]:
    if chain.workers is None or not chain.workers.is_greenlets:
        return
    if chain.workers.is_preloaded:
        yield Found(Outcome.FAIL, "preload_app imports the project, and psycopg with it, before the patch")
    for name in chain.workers.early_imports:
        yield Found(Outcome.FAIL, f"gunicorn's configuration imports {name} before the patch")
