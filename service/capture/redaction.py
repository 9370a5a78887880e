"""Which parameters of a statement are not for a file: told by their names, as far as the text gives them.

A named parameter has its name, and the columns of ``INSERT INTO t (a, b) VALUES (%s, %s)`` are counted
off. Every other positional parameter has the name that stands before it in its own clause:
``SET password = %s``, ``UPPER(email) = UPPER(%s)``. A value that is passed to a function, or that a query
wraps in more than that, cannot be told by name: ``REDACT_CALLS`` is for those.
"""

import re
from functools import lru_cache

_PLACEHOLDER = re.compile(r"%(?:\((?P<name>[^)]*)\))?(?P<kind>[stb%])")
# What begins a clause of its own: a name before it belongs to something else.
_CLAUSE = re.compile(
    r"\b(?:WHERE|AND|OR|SET|ON|HAVING|VALUES|WHEN|THEN|RETURNING|SELECT|FROM|LIMIT|OFFSET)\b|,", re.IGNORECASE
)
_INSERT = re.compile(
    r"\s*INSERT\s+INTO\s+[^\s(]+\s*\(([^)]*)\)\s*(?:OVERRIDING\s+\w+\s+VALUE\s*)?(?:VALUES|SELECT)\b", re.IGNORECASE
)


class Redaction:
    """Decides for a project.

    Args:
        words: Parts of names, in lower case.
        calls: Parts of the names of functions whose parameters are all kept out.
    """

    def __init__(self, words: tuple[str, ...], calls: tuple[str, ...]) -> None:
        self._words = words
        self._calls = calls
        # A service sends a few hundred different texts again and again.
        self.positions = lru_cache(maxsize=1_000)(self._positions)

    def hides(self, name: str) -> bool:
        lower = name.lower()
        return any(word in lower for word in self._words)

    def hides_all(self, sql: str) -> bool:
        lower = sql.lower()
        return any(call in lower for call in self._calls)

    def _positions(self, sql: str) -> frozenset[int]:
        """The positional parameters that are hidden, from 0."""
        marks = [found for found in _PLACEHOLDER.finditer(sql) if found["kind"] != "%" and found["name"] is None]
        insert = _INSERT.match(sql)
        columns = [each.strip() for each in insert[1].split(",")] if insert else []
        end_of_values = _end_of_values(sql, insert.end()) if insert else 0
        hidden, start, column = set(), 0, 0
        for position, mark in enumerate(marks):
            if insert is not None and mark.start() < end_of_values:
                # Rows of literals and placeholders: a row begins anew after each of its ends.
                column = _column(sql, insert.end(), mark.start())
                is_hidden = self.hides(columns[column]) if column < len(columns) else True
            else:
                clause = _CLAUSE.split(sql[start : mark.start()])[-1]
                is_hidden = self.hides(clause)
            if is_hidden:
                hidden.add(position)
            start = mark.end()
        return frozenset(hidden)


def _end_of_values(sql: str, start: int) -> int:
    """Where the rows of an INSERT end; behind them stand ON CONFLICT and RETURNING."""
    found = re.compile(r"\b(?:ON\s+CONFLICT|RETURNING)\b", re.IGNORECASE).search(sql, start)
    return found.start() if found else len(sql)


def _column(sql: str, start: int, end: int) -> int:
    """How many commas stand before ``end`` in the row that it is in, outside inner parentheses and literals."""
    depth, commas, quoted = 0, 0, False
    for character in sql[start:end]:
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
            if depth == 1:
                commas = 0
        elif character == ")":
            depth -= 1
        elif character == "," and depth <= 1:
            commas += 1
    return commas
