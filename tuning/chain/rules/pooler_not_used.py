"""A PgBouncer was given, and the project does not go through it as it says.

When: no alias has PgBouncer's address and --pooled names none; or an alias asks it for a database that it has not.
Why: the rules about PgBouncer look at the aliases that go through it; with none they find nothing. A database that it
has not is refused at the first request.
Remedy: --pooled ALIAS where PgBouncer has another address for the project than for itself; a line in [databases].
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "pooler")


def check(chain: Chain) -> Iterator[Found]:
    if not chain.through_pooler:
        names = ", ".join(alias.name for alias in chain.aliases)
        yield Found(Outcome.WARN, f"none of {names} goes to PgBouncer")
        return
    if chain.pooler is None:
        return
    for alias in chain.pooled():
        if chain.pooler.database(alias.database) is None:
            yield Found(Outcome.FAIL, f"PgBouncer has no database {alias.database}", alias.name)
