"""What a textual rule takes for dangerous and the rest of the script, or the server, shows to be safe."""

from tuning.migrations.actions import Action, Kind, has_sequence
from tuning.migrations.findings import Effect, Found
from tuning.migrations.script import Script
from tuning.observe.facts import ServerFacts


def exemption(found: Found, script: Script, facts: ServerFacts | None) -> str:
    """Why the finding is none; empty where it stands."""
    action = found.action
    if action is None:
        return ""
    if action.kind is Kind.SET_NOT_NULL and found.effect is Effect.SCAN:
        if _is_proven(action, script):
            return f"a CHECK that was validated before proves that {action.column} is not null: nothing is read"
        table = facts.tables.get(str(action.table)) if facts else None
        if table is not None and action.column in table.not_null_columns:
            return f"the server holds a validated proof that {action.column} is not null: nothing is read"
    if action.kind is Kind.DROP_DEFAULT and found.effect is Effect.STYLE and _is_new_column(action, script):
        return "the column is new: no code leaves it out on purpose"
    if action.kind is Kind.DROP_CONSTRAINT and found.effect is Effect.STYLE and _is_own_constraint(action, script):
        return "the same migration added the constraint"
    return ""


def _is_own_constraint(action: Action, script: Script) -> bool:
    return any(
        step.action.kind is Kind.ADD_CONSTRAINT and (step.action.table, step.action.name) == (action.table, action.name)
        for step in script.before(action)
    )


def _is_proven(action: Action, script: Script) -> bool:
    """Whether the script validated ``CHECK (column IS NOT NULL)`` before."""
    validated = {
        step.action.name.name
        for step in script.before(action)
        if step.action.kind is Kind.VALIDATE_CONSTRAINT and step.action.name is not None
    }
    for step in script.before(action):
        added = step.action
        if added.kind is not Kind.ADD_CONSTRAINT or added.constraint != "CHECK" or added.name is None:
            continue
        if added.table is None or action.table is None or not added.table.is_same(action.table):
            continue
        is_checked = "not_valid" not in added.flags or added.name.name in validated
        tokens = [token for token in added.tail if token.text not in "()"]
        words = tuple(token.keyword for token in tokens)
        if (
            is_checked
            and tokens
            and tokens[0].identifier == action.column
            and has_sequence(words[1:4], "IS", "NOT", "NULL")
        ):
            return True
    return False


def _is_new_column(action: Action, script: Script) -> bool:
    return any(
        step.action.kind is Kind.ADD_COLUMN
        and step.action.column == action.column
        and step.action.table is not None
        and action.table is not None
        and step.action.table.is_same(action.table)
        for step in script.before(action)
    )
