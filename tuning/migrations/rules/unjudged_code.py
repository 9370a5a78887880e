"""Code that cannot be judged from its text.

When: a DO block, EXECUTE of a prepared statement, or an operation that Django cannot write as SQL.
Why: what it does is known only when it runs, so no rule can say that it is safe.
Remedy: write the statements out; for Python code see what it writes, and keep it out of transactions with DDL.
"""

import re
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts

# What sqlmigrate prints in place of such an operation.
_DJANGO = re.compile(r"CANNOT BE WRITTEN AS SQL")


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is Kind.DO:
        yield Found(Outcome.WARN, "a DO block may do anything: its body is not judged", Effect.STYLE, action)
    elif action.kind is Kind.OTHER and action.tail and action.tail[0].keyword == "EXECUTE":
        yield Found(Outcome.WARN, "what EXECUTE runs is not judged", Effect.STYLE, action)


def check_script(script: Script) -> Iterator[Found]:
    for match in _DJANGO.finditer(script.text):
        line = script.text.count("\n", 0, match.start()) + 1
        yield Found(Outcome.WARN, "an operation that is no SQL: its code is not judged", Effect.STYLE, None, line)
