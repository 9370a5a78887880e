"""Let every rule look at a chain; whatever is not there to look at is said."""

from collections.abc import Mapping

from tuning.chain.findings import Found, Report, Verdict
from tuning.chain.rules import Rule, load
from tuning.contract import Outcome
from tuning.observe.chain import Chain

# What a rule needs, and how a caller gives it.
MISSING = {
    "project": "no Django project was given: --settings names its settings module",
    "workers": "no workers were given: --gunicorn, or --worker-class and what follows it",
    "pooler": "no PgBouncer was given: --pgbouncer or --pgbouncer-ini",
    "server": "no PostgreSQL was given: --dsn",
    "version": "PgBouncer's file does not tell its version: --pgbouncer, or --pgbouncer-version",
    "pooled": "no alias connects to PgBouncer",
}


def judge(chain: Chain, excluded: Mapping[str, str]) -> Report:
    """Judge with every rule; ``excluded`` gives the reason for each that is off."""
    return Report(tuple(_verdict(rule, chain, excluded) for rule in load()), tuple(_read(chain)))


def _verdict(rule: Rule, chain: Chain, excluded: Mapping[str, str]) -> Verdict:
    reason = excluded.get(rule.id) or next((MISSING[need] for need in rule.needs if not _has(chain, need)), None)
    if reason is not None:
        return Verdict(rule.id, Outcome.SKIP, reason)
    found: tuple[Found, ...] = tuple(rule.check(chain))
    bad = [each for each in found if each.outcome in (Outcome.WARN, Outcome.FAIL)]
    if not bad:
        reason = found[0].message if found else "nothing of the kind in " + ", ".join(_looked_at(rule))
        return Verdict(rule.id, found[0].outcome if found else Outcome.OK, reason)
    worst = max((each.outcome for each in bad), key=lambda each: each.weight)
    return Verdict(rule.id, worst, remedy=rule.remedy, findings=tuple(bad))


def _has(chain: Chain, need: str) -> bool:
    if need == "version":
        return chain.pooler is not None and chain.pooler.version is not None
    if need == "pooled":
        return bool(chain.pooled())
    return getattr(chain, need) is not None


def _looked_at(rule: Rule) -> list[str]:
    names = {"project": "the project", "workers": "gunicorn", "pooler": "PgBouncer", "server": "PostgreSQL"}
    return [name for need, name in names.items() if need in rule.needs]


def _read(chain: Chain) -> list[str]:
    said = []
    if chain.project is not None:
        driver = f"psycopg {_dotted(chain.project.psycopg)}"
        libpq = f", libpq {chain.project.libpq // 10000}.{chain.project.libpq % 10000}" if chain.project.libpq else ""
        said.append(f"Django {_dotted(chain.project.django)}, {driver}{libpq}")
    for alias in chain.aliases:
        kept = "for ever" if alias.conn_max_age_s is None else f"{alias.conn_max_age_s:g} s"
        pool = f"a pool of {alias.pool.max_size}" if alias.pool else f"CONN_MAX_AGE {kept}"
        way = "through PgBouncer" if alias.name in chain.through_pooler else "direct"
        said.append(f"alias {alias.name}: {pool}, {way}")
    if (workers := chain.workers) is not None:
        said.append(f"{workers.workers} {workers.worker_class} workers of {workers.concurrency} requests")
    if chain.pooler is not None:
        version = f"PgBouncer {_dotted(chain.pooler.version)}" if chain.pooler.version else "PgBouncer's file"
        said.append(f"{version}, pool_mode {chain.pooler.setting('pool_mode', 'session')}")
    if chain.server is not None:
        said.append(f"PostgreSQL {chain.server.version // 10000}, max_connections {chain.server.max_connections}")
    return said


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
