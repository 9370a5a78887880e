"""Read a Django migration's source without importing it: its operations, its functions, its imports."""

import ast
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PythonMigration:
    """``operations`` are the calls of ``migrations.RunPython`` and the like, wherever in the class they stand."""

    path: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> "PythonMigration":
        """Parse the source.

        Raises:
            ValueError: It is no Python.
        """
        try:
            return cls(path, ast.parse(text))
        except SyntaxError as error:
            raise ValueError(f"{path} line {error.lineno} is no Python: {error.msg}") from error

    def operations(self, name: str) -> list[ast.Call]:
        return [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and name in (getattr(node.func, "attr", ""), getattr(node.func, "id", ""))
        ]

    def functions_run(self) -> list[ast.FunctionDef]:
        """The module's functions that a RunPython names, in order of their lines."""
        named = {
            value.id
            for call in self.operations("RunPython")
            for value in (*call.args, *(keyword.value for keyword in call.keywords))
            if isinstance(value, ast.Name)
        }
        return [node for node in self.tree.body if isinstance(node, ast.FunctionDef) and node.name in named]


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """An argument of a call, given by position or by name."""
    if len(call.args) > position:
        return call.args[position]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
