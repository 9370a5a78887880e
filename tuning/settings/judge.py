"""Ask every question in an order in which what depends on another setting comes after it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from tuning.contract import Outcome
from tuning.ignores import Ignore, mark
from tuning.settings import (
    gunicorn,
    pgbouncer,
    postgresql_memory,
    postgresql_planner,
    postgresql_sessions,
    postgresql_wal,
)
from tuning.settings.facts import Advice, Facts
from tuning.settings.words import skip

_POSTGRESQL = (
    *postgresql_sessions.FIRST,
    *postgresql_memory.QUESTIONS,
    *postgresql_wal.QUESTIONS,
    *postgresql_planner.QUESTIONS,
    *postgresql_sessions.QUESTIONS,
)
# What was set for this role, database or session is no value of the server.
_OWN = ("user", "database", "database user", "session", "client")


@dataclass(frozen=True, slots=True)
class Report:
    """``read`` says what was looked at, ``notes`` what it lacks."""

    advice: tuple[Advice, ...]
    read: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def proposed(self) -> tuple[Advice, ...]:
        return tuple(each for each in self.advice if each.is_proposed and not each.ignored)

    def count(self, outcome: Outcome) -> int:
        return sum(each.outcome is outcome and not each.ignored for each in self.advice)


def judge(
    facts: Facts,
    accepted: Iterable[Ignore] = (),
    today: date = date.min,
    *,
    read: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Report:
    """Size every setting; what somebody accepted is shown and does not count."""
    covered = tuple(accepted)
    found = [_accepted(each, covered, today) for each in (*pgbouncer.advise(facts), *gunicorn.advise(facts))]
    pools = {each.about: each for each in found if each.name == "pool_size" and each.is_proposed and not each.ignored}
    if facts.pool_servers is not None:
        # As the pools will be: max_connections has to hold them.
        grown = sum(int(each.proposed) - int(each.current) for each in pools.values())
        facts = replace(facts, pool_servers=facts.pool_servers + grown)
    return Report((*_postgresql(facts, covered, today), *found), read, notes)


def _postgresql(facts: Facts, covered: tuple[Ignore, ...], today: date) -> Iterator[Advice]:
    for question in _POSTGRESQL:
        advice = question(facts)
        setting = facts.setting(advice.name)
        if setting is None:
            advice = skip(facts, advice.name, f"PostgreSQL {facts.server.version // 10000} has no such setting")
        elif advice.is_proposed and setting.source in _OWN:
            reason = "it is set for the role or database of this connection, so the server's own value is not seen"
            advice = skip(facts, advice.name, reason)
        elif advice.is_proposed and setting.is_pending:
            advice = skip(facts, advice.name, "another value was set already, and waits for a restart")
        advice = _accepted(advice, covered, today)
        if advice.is_proposed and not advice.ignored and advice.value is not None:
            facts = facts.with_value(advice.name, advice.value)
        yield advice


def _accepted(advice: Advice, covered: tuple[Ignore, ...], today: date) -> Advice:
    return mark(covered, advice, today) if advice.is_proposed else advice
