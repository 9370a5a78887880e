"""An index is invalid.

When: an index is not valid, and nobody builds it now.
Why: no query uses it, every write pays for it, and a unique one refuses rows although it proves nothing. It is what a
    concurrent build leaves that failed or was cut off; IF NOT EXISTS takes it for done.
Remedy: drop it concurrently and build it again with lock_timeout off and no long transaction open; one that ends in
    _ccnew or _ccold is the rest of a REINDEX and only dropped. The index of a partitioned table becomes valid
    when each partition has its part attached.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import size
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("indexes",)
WEIGHT = 3
_REMAINDERS = ("_ccnew", "_ccold")


def check(subject: Subject) -> Iterator[Found]:
    for index in subject.snapshot.indexes:
        if index.is_valid:
            continue
        if index.is_built_now:
            message = f"{index.name} is invalid while somebody builds an index"
            yield Found(Outcome.SKIP, message, index.name)
            continue
        if index.kind == "I":
            message = f"{index.name} lacks the indexes of some partitions"
            yield Found(Outcome.WARN, message, index.name, (f"ALTER INDEX {index.name} ATTACH PARTITION ...",))
            continue
        is_remainder = index.bare_name.rstrip("0123456789").endswith(_REMAINDERS)
        build = index.definition.replace(" INDEX ", " INDEX CONCURRENTLY ", 1)
        steps = () if is_remainder else ("SET lock_timeout = 0", build)
        sql = (f"DROP INDEX CONCURRENTLY {index.name}", *steps)
        if index.constraint:
            sql = (f"REINDEX INDEX CONCURRENTLY {index.name}",)
        yield Found(
            Outcome.FAIL, f"{index.name} is invalid: {size(index.size_bytes)}", index.name, sql, index.size_bytes
        )
