"""The three things that can be said of a setting of PostgreSQL, and its values as the server writes them."""

from tuning.contract import Outcome
from tuning.settings.facts import RELOAD, RESTART, Advice, Facts

POSTGRESQL = "postgresql"
# Ours: a formula is no closer to the best value than this, so what is within a quarter of it is left alone.
TOLERANCE = 0.25
_MB, _GB = 1024**2, 1024**3


def is_near(value: float, wanted: float) -> bool:
    """Whether a change from one to the other would be noise."""
    return abs(value - wanted) <= TOLERANCE * wanted


def memory(size_bytes: float) -> str:
    """Bytes as postgresql.conf writes them, in whole units, rounded down."""
    if size_bytes >= _GB and size_bytes % _GB == 0:
        return f"{size_bytes / _GB:.0f}GB"
    return f"{size_bytes // _MB:.0f}MB" if size_bytes >= _MB else f"{size_bytes // 1024:.0f}kB"


def keep(facts: Facts, name: str, evidence: str) -> Advice:
    return Advice(POSTGRESQL, name, Outcome.OK, facts.text(name), evidence)


def skip(facts: Facts, name: str, reason: str) -> Advice:
    return Advice(POSTGRESQL, name, Outcome.SKIP, facts.text(name), reason)


def propose(
    facts: Facts,
    name: str,
    proposed: str,
    value: str | float,
    *,
    formula: str,
    evidence: str,
    source: str,
    outcome: Outcome = Outcome.WARN,
) -> Advice:
    """Propose a value; whether it needs a restart is what this server's pg_settings says."""
    found = facts.setting(name)
    how = RESTART if found is not None and found.context == "postmaster" else RELOAD
    return Advice(
        POSTGRESQL, name, outcome, facts.text(name), evidence, proposed, formula, source=source, how=how, value=value
    )


def memory_unknown(facts: Facts) -> str:
    return facts.machine.reasons.get("memory", "the server's memory is not known: --memory-gib")


def cores_unknown(facts: Facts) -> str:
    return facts.machine.reasons.get("cores", "the server's cores are not known: --cores")


def storage_unknown(facts: Facts) -> str:
    return facts.machine.reasons.get("storage", "what the server's storage is, is not known: --storage ssd or hdd")


def unread(facts: Facts, part: str) -> str:
    return facts.server.unreadable.get(part, f"the server's {part} were not read")
