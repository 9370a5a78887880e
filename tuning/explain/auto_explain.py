"""Find the plans that auto_explain wrote into a server's log, as text or JSON, in a plain log or a JSON one."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from tuning.explain.errors import Unreadable
from tuning.explain.plan import Plan
from tuning.explain.reading import read

_BEGINS = re.compile(r"duration: (\d+(?:\.\d+)?) ms\s+plan:\s*(.*)$")
_QUERY = re.compile(r"^\s*Query Text: ?(.*?)(?=^[^\n]*\((?:cost=|actual )|\Z)", re.MULTILINE | re.DOTALL)


def holds(text: str) -> bool:
    """Whether a text is a log with plans."""
    return re.search(r"duration: \d+(?:\.\d+)? ms\s+plan:", text) is not None


def plans(text: str) -> Iterator[Plan]:
    """Yield each plan with its query; the duration stands in for the execution time where that was not logged.

    Raises:
        Unreadable: A plan in it is broken.
    """
    for duration_ms, body in _entries(text):
        try:
            (plan, *_) = read(body)
        except Unreadable as error:
            raise Unreadable(f"the plan of {duration_ms:g} ms in the log: {error}") from error
        query = _QUERY.search(body)
        yield replace(
            plan,
            query=plan.query or (query.group(1).strip() if query else ""),
            execution_ms=plan.execution_ms if plan.execution_ms is not None else duration_ms,
        )


def _entries(text: str) -> Iterator[tuple[float, str]]:
    lines = text.replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("{") and (message := _message(line)) is not None:
            if begins := re.match(r"duration: (\d+(?:\.\d+)?) ms\s+plan:\n?(.*)", message, re.DOTALL):
                yield float(begins.group(1)), begins.group(2)
        elif begins := _BEGINS.search(line):
            # The server indents what belongs to the entry with a tab.
            body = [begins.group(2)] if begins.group(2) else []
            while at < len(lines) and lines[at].startswith("\t"):
                body.append(lines[at][1:])
                at += 1
            yield float(begins.group(1)), "\n".join(body)


def _message(line: str) -> str | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    message = entry.get("message") if isinstance(entry, dict) else None
    return message if isinstance(message, str) else None
