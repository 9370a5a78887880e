"""A function is made in whichever schema comes first.

When: CREATE FUNCTION without a schema.
Why: it lands in the first schema of the search_path of whoever runs the script; another role makes it elsewhere.
Remedy: write the schema: CREATE FUNCTION public.name.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is Kind.CREATE_FUNCTION and action.name is not None and action.name.schema is None:
        yield Found(Outcome.WARN, f"{action.name} is made without a schema", Effect.STYLE, action)
