"""PgBouncer is old.

When: its version is below 1.25.2.
Why: later versions fix CVE-2025-2291 (1.24.1), CVE-2025-12819 (1.25.1), and CVE-2026-6664, 6665 and 6667 (1.25.2).
Before 1.21 it carries no prepared statements, before 1.25 it has no transaction_timeout.
Remedy: 1.25.2 or newer; apt.postgresql.org has it for Debian and Ubuntu.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("pooler", "version")

# PgBouncer's NEWS: the last version that fixed a CVE.
SAFE = (1, 25, 2)


def check(chain: Chain) -> Iterator[Found]:
    if chain.pooler is None or chain.pooler.version is None or chain.pooler.version >= SAFE:
        return
    version = ".".join(str(part) for part in chain.pooler.version)
    yield Found(Outcome.WARN, f"PgBouncer {version} has known vulnerabilities that 1.25.2 has not")
