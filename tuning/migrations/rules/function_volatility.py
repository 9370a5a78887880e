"""A function does not say how volatile it is.

When: CREATE FUNCTION without IMMUTABLE, STABLE or VOLATILE; procedures and triggers have none to say.
Why: the default, VOLATILE, keeps it out of index conditions and is called once a row: right by choice, not by accident.
Remedy: write VOLATILE where it writes, STABLE where it reads tables, IMMUTABLE where only its arguments count.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind, has_sequence
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts

_LEVELS = {"IMMUTABLE", "STABLE", "VOLATILE"}


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is not Kind.CREATE_FUNCTION or "RETURNS" not in action.words:
        return
    if not _LEVELS & set(action.words) and not has_sequence(action.words, "RETURNS", "TRIGGER"):
        yield Found(Outcome.WARN, f"{action.name} declares no volatility", Effect.STYLE, action)
