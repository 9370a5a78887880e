"""Tell what a file holds, and bring it to the analysis."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuning.explain import auto_explain, captures, reading, statistics_source
from tuning.explain.analysis import Analysis
from tuning.explain.errors import Unreadable
from tuning.explain.execution import Server
from tuning.explain.findings import Judged
from tuning.explain.inputs import Input, Inputs, lines, sort_out
from tuning.explain.plan import Plan
from tuning.observe.spent import Spent
from tuning.sql_tokens import split, tokenize

NEEDS_SERVER = "statements are explained by a server: --dsn"
_VERBS = ("SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line names; ``top`` bounds captured statements and those of pg_stat_statements."""

    paths: tuple[str, ...]
    statement: str | None
    from_statistics: bool
    top: int
    is_planned: bool


def judge(
    asked: Asked, analysis: Analysis, server: Server | None, dsn: str, spent: Spent
) -> tuple[list[Judged], list[str]]:
    """Judge everything that was asked for; also sentences about the inputs.

    Raises:
        Unreadable: An input is broken, or needs a server and there is none.
        OSError: A file cannot be read.
    """
    judged: list[Judged] = []
    notes: list[str] = []
    if not asked.paths and asked.statement is None and not asked.from_statistics:
        raise Unreadable("nothing to explain: give files, - for stdin, --sql, or --from pg_stat_statements")
    if asked.statement is not None:
        judged += analysis.texts([asked.statement], _needed(server), "--sql", is_planned=asked.is_planned)
    if asked.from_statistics:
        found = statistics_source.statements(dsn, asked.top, spent) if server is not None else []
        judged += analysis.from_statistics(found, _needed(server), "pg_stat_statements")
    inputs = sort_out(asked.paths)
    if inputs.captured:
        found_here, told = _captured(inputs, asked, analysis, server)
        judged += found_here
        notes += told
    for each in inputs.others:
        try:
            judged += _file(each, asked, analysis, server)
        except Unreadable as error:
            raise Unreadable(f"{each.name}: {error}") from error
    if not judged:
        raise Unreadable("there is nothing to explain in it")
    return judged, notes


def earlier(path: Path) -> Plan:
    """The first plan of a file.

    Raises:
        Unreadable: It holds none.
    """
    return reading.read(_text(lines(str(path)), str(path)))[0]


def _captured(
    inputs: Inputs, asked: Asked, analysis: Analysis, server: Server | None
) -> tuple[list[Judged], list[str]]:
    """Captured calls are grouped over all files: each process of a service writes its own."""
    name = inputs.captured_name
    try:
        groups, broken = captures.group(inputs.calls(), analysis.tell)
    except Unreadable as error:
        raise Unreadable(f"{name}: {error}") from error
    notes = [f"{broken:,} lines of {name} are no captured statement"] if broken else []
    if len(groups) > asked.top:
        notes.append(f"{len(groups):,} statements; the {asked.top} with the most time are explained (--top)")
    return analysis.captured(groups[: asked.top], server, name, is_planned=asked.is_planned), notes


def _file(given: Input, asked: Asked, analysis: Analysis, server: Server | None) -> list[Judged]:
    text = _text(given.read(), given.name)
    if auto_explain.holds(text):
        return analysis.plans(auto_explain.plans(text), given.name)
    if given.name.endswith(".sql") or _is_sql(text):
        reading.check(text)
        statements = [statement.text for statement in split(text)]
        return analysis.texts(statements, _needed(server), given.name, is_planned=asked.is_planned)
    return analysis.plans(reading.read(text), given.name)


def _text(given: Iterator[str], name: str) -> str:
    """All lines together.

    Raises:
        Unreadable: There are far more than a plan has.
    """
    parts, size = [], 0
    for line in given:
        size += len(line)
        if size > reading.MAX_CHARS:
            raise Unreadable(f"{name} is longer than {reading.MAX_CHARS:,} characters: it is no plan")
        parts.append(line)
    return "".join(parts)


def _is_sql(text: str) -> bool:
    first = next(tokenize(text[:10_000]), None)
    return (
        first is not None
        and (first.keyword in _VERBS or first.text == "(")
        and "(cost=" not in text.split("\n", maxsplit=1)[0]
    )


def _needed(server: Server | None) -> Server:
    if server is None:
        raise Unreadable(NEEDS_SERVER)
    return server
