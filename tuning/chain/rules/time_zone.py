"""Each new connection costs one more round trip, for the time zone.

When: the zone that the server or the role begins with is not, letter by letter, the one Django works in: UTC where
USE_TZ is True. Etc/UTC is another name.
Why: Django looks at the zone of a new connection and sends SET where it differs; in transaction pooling PgBouncer then
sends it again whenever a client gets another server.
Remedy: ALTER ROLE app SET timezone = 'UTC', or timezone = 'UTC' in postgresql.conf.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project", "server")


def check(chain: Chain) -> Iterator[Found]:
    if chain.server is None:
        return
    for alias in chain.on_server():
        zone = chain.server.role_settings.get(alias.user, {}).get("timezone", chain.server.time_zone)
        wanted = alias.time_zone or "UTC"
        if zone != wanted:
            yield Found(Outcome.WARN, f"works in {wanted}, and its sessions begin in {zone}", alias.name)
