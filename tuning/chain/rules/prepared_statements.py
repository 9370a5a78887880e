"""A prepared statement is looked for on a server that never saw it.

When: prepare_threshold is a number, the alias goes through PgBouncer in transaction mode, and one of psycopg 3.2,
libpq 17, PgBouncer 1.22 and max_prepared_statements over 0 is missing.
Why: PgBouncer gives each transaction any server; it carries statements along from 1.21 on, and closes them rightly only
for a libpq that sends Close: else "prepared statement does not exist".
Remedy: leave prepare_threshold out: Django's None is right behind a pooler; or bring all four up.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Alias, Chain, Pooler

NEEDS = ("project", "pooler", "pooled")

# psycopg's manual, Prepared statements, Using prepared statements with PgBouncer.
MIN_PSYCOPG = (3, 2)
MIN_LIBPQ = 170000
MIN_PGBOUNCER = (1, 22)


def check(chain: Chain) -> Iterator[Found]:
    if chain.project is None or chain.pooler is None:
        return
    for alias in chain.pooled("transaction", "statement"):
        if not _prepares(alias):
            continue
        lacks = []
        if chain.project.psycopg < MIN_PSYCOPG:
            lacks.append("psycopg 3.2")
        if chain.project.libpq is not None and chain.project.libpq < MIN_LIBPQ:
            lacks.append("libpq 17")
        if chain.pooler.version is not None and chain.pooler.version < MIN_PGBOUNCER:
            lacks.append("PgBouncer 1.22")
        if chain.pooler.number("max_prepared_statements", _default(chain.pooler)) <= 0:
            lacks.append("max_prepared_statements over 0")
        if lacks:
            yield Found(Outcome.FAIL, f"prepares statements, and lacks {', '.join(lacks)}", alias.name)
        elif chain.pooler.version is None:
            yield Found(
                Outcome.SKIP, "whether PgBouncer carries prepared statements depends on its version", alias.name
            )


def _prepares(alias: Alias) -> bool:
    return alias.options.get("prepare_threshold") is not None


def _default(pooler: Pooler) -> int:
    """PgBouncer's own default: 200 since 1.24 (its NEWS), 0 before."""
    return 200 if pooler.version is not None and pooler.version >= (1, 24) else 0
