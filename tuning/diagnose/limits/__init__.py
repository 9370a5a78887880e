"""The rules that name what limits a run, from its timeline: one resource a file, in the form of ``diagnose.rules``.

A limit fails where its resource explains half of the time or more, and warns from ``LARGE`` on. ``NEEDS`` are keys of
``evidence.UNSEEN``. Every finding has ``share``: the part of the time that it explains, 0 to 1.
"""

from tuning import contract
from tuning.contract import Outcome
from tuning.diagnose.rules import Rule

# Ours: from half on, removing it gains more than everything else together; below a fifth it is one of many.
MOST, LARGE = 0.5, 0.2

# The first of them that failed is the answer. What is measured wrong comes first, then who asks too little; then from
# the inside out: whatever waits for a row keeps a connection, a slot and its client waiting too.
INNERMOST_FIRST = (
    "load-generator-saturated",
    "think-time",
    "blocking-session",
    "hot-row-queue",
    "slow-redis",
    "missing-index",
    "wal-flush-bound",
    "database-cpu-bound",
    "hash-on-the-hub",
    "repeated-queries",
    "pooler-bound",
    "pool-bound",
    "app-cpu-bound",
    "workers-too-few",
)


def outcome(share: float) -> Outcome:
    """How bad a share of the time is."""
    return Outcome.FAIL if share >= MOST else Outcome.WARN if share >= LARGE else Outcome.OK


def load() -> tuple[Rule, ...]:
    """Every limit, in the order in which they answer.

    Raises:
        ValueError: A file is not in that order, or one of the order has no file.
    """
    found: dict[str, Rule] = {rule.id: rule for rule in contract.rules_of(__name__, __path__)}
    if set(found) != set(INNERMOST_FIRST):
        raise ValueError(f"limits and their order differ: {sorted(set(found) ^ set(INNERMOST_FIRST))}")
    return tuple(found[name] for name in INNERMOST_FIRST)
