"""After a failover the project may go on with a server that only reads.

When: HOST names several servers, and target_session_attrs is neither read-write nor primary.
Why: libpq takes the first that lets it in; the old primary, now a standby, refuses every write with 25006.
Remedy: OPTIONS["target_session_attrs"] = "read-write", and a connection that met 25006 is closed.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project",)


def check(chain: Chain) -> Iterator[Found]:
    for alias in chain.aliases:
        if "," in alias.host and alias.options.get("target_session_attrs") not in ("read-write", "primary"):
            yield Found(Outcome.WARN, f"takes whichever of {alias.host} answers first, a standby too", alias.name)
