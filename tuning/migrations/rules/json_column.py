"""A column of type json has no equality.

When: a column is added, made or changed with type json.
Why: json has no equality operator, so SELECT DISTINCT, GROUP BY and UNION over the table's rows fail.
Remedy: use jsonb.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.migrations.actions import Action, Kind
from tuning.migrations.findings import Effect, Found
from tuning.migrations.reading import cut_at_commas
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts
from tuning.sql_tokens import Token


def check(action: Action, script: Script, facts: ServerFacts | None) -> Iterator[Found]:
    if action.kind in (Kind.ADD_COLUMN, Kind.ALTER_TYPE):
        columns = [action.tail[:1]]
    elif action.kind is Kind.CREATE_TABLE and action.tail and action.tail[0].text == "(":
        columns = [part[1:2] for part in cut_at_commas(action.tail[1:-1])]
    else:
        return
    if any(_is_json(tokens) for tokens in columns):
        yield Found(Outcome.WARN, f"a column of {action.table} is json: use jsonb", Effect.STYLE, action)


def _is_json(tokens: tuple[Token, ...]) -> bool:
    return bool(tokens) and tokens[0].keyword == "JSON"
