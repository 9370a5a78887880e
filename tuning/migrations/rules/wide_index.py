"""An index of more than three columns that is not unique.

When: CREATE INDEX with four columns or more.
Why: the later columns seldom narrow a search further, and every write pays for them. strong_migrations draws the line
    at three.
Remedy: start the index with the columns that narrow most, and INCLUDE what is only read.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts

# strong_migrations, checks.rb: "Adding a non-unique index with more than three columns rarely improves performance".
MAX_COLUMNS = 3


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind is Kind.CREATE_INDEX and "unique" not in action.flags and len(action.columns) > MAX_COLUMNS:
        message = f"an index of {len(action.columns)} columns on {action.table}"
        yield Found(Outcome.WARN, message, Effect.STYLE, action)
