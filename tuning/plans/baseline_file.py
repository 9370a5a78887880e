"""Read and write a baseline as JSON that a review can follow: sorted, one value a line, the plan as its lines."""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuning.explain.errors import Unreadable
from tuning.plans.baseline import Accepted, Baseline, Entry, Size, Table

FORMAT = 1
_MAKES = "`hotrow plans save` makes one"


def read(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        Unreadable: It is none, or of another format; the message says where.
        OSError: It cannot be read.
    """
    try:
        return _baseline(path.read_bytes().decode())
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path}: it is not in UTF-8; {_MAKES}") from error
    except Unreadable as error:
        raise Unreadable(f"{path}: {error}") from error


def write(path: Path, baseline: Baseline) -> None:
    """Write all of a baseline, or nothing.

    Raises:
        OSError: It cannot be written; what stood there is as it was.
    """
    try:
        _replace(path, text(baseline))
    except OSError as error:
        # Not the name of the file that stands in for it.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(path: Path, content: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        # As open() would make it: mkstemp lets nobody else read it.
        mask = os.umask(0)
        os.umask(mask)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o666 & ~mask)
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def text(baseline: Baseline) -> str:
    form = {
        "format": FORMAT,
        "server_version": baseline.version,
        "statements": [_entry_form(each) for each in sorted(baseline.entries, key=lambda each: each.key)],
        "tables": {
            name: {
                "rows": table.rows,
                "pages": table.pages,
                "analyzed_at": table.analyzed_at,
                "changed_rows": table.changed_rows,
                "indexes": dict(sorted(table.indexes.items())),
            }
            for name, table in sorted(baseline.tables.items())
        },
    }
    return json.dumps(form, indent=2, ensure_ascii=False) + "\n"


def line_of(source: str, entry: Entry) -> int:
    """The line, from 1, on which an entry of the file begins; 1 where it was formatted otherwise."""
    route, fingerprint = (json.dumps(each, ensure_ascii=False) for each in (entry.route, entry.fingerprint))
    at = source.find(f'"route": {route},\n      "fingerprint": {fingerprint}')
    return source.count("\n", 0, at) + 1 if at >= 0 else 1


def _entry_form(entry: Entry) -> dict[str, Any]:
    plans = sorted(entry.plans, key=lambda plan: (plan.shape, plan.sql))
    return {"route": entry.route, "fingerprint": entry.fingerprint, "plans": [_plan_form(each) for each in plans]}


def _plan_form(plan: Accepted) -> dict[str, Any]:
    return {
        "shape": plan.shape,
        "outline": list(plan.outline),
        "sql": plan.sql,
        "blocks": plan.blocks,
        "rows": plan.rows,
        "cost": plan.cost,
        "settings": dict(sorted(plan.settings.items())),
        "tables": {name: {"rows": size.rows, "pages": size.pages} for name, size in sorted(plan.tables.items())},
    }


def _baseline(source: str) -> Baseline:
    if "\0" in source:
        raise Unreadable(f"it holds a NUL byte and is no baseline; {_MAKES}")
    if not source.strip():
        raise Unreadable(f"it is empty; {_MAKES}")
    try:
        form = json.loads(source)
    except json.JSONDecodeError as error:
        raise Unreadable(f"broken JSON at line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (RecursionError, ValueError) as error:
        raise Unreadable(f"broken JSON: {error}") from error
    if not isinstance(form, dict) or "format" not in form:
        raise Unreadable(f"it is no baseline: it has no format; {_MAKES}")
    if form["format"] != FORMAT:
        raise Unreadable(f"it is of format {form['format']!r}; this command reads {FORMAT}: save it again")
    entries = tuple(
        _entry(each, f"statement {number}")
        for number, each in enumerate(_need(form, "statements", list, "the baseline"), 1)
    )
    if not entries:
        raise Unreadable(f"it holds no statement; {_MAKES}")
    keys = [each.key for each in entries]
    if twice := next((key for key in keys if keys.count(key) > 1), None):
        raise Unreadable(f"the statement {twice[1]} of route {twice[0]!r} stands in it twice: merge them by hand")
    return Baseline(
        version=_need(form, "server_version", int, "the baseline"),
        entries=entries,
        tables={
            name: _table(each, f"table {name}") for name, each in _need(form, "tables", dict, "the baseline").items()
        },
    )


def _entry(form: Any, where: str) -> Entry:
    plans = _need(form, "plans", list, where)
    if not plans:
        raise Unreadable(f"{where} has no plan")
    return Entry(
        route=_need(form, "route", str, where),
        fingerprint=_need(form, "fingerprint", str, where),
        plans=tuple(_plan(each, f"{where}, plan {number}") for number, each in enumerate(plans, 1)),
    )


def _plan(form: Any, where: str) -> Accepted:
    blocks = form.get("blocks") if isinstance(form, dict) else None
    return Accepted(
        shape=_need(form, "shape", str, where),
        outline=tuple(map(str, _need(form, "outline", list, where))),
        sql=_need(form, "sql", str, where),
        blocks=None if blocks is None else _need(form, "blocks", int, where),
        rows=_need(form, "rows", int, where),
        cost=float(_need(form, "cost", int | float, where)),
        settings={name: str(value) for name, value in _need(form, "settings", dict, where).items()},
        tables={
            name: Size(_need(size, "rows", int, where), _need(size, "pages", int, where))
            for name, size in _need(form, "tables", dict, where).items()
        },
    )


def _table(form: Any, where: str) -> Table:
    return Table(
        rows=_need(form, "rows", int, where),
        pages=_need(form, "pages", int, where),
        analyzed_at=_need(form, "analyzed_at", str, where),
        changed_rows=_need(form, "changed_rows", int, where),
        indexes={name: str(value) for name, value in _need(form, "indexes", dict, where).items()},
    )


def _need(form: Any, name: str, kind: Any, where: str) -> Any:
    """A value of the type that it has to be.

    Raises:
        Unreadable: It is missing, or of another type.
    """
    value: Any = form.get(name) if isinstance(form, Mapping) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        what = "is missing" if value is None else f"is {str(value)[:40]!r}"
        raise Unreadable(f"{where}: {name} {what}; it was changed by hand or cut: save it again")
    return value
