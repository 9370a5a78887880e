"""Put an index into a model's Meta, or take it out, as an edit of the source that leaves the rest as it is."""

import ast
from dataclasses import dataclass

from tuning.whatif.errors import Unwritten


@dataclass(frozen=True, slots=True)
class _Place:
    model: ast.ClassDef
    meta: ast.ClassDef | None
    indexes: ast.List | None


def added(source: str, model: str, index: str) -> str:
    """The source with one more entry in ``Meta.indexes``; ``index`` is the expression.

    Raises:
        Unwritten: The model is written in a way that cannot be edited surely.
    """
    place = _found(source, model)
    lines = source.splitlines(keepends=True)
    if place.indexes is not None:
        elements = place.indexes.elts
        if not elements:
            return _put(lines, place.indexes.lineno, place.indexes.col_offset + 1, index)
        last = elements[-1]
        assert last.end_lineno is not None
        assert last.end_col_offset is not None
        return _put(lines, last.end_lineno, last.end_col_offset, f", {index}")
    body = (place.meta or place.model).body
    indent = " " * body[0].col_offset
    end = body[-1].end_lineno
    assert end is not None
    text = (
        f"{indent}indexes = [{index}]\n" if place.meta else f"\n{indent}class Meta:\n{indent}    indexes = [{index}]\n"
    )
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    return "".join([*lines[:end], text, *lines[end:]])


def removed(source: str, model: str, name: str) -> str:
    """The source without the entry of this name.

    Raises:
        Unwritten: It is not there, or is written in a way that cannot be edited surely.
    """
    place = _found(source, model)
    elements = place.indexes.elts if place.indexes is not None else []
    for at, element in enumerate(elements):
        if isinstance(element, ast.Call) and any(
            word.arg == "name" and isinstance(word.value, ast.Constant) and word.value.value == name
            for word in element.keywords
        ):
            # With the comma before it, or, for the first one, with the one behind.
            start = _end(elements[at - 1]) if at else (element.lineno, element.col_offset)
            following = elements[at + 1] if not at and len(elements) > 1 else None
            end = (following.lineno, following.col_offset) if following is not None else _end(element)
            return _cut(source, start, end)
    raise Unwritten(f"the Meta of {model} lists no index named {name!r} that can be taken out")


def _found(source: str, model: str) -> _Place:
    tree = ast.parse(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == model]
    if len(classes) != 1:
        raise Unwritten(f"the class {model} stands not once at the top of its module")
    meta = next((node for node in classes[0].body if isinstance(node, ast.ClassDef) and node.name == "Meta"), None)
    indexes: ast.List | None = None
    for node in meta.body if meta is not None else []:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "indexes" for target in targets):
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.List):
                raise Unwritten(f"Meta.indexes of {model} is no plain list")
            indexes = node.value
    if not any(
        isinstance(node, ast.ImportFrom) and node.module == "django.db" and any(
            name.name == "models" and name.asname is None for name in node.names
        )
        for node in tree.body
    ):  # fmt: skip
        raise Unwritten(f"the module of {model} does not say `from django.db import models`")
    return _Place(classes[0], meta, indexes)


def _end(node: ast.expr) -> tuple[int, int]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return node.end_lineno, node.end_col_offset


def _offset(source: str, place: tuple[int, int]) -> int:
    """An offset into the text: Python counts columns in bytes."""
    line, column = place
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


def _cut(source: str, start: tuple[int, int], end: tuple[int, int]) -> str:
    return source[: _offset(source, start)] + source[_offset(source, end) :]


def _put(lines: list[str], line: int, column: int, text: str) -> str:
    source = "".join(lines)
    at = _offset(source, (line, column))
    return source[:at] + text + source[at:]
