"""A search for a part of a text reads the whole table.

When: a sequential scan whose filter is LIKE, ILIKE, or a comparison of UPPER() or LOWER(), and which throws away
    ten rows for each that it keeps, 1,000 at least; a filter that also has an equality is left to slow-scan.
Why: a B-tree finds a text by its beginning alone, and only in the case in which it is stored.
Remedy: a GIN index with gin_trgm_ops (pg_trgm) on the same expression, which for Django's icontains is
    upper(column); for an exact match without case an index on the expression.
"""

import re
from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")

# pgexplain, rules/seq_scan.go.
MIN_RATIO = 10
MIN_REMOVED = 1000
# pgplan: from here on it is worth a word in a short statement too.
MANY_REMOVED = 10_000
_SEARCH = re.compile(r"(?<![!~])~~\*?(?= )|\b(?:upper|lower)\(.*?\) = ", re.IGNORECASE)
_FOLDED = re.compile(r"\b(?:upper|lower)\([^=]*?\) = ", re.IGNORECASE)


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        removed = node.total("Rows Removed by Filter")
        condition = node.text("Filter")
        if node.type != "Seq Scan" or removed < max(MIN_REMOVED, MIN_RATIO * node.rows) or not _is_search(condition):
            continue
        if subject.matters(node) or (removed >= MANY_REMOVED and subject.is_notable(node)):
            message = f"{node.rows:,.0f} rows kept of {node.rows + removed:,.0f} read; filter {condition}"
            yield Found(Outcome.WARN, message, node)


def _is_search(condition: str) -> bool:
    """Whether the text search is what narrows: no equality stands beside it."""
    bare = re.sub(r"'(?:[^']|'')*'", "''", condition)
    return bool(_SEARCH.search(bare)) and " = " not in _FOLDED.sub("", bare)
