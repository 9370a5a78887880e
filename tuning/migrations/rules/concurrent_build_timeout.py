"""A concurrent build under a short lock_timeout.

When: SET lock_timeout of less than a minute stands before CREATE INDEX, DROP INDEX or REINDEX CONCURRENTLY.
Why: a concurrent build waits for transactions that are older than itself, and lock_timeout counts that wait. On a live
    system it ends with 55P03 and leaves an invalid index.
Remedy: SET lock_timeout = 0 and statement_timeout = 0 for it; its lock stops nobody.
"""

import re
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts

# Old transactions last seconds to minutes; pghero takes a query for long from 60 s on.
MIN_TIMEOUT_MS = 60_000
_UNITS_MS = {"": 1.0, "us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_VALUE = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?")


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind not in (Kind.CREATE_INDEX, Kind.DROP_INDEX, Kind.REINDEX) or "concurrently" not in action.flags:
        return
    timeout_ms = 0.0
    for step in script.before(action):
        if step.action.kind is Kind.SET and step.action.name is not None and step.action.name.name == "lock_timeout":
            timeout_ms = _value_ms(step.action)
    if 0 < timeout_ms < MIN_TIMEOUT_MS:
        message = f"lock_timeout is {timeout_ms / 1000:g} s: the build gives up behind any longer transaction"
        yield Found(Outcome.WARN, message, Effect.STYLE, action)


def _value_ms(action: Action) -> float:
    text = "".join(token.text for token in action.tail if token.keyword != "TO").strip("='\" ")
    match = _VALUE.fullmatch(text)
    return float(match[1]) * _UNITS_MS[match[2] or ""] if match else 0.0
