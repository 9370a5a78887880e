"""A connection attempt may hang for minutes.

When: OPTIONS has no connect_timeout, or one over 10 s.
Why: a host that is gone answers nothing; libpq waits for as long as the kernel tries, which is over two minutes.
Remedy: OPTIONS["connect_timeout"] = 3.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project",)

# Ours: as pool_timeout.
MAX_CONNECT_TIMEOUT_S = 10.0


def check(chain: Chain) -> Iterator[Found]:
    for alias in chain.aliases:
        if alias.host.startswith("/") or not alias.host:
            continue  # a socket of this machine answers or is not there
        try:
            given = float(str(alias.options.get("connect_timeout", 0)))
        except ValueError:
            given = 0
        if given <= 0:
            yield Found(Outcome.WARN, "has no connect_timeout", alias.name)
        elif given > MAX_CONNECT_TIMEOUT_S:
            yield Found(Outcome.WARN, f"waits {given:g} s for a host that does not answer", alias.name)
