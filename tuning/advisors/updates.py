"""Which columns UPDATEs set, from the texts of statements."""

from collections.abc import Iterable, Iterator

from tuning.sql_tokens import Token, tokenize

# Words before UPDATE that make it no statement of its own: FOR [NO KEY] UPDATE, ON UPDATE, DO UPDATE.
_NOT_A_STATEMENT = ("FOR", "KEY", "ON", "DO")
_ENDS = ("FROM", "WHERE", "RETURNING")


def shares(statements: Iterable[tuple[str, int]]) -> dict[str, dict[str, float]]:
    """For each table, without its schema, the share of its UPDATEs (0 to 1) that set each column.

    Args:
        statements: Texts with how often each ran. Whatever is no UPDATE, and no INSERT with DO UPDATE, is passed over.
    """
    calls: dict[str, int] = {}
    by_column: dict[str, dict[str, int]] = {}
    for text, count in statements:
        for table, columns in updates(text):
            calls[table] = calls.get(table, 0) + count
            for column in columns:
                of_table = by_column.setdefault(table, {})
                of_table[column] = of_table.get(column, 0) + count
    return {
        table: {column: count / calls[table] for column, count in columns.items()}
        for table, columns in by_column.items()
        if calls[table]
    }


def updates(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the table of each UPDATE in a statement, without its schema, with the columns that it sets."""
    if "update" not in text.lower():
        return
    tokens = list(tokenize(text))
    inserted = ""
    for at, token in enumerate(tokens):
        before = tokens[at - 1].keyword if at else ""
        if token.keyword == "INTO" and before == "INSERT":
            inserted = _name(tokens, at + 1)
        elif token.keyword == "UPDATE" and before == "DO" and inserted:
            yield inserted, _columns(tokens, at + 1)
        elif token.keyword == "UPDATE" and before not in _NOT_A_STATEMENT:
            start = at + 1
            if start < len(tokens) and tokens[start].keyword == "ONLY":
                start += 1
            if (table := _name(tokens, start)) and (columns := _columns(tokens, start)):
                yield table, columns


def _name(tokens: list[Token], at: int) -> str:
    name = ""
    while at < len(tokens) and tokens[at].kind in ("word", "quoted"):
        name = tokens[at].identifier
        if at + 1 >= len(tokens) or tokens[at + 1].text != ".":
            break
        at += 2
    return name


def _columns(tokens: list[Token], at: int) -> frozenset[str]:
    """The targets of SET: what stands before = at its start and behind each comma, also in parentheses."""
    while at < len(tokens) and tokens[at].keyword != "SET":
        if tokens[at].text in (";", ")"):
            return frozenset()
        at += 1
    found: set[str] = set()
    depth, is_target = 0, True
    for token in tokens[at + 1 :]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0 or (depth == 0 and (token.keyword in _ENDS or token.text == ";")):
            break
        if token.text == "=" and depth == 0:
            is_target = False
        elif token.text == "," and depth == 0:
            is_target = True
        elif is_target and token.kind in ("word", "quoted"):
            found.add(token.identifier)
    return frozenset(found)
