"""prepared_max is an attribute of a connection, not an option.

When: OPTIONS has prepared_max.
Why: psycopg passes it to libpq, which does not know it: a number fails each connection, None is dropped in silence.
Remedy: prepare_threshold None; or set connection.prepared_max when a connection was made (signal connection_created).
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project",)


def check(chain: Chain) -> Iterator[Found]:
    for alias in chain.aliases:
        if "prepared_max" in alias.options:
            yield Found(Outcome.FAIL, "passes prepared_max as an option of the connection", alias.name)
