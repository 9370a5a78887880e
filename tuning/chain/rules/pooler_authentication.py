"""PgBouncer lets in whom it should not.

When: auth_type is any or trust; or auth_query is not qualified with a schema; or it is used before 1.24.1.
Why: any and trust ask for no password. auth_query runs with rights over passwords: a search_path may point it
elsewhere, and before 1.24.1 its default let in roles whose password had expired (CVE-2025-2291).
Remedy: auth_type = scram-sha-256, and an auth_query that calls a SECURITY DEFINER function by its schema, which looks
at VALID UNTIL.
"""

import re
from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("pooler",)

# PgBouncer's NEWS, 1.24.1.
EXPIRY = (1, 24, 1)
_SOURCE = re.compile(r"\bfrom\s+([\w.\"]+)", re.IGNORECASE)


def check(chain: Chain) -> Iterator[Found]:
    if chain.pooler is None:
        return
    kind = chain.pooler.setting("auth_type", "md5").lower()
    if kind in ("any", "trust"):
        yield Found(Outcome.FAIL, f"auth_type = {kind} asks nobody for a password")
    # Whoever uses it names the user that asks.
    if not chain.pooler.setting("auth_user", ""):
        return
    query = chain.pooler.setting("auth_query", "")
    source = _SOURCE.search(query)
    # Where it is not set, or as the program sets it, the version says what it does.
    is_default = source is None or "pg_shadow" in source[1] or "pg_authid" in source[1]
    if source is not None and "." not in source[1]:
        yield Found(Outcome.WARN, f"auth_query reads {source[1]} by a name without a schema")
    if is_default and chain.pooler.version is not None and chain.pooler.version < EXPIRY:
        yield Found(Outcome.WARN, "the default auth_query lets in roles whose password has expired")
