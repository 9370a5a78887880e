"""The statements that a proof is about: captured ones, those of a file, one by hand, or pg_stat_statements."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psycopg

from tuning.explain import captures, reading, statistics_source
from tuning.explain.errors import Refused, Unreadable
from tuning.explain.fingerprints import shape
from tuning.explain.inputs import sort_out
from tuning.explain.safety import accept
from tuning.explain.subject import Statement
from tuning.observe.spent import Spent
from tuning.sql_tokens import split, tokenize
from tuning.whatif.errors import Unproven
from tuning.whatif.query import Query

# UPDATE ONLY schema.table: the name is one of the first words.
_TABLE_WITHIN = 5

Compose = Callable[[str, Sequence[Any] | Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line names; ``top`` bounds what was captured, None takes all."""

    paths: tuple[str, ...] = ()
    statement: str | None = None
    from_statistics: bool = False
    top: int | None = None


def read(
    asked: Asked,
    dsn: str,
    compose: Compose,
    tell: Callable[[str], None] = lambda _: None,
    spent: Spent | None = None,
) -> tuple[list[Query], list[str]]:
    """Read every statement that was asked for, those with the most time first; also sentences about the inputs.

    Args:
        compose: Puts the values of a captured statement into it.
        tell: Is told how far the reading is.
        spent: What asking for pg_stat_statements costs is added to this.

    Raises:
        Unproven: There is none, or an input is broken.
        OSError: A file cannot be read.
    """
    queries: list[Query] = []
    try:
        if asked.statement is not None:
            queries.append(_query(Statement(*shape(asked.statement), sql=asked.statement), asked.statement))
        found, notes = _files(asked.paths, compose, tell)
        queries += found
        if asked.from_statistics:
            counted = statistics_source.statements(dsn, asked.top or 1000, spent if spent is not None else Spent())
            queries += [_query(each, each.sql) for each in counted]
    except Unreadable as error:
        raise Unproven(str(error)) from error
    if not queries:
        raise Unproven("no statement to prove with: give captured .jsonl or .sql files, --sql or --from")
    queries.sort(key=lambda each: -each.total_ms)
    if asked.top is not None and len(queries) > asked.top:
        notes.append(f"{len(queries):,} statements; the {asked.top:,} with the most time are looked at (--top)")
        queries = queries[: asked.top]
    return queries, notes


def _files(paths: Iterable[str], compose: Compose, tell: Callable[[str], None]) -> tuple[list[Query], list[str]]:
    """Captured calls are grouped over all files: each process of a service writes its own."""
    inputs = sort_out(paths)
    queries: list[Query] = []
    for given in inputs.others:
        text = "".join(given.read())
        try:
            reading.check(text)
        except Unreadable as error:
            raise Unproven(f"{given.name}: {error}") from error
        queries += [_query(Statement(*shape(each.text), sql=each.text), each.text) for each in split(text)]
    if not inputs.captured:
        return queries, []
    name = inputs.captured_name
    try:
        groups, broken = captures.group(inputs.calls(), tell)
    except Unreadable as error:
        raise Unproven(f"{name}: {error}") from error
    notes = [f"{broken:,} lines of {name} are no captured statement"] if broken else []
    return [*(_captured(each, compose) for each in groups), *queries], notes


def _captured(group: captures.Group, compose: Compose) -> Query:
    statement = group.statement()
    try:
        values = captures.values_of(group)
        return _query(statement, group.sql if values is None else compose(group.sql, values))
    except (Unreadable, psycopg.Error, KeyError, TypeError, ValueError) as error:
        return _query(statement, group.sql, refused=str(error))


def _query(statement: Statement, sql: str, refused: str = "") -> Query:
    is_write = False
    if not refused:
        try:
            # Writes are accepted as part of the workload; whether one is run is decided where it would be.
            is_write = accept(sql, allows_writes=True).is_write
        except Refused as error:
            refused = str(error)
    return Query(
        fingerprint=statement.fingerprint,
        text=statement.text,
        sql=sql,
        route=statement.route,
        calls=statement.calls,
        total_ms=statement.total_ms,
        is_write=is_write,
        is_open=not refused and _is_open(sql),
        refused=refused,
    )


def _is_open(sql: str) -> bool:
    """Whether it holds a ``$1`` that has no value."""
    tokens = list(tokenize(sql))
    return any(token.text == "$" and after.kind == "number" for token, after in pairwise(tokens))


def written_columns(queries: Iterable[Query], table: str) -> tuple[tuple[str, ...], int]:
    """The columns that UPDATEs of the workload set in a table, and how many calls those are."""
    columns: dict[str, None] = {}
    calls = 0
    for query in queries:
        if not query.is_write or query.refused:
            continue
        tokens = split(query.sql)[0].tokens
        words = [token.identifier for token in tokens]
        if tokens[0].keyword != "UPDATE" or table not in words[:_TABLE_WITHIN]:
            continue
        calls += query.calls
        depth = 0
        is_set = False
        for at, token in enumerate(tokens):
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth == 0 and token.keyword in ("WHERE", "FROM", "RETURNING"):
                break
            is_set = is_set or token.keyword == "SET"
            following = tokens[at + 1].text if at + 1 < len(tokens) else ""
            if is_set and depth == 0 and following == "=" and token.kind in ("word", "quoted"):
                columns[token.identifier] = None
    return tuple(columns), calls
