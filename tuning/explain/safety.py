"""Which statements may be run for their plan, judged from the text before anything is sent."""

from collections.abc import Iterable
from dataclasses import dataclass

from tuning.explain.errors import Refused
from tuning.sql_tokens import Token, split

READS = ("SELECT", "VALUES", "TABLE", "WITH")
WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE")
# A statement of a megabyte is a list of values; what is longer is planned for minutes.
MAX_CHARS = 2_000_000
# Volatile by their declaration, and yet without an effect that outlives the statement.
HARMLESS = frozenset(
    {
        "clock_timestamp", "currval", "gen_random_uuid", "lastval", "pg_column_size", "pg_current_wal_flush_lsn",
        "pg_current_wal_insert_lsn", "pg_current_wal_lsn", "pg_database_size", "pg_indexes_size", "pg_is_in_recovery",
        "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn", "pg_relation_size", "pg_sleep", "pg_sleep_for",
        "pg_sleep_until", "pg_table_size", "pg_total_relation_size", "random", "random_normal",
        "timeofday", "uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "uuidv4", "uuidv7",
    }
)  # fmt: skip
# What every INSERT into a table with a serial column does; sequences keep the number after a rollback.
HARMLESS_IN_WRITES = frozenset({"nextval", "pg_advisory_xact_lock", "pg_try_advisory_xact_lock"})


@dataclass(frozen=True, slots=True)
class Accepted:
    """One statement that may be run. ``names`` and ``operators`` are those that it may call functions by."""

    sql: str
    is_write: bool
    names: frozenset[str]
    operators: frozenset[str]


def accept(sql: str, *, allows_writes: bool) -> Accepted:
    """Take one statement that reads, or writes where that is allowed.

    Raises:
        Refused: It is none, several, or something else; the message says what.
    """
    if "\0" in sql:
        raise Refused("it holds a NUL byte")
    if len(sql) > MAX_CHARS:
        raise Refused(f"it has {len(sql):,} characters; {MAX_CHARS:,} are the most")
    statements = split(sql)
    if not statements:
        raise Refused("there is no statement in it")
    if len(statements) > 1:
        verbs = ", ".join(_verb(each.tokens) or "?" for each in statements[:4])
        raise Refused(f"it is {len(statements)} statements ({verbs}): give them one by one")
    (statement,) = statements
    verb = _verb(statement.tokens)
    if verb not in READS + WRITES:
        raise Refused(
            f"{verb or 'this'} is not run: only SELECT, VALUES, TABLE, WITH, and with --execute-writes writes"
        )
    words = {token.keyword for token in statement.tokens}
    # A name such as "update" is quoted or follows a dot; what is left over errs on the safe side.
    written = verb if verb in WRITES else next(iter(sorted(_writing(statement.tokens))), "")
    if verb == "SELECT" and "INTO" in words and _has_into(statement.tokens):
        raise Refused("SELECT INTO makes a table")
    if written and not allows_writes:
        raise Refused(f"it writes ({written}): --execute-writes runs it in a transaction that is rolled back")
    if any(token.text[:2].upper() == "U&" for token in statement.tokens):
        raise Refused("it holds names or texts in Unicode escapes, which cannot be judged")
    return Accepted(
        sql=statement.text,
        is_write=bool(written),
        names=called(statement.tokens),
        operators=frozenset(token.text for token in statement.tokens if token.kind == "operator"),
    )


def called(tokens: Iterable[Token]) -> frozenset[str]:
    """The names before a parenthesis, as PostgreSQL stores them: functions, or words that only look like one."""
    found = set()
    previous: Token | None = None
    for token in tokens:
        if token.text == "(" and previous is not None and previous.kind in ("word", "quoted"):
            found.add(previous.identifier)
        previous = token
    return frozenset(found)


def harmless(*, is_write: bool) -> frozenset[str]:
    return HARMLESS | HARMLESS_IN_WRITES if is_write else HARMLESS


def _verb(tokens: tuple[Token, ...]) -> str:
    return next((token.text.upper() for token in tokens if token.text != "("), "")


def _writing(tokens: tuple[Token, ...]) -> set[str]:
    """The verbs of writing in a statement that begins as one that reads: of a WITH, or of FOR UPDATE."""
    found = set()
    previous = ""
    for at, token in enumerate(tokens):
        following = tokens[at + 1].keyword if at + 1 < len(tokens) else ""
        if previous in ("(", ")") and token.keyword in WRITES:
            found.add(token.keyword)
        if previous == "FOR" and (token.keyword in ("UPDATE", "SHARE") or following in ("KEY", "SHARE")):
            found.add(f"FOR {token.keyword}")
        previous = token.keyword or token.text
    return found


def _has_into(tokens: tuple[Token, ...]) -> bool:
    """Whether INTO stands in the outermost SELECT, where it can only be the name of a new table."""
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.keyword == "INTO":
            return True
    return False
