"""A function of that name exists with another signature.

When: CREATE FUNCTION, while the server has one of that name with other arguments or another result.
Why: with another result CREATE OR REPLACE fails; with other arguments it makes a second function, and a call that fits
    both is ambiguous.
Remedy: give the new signature a new name, name_v2, and drop the old one when nobody calls it.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.migrations.signatures import Signature
from tuning.observe.facts import ServerFacts

NEEDS_FACTS = True


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is not Kind.CREATE_FUNCTION or action.name is None or facts is None:
        return
    wanted = Signature.of(action)
    there = facts.functions.get(str(action.name), ())
    same = [function for function in there if function.arguments == wanted.arguments]
    if there and not same:
        message = f"{action.name}({there[0].arguments}) is on the server: this makes a second one beside it"
        yield Found(Outcome.FAIL, message, Effect.FAILS, action)
    elif same and wanted.result and same[0].result != wanted.result and "or_replace" in action.flags:
        message = f"{action.name} returns {same[0].result} on the server and {wanted.result} here: replacing it fails"
        yield Found(Outcome.FAIL, message, Effect.FAILS, action)
    elif same and "or_replace" not in action.flags:
        message = f"{action.name} is on the server with this signature: the migration has run, or would fail"
        yield Found(Outcome.OK, message, Effect.STYLE, action)
