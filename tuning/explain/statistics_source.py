"""Take statements from pg_stat_statements, with values for their $1 where the server cannot plan without."""

import re
from typing import Any

import psycopg
from psycopg import sql

from tuning.explain.errors import Refused, Unreadable
from tuning.explain.fingerprints import shape
from tuning.explain.subject import Statement
from tuning.observe.metering import cursors
from tuning.observe.spent import Spent
from tuning.sql_tokens import Token, tokenize

_WHERE = """
    SELECT n.nspname FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
     WHERE e.extname = 'pg_stat_statements'"""
_STATEMENTS = r"""
    SELECT query, sum(calls)::bigint, sum(total_exec_time)::float8
      FROM {}.pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
       AND query ~* '^[[:space:](]*(select|with|values|table|insert|update|delete|merge)\M'
     GROUP BY query ORDER BY 3 DESC LIMIT %s"""
# The most frequent value; where all are rare, one from the middle.
_VALUE = """
    SELECT coalesce((most_common_vals::text::text[])[1],
                    (histogram_bounds::text::text[])[1 + cardinality(histogram_bounds::text::text[]) / 2])
      FROM pg_catalog.pg_stats
     WHERE attname = %s AND tablename = ANY (%s) AND schemaname <> 'pg_catalog'
     ORDER BY n_distinct = -1 DESC LIMIT 1"""
_COMPARISONS = ("=", "<", ">", "<=", ">=", "<>", "~~")
_PAGES = {"LIMIT": "20", "OFFSET": "0"}


def statements(dsn: str, most: int, spent: Spent) -> list[Statement]:
    """The statements that took the most time in this database; what asking costs is added to ``spent``.

    Raises:
        Unreadable: The extension is not installed, or not loaded.
        psycopg.Error: The server does not answer.
    """
    with psycopg.connect(
        dsn,
        autocommit=True,
        prepare_threshold=None,
        application_name="hotrow explain",
        cursor_factory=cursors(spent),
    ) as connection:
        found = connection.execute(_WHERE).fetchone()
        if found is None:
            raise Unreadable(
                "pg_stat_statements is not installed in this database: CREATE EXTENSION pg_stat_statements"
            )
        try:
            rows = connection.execute(sql.SQL(_STATEMENTS).format(sql.Identifier(found[0])), [most]).fetchall()
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            raise Unreadable(f"pg_stat_statements: {str(error).strip()}") from error
    return [Statement(*shape(query), sql=query, calls=calls, total_ms=ms) for query, calls, ms in rows]


def sampled(connection: psycopg.Connection[Any], text: str) -> str:
    """Put values from pg_stats in the place of $1, for servers that have no GENERIC_PLAN; never NULL.

    Raises:
        Refused: A $1 stands where no column tells a value.
    """
    tokens = list(tokenize(text))
    words = sorted({token.identifier for token in tokens if token.kind in ("word", "quoted")})
    values: dict[str, str] = {}
    for at, token in enumerate(tokens):
        if token.text == "$" and at + 1 < len(tokens) and tokens[at + 1].kind == "number":
            value = _value(connection, tokens, at, words)
            if value is None:
                raise Refused(
                    f"no value is known for ${tokens[at + 1].text}: before PostgreSQL 16 each has to be compared"
                )
            values[tokens[at + 1].text] = value
    return re.sub(r"\$(\d+)", lambda match: values.get(match.group(1), match.group()), text)


def _value(connection: psycopg.Connection[Any], tokens: list[Token], at: int, words: list[str]) -> str | None:
    before = tokens[at - 1] if at else None
    if before is not None and before.keyword in _PAGES:
        return _PAGES[before.keyword]
    if before is None or at < 2 or before.text not in _COMPARISONS or tokens[at - 2].kind not in ("word", "quoted"):
        return None
    row = connection.execute(_VALUE, [tokens[at - 2].identifier, words]).fetchone()
    if row is None or row[0] is None:
        return None
    return sql.Literal(str(row[0])).as_string(connection)
