"""Read EXPLAIN's text form into the object that its JSON form is, so that one builder makes plans of both.

The tree is told by indentation: a child's arrow stands right of its parent's, and a line without an arrow belongs to
the last node whose text begins left of it.
"""

import re
from typing import Any

from tuning.explain.errors import Unreadable
from tuning.explain.text_details import buffers, details
from tuning.explain.text_headlines import headline, is_headline

_ARROW = re.compile(r"^(\s*)->\s+(.*)$")
_SUBPLAN = re.compile(r"^\s*((?:InitPlan|SubPlan|CTE) .*)$")
_TIME = re.compile(r"^(Planning|Execution) Time: ([\d.]+) ms$")
_TRIGGER = re.compile(r"^Trigger (.+?)(?: on (\S+))?: (?:time=([\d.]+) )?calls=(\d+)$")
_SETTING = re.compile(r"([\w.]+) = '((?:[^']|'')*)'")
_JIT_PART = re.compile(r"(\w+) (\d+(?:\.\d+)?) ms|(\w+) (true|false)")
_LABELS = ("Query Text: ", "Query Parameters: ")


def entries(text: str) -> list[dict[str, Any]]:
    """Cut a text into its plans, each as an entry of EXPLAIN's JSON array.

    Raises:
        Unreadable: No node is found, or a line belongs to none.
    """
    found: list[_Reading] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        starts = is_headline(line) and _ARROW.match(line) is None
        if starts and (not found or not found[-1].awaits_subplan(line)):
            found.append(_Reading(line))
        elif found:
            found[-1].add(line, number)
        elif not line.startswith(_LABELS) and number == 1:
            raise Unreadable(f"line {number} is no line of a plan: {line.strip()[:60]!r}")
    if not found:
        raise Unreadable("there is no plan in this text: no line has a cost or an actual time")
    return [reading.entry for reading in found]


class _Reading:
    """One plan while its lines come in."""

    def __init__(self, line: str) -> None:
        root = headline(line.strip())
        self.entry: dict[str, Any] = {"Plan": root}
        self._open = [(_indent(line), root)]
        self._base = _indent(line)
        self._section: str = ""
        self._subplan: tuple[int, str] | None = None
        self._text_key: tuple[dict[str, Any], str] | None = None
        self._worker: tuple[int, dict[str, Any]] | None = None

    def awaits_subplan(self, line: str) -> bool:
        """Whether the line is below a heading such as ``InitPlan 1``, which older copies print without an arrow."""
        return self._subplan is not None and _indent(line) > self._subplan[0]

    def add(self, line: str, number: int) -> None:
        if arrow := _ARROW.match(line):
            self._child(len(arrow.group(1)), arrow.group(2), number)
        elif is_headline(line) and self.awaits_subplan(line):
            self._child(_indent(line), line.strip(), number)
        elif _indent(line) <= self._base and self._last(line.strip()):
            return
        elif self._section and _indent(line) > self._base:
            self._in_section(line.strip())
        elif (subplan := _SUBPLAN.match(line)) and not line.strip().endswith(":"):
            self._subplan = (_indent(line), subplan.group(1).strip())
            while len(self._open) > 1 and self._open[-1][0] >= self._subplan[0]:
                self._open.pop()
        else:
            self._detail(line)

    def _child(self, indent: int, text: str, number: int) -> None:
        while self._open and self._open[-1][0] >= indent:
            self._open.pop()
        if not self._open:
            raise Unreadable(f"line {number}: a node stands left of the plan's first one; is its beginning missing?")
        parent = self._open[-1][1]
        node = headline(text)
        if self._subplan is not None and self._subplan[0] < indent:
            name = self._subplan[1]
            node["Parent Relationship"] = "SubPlan" if name.startswith("SubPlan") else "InitPlan"
            node["Subplan Name"] = name
        else:
            node["Parent Relationship"] = _relationship(parent)
        self._subplan = None
        self._section = ""
        self._text_key = self._worker = None
        parent.setdefault("Plans", []).append(node)
        self._open.append((indent, node))

    def _last(self, text: str) -> bool:
        """Read a line of the plan as a whole; False where it is none."""
        if time := _TIME.match(text):
            self.entry[f"{time.group(1)} Time"] = float(time.group(2))
        elif text in ("Planning:", "JIT:"):
            self._section = text[:-1]
            self.entry[self._section] = {}
            return True
        elif text.startswith("Settings: "):
            self.entry["Settings"] = {name: value.replace("''", "'") for name, value in _SETTING.findall(text)}
        elif trigger := _TRIGGER.match(text):
            name, relation, ms, calls = trigger.groups()
            found: dict[str, Any] = {"Trigger Name": name, "Calls": int(calls)}
            found |= {"Relation": relation} if relation else {}
            found |= {"Time": float(ms)} if ms else {}
            self.entry.setdefault("Triggers", []).append(found)
        elif text.startswith("Query Identifier: "):
            self.entry["Query Identifier"] = text.removeprefix("Query Identifier: ")
        elif text.startswith("Serialization: "):
            self.entry["Serialization"] = text.removeprefix("Serialization: ")
        else:
            return False
        self._section = ""
        return True

    def _in_section(self, text: str) -> None:
        section = self.entry[self._section]
        key, _, value = text.partition(": ")
        if key == "Buffers":
            section |= buffers(value)
        elif key == "Functions":
            section["Functions"] = int(value) if value.isdigit() else 0
        elif key in ("Options", "Timing"):
            section[key] = {
                name or flag: float(ms) if name else truth == "true"
                for name, ms, flag, truth in _JIT_PART.findall(re.sub(r"\(Deform ([\d.]+) ms\)", "", value))
            }

    def _detail(self, line: str) -> None:
        indent = _indent(line)
        node = next((node for at, node in reversed(self._open) if at < indent), self._open[0][1])
        found = details(line.strip())
        workers = found.pop("Workers", None)
        if workers:
            self._worker = (indent, _add_worker(node, workers[0]))
            self._text_key = None
            return
        if self._worker is not None and indent > self._worker[0]:
            self._worker[1].update(found)
            return
        self._worker = None
        node.update(found)
        if found:
            key = next(iter(found))
            self._text_key = (node, key) if isinstance(found[key], str) else None
        elif self._text_key is not None:
            # An expression that holds a line end, or that a terminal cut, goes on.
            owner, key = self._text_key
            owner[key] += "\n" + line


def _add_worker(node: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Add what is told of a worker to what was told before; the worker's whole is returned."""
    workers: list[dict[str, Any]] = node.setdefault("Workers", [])
    for worker in workers:
        if worker["Worker Number"] == found["Worker Number"]:
            worker.update(found)
            return worker
    workers.append(found)
    return found


def _relationship(parent: dict[str, Any]) -> str:
    """What JSON calls the child that comes next: the first of a join is Outer, the second Inner."""
    kind = parent["Node Type"]
    if kind in ("Append", "Merge Append", "BitmapAnd", "BitmapOr"):
        return "Member"
    if kind == "Subquery Scan":
        return "Subquery"
    shown = [child for child in parent.get("Plans", []) if child["Parent Relationship"] in ("Outer", "Inner")]
    return "Inner" if shown else "Outer"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
