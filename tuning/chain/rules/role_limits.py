"""Nothing bounds what a request's statement may wait for.

When: a user of an alias has no statement_timeout, no lock_timeout or no idle_in_transaction_session_timeout.
Why: a statement that waits for a lock holds its connection and its worker; a client that dies in a transaction holds
its locks. In transaction pooling the role is the only place where such a limit stays.
Remedy: ALTER ROLE app SET lock_timeout = '2s', SET statement_timeout = '10s', and so on; 0 again for migrations.
"""

from collections.abc import Iterator

from tuning.chain.durations import milliseconds
from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "server")

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def check(chain: Chain) -> Iterator[Found]:
    if chain.server is None:
        return
    for alias in chain.on_server():
        own = str(alias.options.get("options") or "") if alias.name not in chain.through_pooler else ""
        settings = chain.server.role_settings.get(alias.user, {})
        missing = [name for name in LIMITS if milliseconds(settings.get(name, "0")) == 0 and name not in own]
        if missing:
            yield Found(Outcome.WARN, f"its user {alias.user} has no {', '.join(missing)}", alias.name)
