"""A statement is slow, and frequent.

When: a statement of pg_stat_statements takes 20 ms on average over 100 calls or more.
Why: its share of the database's time is in the finding: that is what could be won.
Remedy: `hotrow explain --from pg_stat_statements`, or better captured calls with their real values.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.quantities import shortened
from tuning.advisors.subject import Subject
from tuning.contract import Outcome
from tuning.sql_tokens import tokenize

NEEDS = ("statements",)
WEIGHT = 2

# pghero; postgres-mcp has 5 ms and 50 calls.
MIN_MS, MIN_CALLS = 20.0, 100
# Mine: the keys of a finding hold so much of the text.
KEY_TOKENS = 12


def check(subject: Subject) -> Iterator[Found]:
    statements = subject.snapshot.statements
    total_ms = sum(each.total_ms for each in statements)
    for statement in statements:
        if statement.mean_ms < MIN_MS or statement.calls < MIN_CALLS:
            continue
        share = statement.total_ms / total_ms if total_ms else 0.0
        message = (
            f"{statement.mean_ms:,.0f} ms on average, {statement.calls:,} calls, {share:.0%} of the statements' time:"
            f" {shortened(statement.query)}"
        )
        about = " ".join(token.text for token in list(tokenize(statement.query))[:KEY_TOKENS])
        yield Found(Outcome.WARN, message, about, (), statement.total_ms)
