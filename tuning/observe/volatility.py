"""Which of the functions that a statement may call are volatile, by the catalog and through what calls what."""

from collections.abc import Callable, Iterable

import psycopg

# Every function of such a name, in any schema: the search path is the caller's, and one that is too many only refuses.
_FUNCTIONS = """
    SELECT p.proname, p.provolatile = 'v' AS is_volatile, l.lanname IN ('sql', 'plpgsql') AS has_body,
           coalesce(p.prosrc, '') || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '') AS body,
           coalesce((SELECT array_agg(f.proname::text)
                       FROM pg_catalog.pg_aggregate AS a
                       JOIN pg_catalog.pg_proc AS f ON f.oid IN (a.aggtransfn, a.aggfinalfn)
                      WHERE a.aggfnoid = p.oid), '{}') AS parts
      FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
     WHERE p.proname = ANY (%s)"""
# A type's input function, a cast's and a domain's check run where the text shows no call: those that are volatile.
_OPERATORS = """
    SELECT o.oprname, p.proname FROM pg_catalog.pg_operator AS o JOIN pg_catalog.pg_proc AS p ON p.oid = o.oprcode
     WHERE o.oprname = ANY (%s) AND o.oid >= 16384"""
_CASTS = """
    SELECT p.proname FROM pg_catalog.pg_cast AS c JOIN pg_catalog.pg_proc AS p ON p.oid = c.castfunc
     WHERE c.oid >= 16384 AND p.provolatile = 'v'"""
# Functions that call functions that call functions: deeper ones are taken for volatile.
MAX_DEPTH = 8


def volatile(
    connection: psycopg.Connection[tuple[object, ...]],
    names: Iterable[str],
    operators: Iterable[str],
    harmless: frozenset[str],
    called: Callable[[str], Iterable[str]],
) -> list[str]:
    """The volatile functions that these names and operators lead to, but for the harmless ones.

    Args:
        called: Reads the names of functions from a body in SQL or PL/pgSQL.

    Raises:
        psycopg.Error: The catalog cannot be read.
    """
    operating = connection.execute(_OPERATORS, [list(operators)]).fetchall()
    waiting = set(names) | {str(function) for _, function in operating}
    found = {str(name) for (name,) in connection.execute(_CASTS).fetchall()} - harmless
    seen: set[str] = set()
    for _ in range(MAX_DEPTH):
        asked, waiting = waiting - seen - harmless, set()
        if not asked:
            return sorted(found)
        seen |= asked
        for name, is_volatile, has_body, body, parts in connection.execute(_FUNCTIONS, [sorted(asked)]).fetchall():
            if is_volatile:
                found.add(str(name))
            waiting |= set(parts)  # type: ignore[call-overload]
            if has_body:
                waiting |= set(called(str(body)))
    return sorted(found | (waiting - seen - harmless))
