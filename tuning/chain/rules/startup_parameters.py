"""A setting in the connection's options is refused by PgBouncer, or lost without a word.

When: OPTIONS["options"] sets a parameter, and the alias goes through PgBouncer, which does not track it.
Why: PgBouncer refuses a startup parameter that it does not know, unless ignore_startup_parameters lists it, or lists
options; then a statement_timeout, say, is simply not there.
Remedy: ALTER ROLE ... SET for limits, SET LOCAL in a transaction for the rest.
"""

import re
from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "pooler", "pooled")

# PgBouncer's manual, ignore_startup_parameters: it follows these for each client.
TRACKED = {
    "application_name",
    "client_encoding",
    "datestyle",
    "intervalstyle",
    "standard_conforming_strings",
    "timezone",
}
# PgBouncer's NEWS: it reads options from this version on.
PARSED = (1, 20)
_NAME = re.compile(r"(?:-c\s*|--)([A-Za-z_.]+)\s*=")


def check(chain: Chain) -> Iterator[Found]:
    if chain.pooler is None:
        return
    ignored = chain.pooler.lists("ignore_startup_parameters")
    tracked = TRACKED | chain.pooler.lists("track_extra_parameters")
    for alias in chain.pooled():
        names = {name.lower() for name in _NAME.findall(str(alias.options.get("options") or ""))}
        lost = sorted(names if "options" in ignored else names & (ignored - tracked))
        refused = sorted(names - tracked - set(lost))
        if lost:
            yield Found(Outcome.FAIL, f"sets {', '.join(lost)}, which PgBouncer ignores", alias.name)
        if names and "options" not in ignored and chain.pooler.version is not None and chain.pooler.version < PARSED:
            yield Found(Outcome.FAIL, "sends options, which PgBouncer refuses before 1.20", alias.name)
        elif refused:
            yield Found(Outcome.FAIL, f"sets {', '.join(refused)}, for which PgBouncer refuses it", alias.name)
