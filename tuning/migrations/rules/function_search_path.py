"""A SECURITY DEFINER function trusts its caller's search_path.

When: CREATE FUNCTION ... SECURITY DEFINER without SET search_path.
Why: the caller can put a table or an operator of the same name in front, which then runs with the owner's rights.
Remedy: SET search_path = pg_catalog, public, pg_temp, with pg_temp last.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind, has_sequence
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is not Kind.CREATE_FUNCTION or not has_sequence(action.words, "SECURITY", "DEFINER"):
        return
    if not has_sequence(action.words, "SET", "SEARCH_PATH"):
        message = f"{action.name} runs with its owner's rights and its caller's search_path"
        yield Found(Outcome.FAIL, message, Effect.STYLE, action)
