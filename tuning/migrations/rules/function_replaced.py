"""A function is dropped and made again.

When: DROP FUNCTION, and in the same script CREATE FUNCTION of the same name.
Why: views, triggers and grants of the old one are lost, and a release that runs may call it with the old arguments.
Remedy: CREATE OR REPLACE where arguments and result stay; else a new version beside the old one.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is not Kind.CREATE_FUNCTION or action.name is None:
        return
    for step in script.before(action):
        dropped = step.action
        if dropped.kind is Kind.DROP_FUNCTION and dropped.name is not None and dropped.name.is_same(action.name):
            message = f"{action.name} is dropped in line {dropped.line} and made again"
            yield Found(Outcome.FAIL, message, Effect.BREAKS, action)
