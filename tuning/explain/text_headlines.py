"""Read the first line of a node in EXPLAIN's text form into the keys that its JSON form has."""

import re
from typing import Any

from tuning.explain.errors import Unreadable

_NUMBER = r"(\d+(?:\.\d+)?)"
_COST = re.compile(rf"\(cost={_NUMBER}\.\.{_NUMBER} rows={_NUMBER} width=(\d+)\)")
_ACTUAL = re.compile(rf"\(actual (?:time={_NUMBER}\.\.{_NUMBER} )?rows={_NUMBER} loops=(\d+)\)")
_NEVER = "(never executed)"
_NAME = r'(?:"(?:[^"]|"")*"|[^\s".]+)'
_QUALIFIED = rf"({_NAME}(?:\.{_NAME})*)"
_ON = re.compile(
    rf"^(?P<type>.*?)(?: using (?P<index>{_NAME}))? on (?P<name>{_NAME}(?:\.{_NAME})*)(?: (?P<alias>.+))?$"
)
_JOIN = re.compile(r"^(Nested Loop|Hash|Merge)(?: (Left|Right|Full|Semi|Anti|Right Semi|Right Anti))?(?: Join)?$")
_STRATEGIES = {"Aggregate": "Plain", "GroupAggregate": "Sorted", "HashAggregate": "Hashed", "MixedAggregate": "Mixed"}
_OPERATIONS = ("Insert", "Update", "Delete", "Merge")
_SCHEMA = re.compile(rf"^({_NAME})\.({_NAME})$")


def is_headline(line: str) -> bool:
    return bool(_COST.search(line) or _ACTUAL.search(line) or line.endswith(_NEVER))


def headline(line: str) -> dict[str, Any]:
    """Read ``Index Scan using i on t  (cost=...) (actual ...)``; arrow and indentation are off already.

    Raises:
        Unreadable: It names no node.
    """
    cost, actual = _COST.search(line), _ACTUAL.search(line)
    ends = [match.start() for match in (cost, actual) if match] + [at for at in (line.find(_NEVER),) if at >= 0]
    name = line[: min(ends)].strip() if ends else line.strip()
    if not name:
        raise Unreadable(f"this line names no node: {line[:60]!r}")
    found = _named(name)
    if cost:
        startup, total, rows, width = cost.groups()
        found |= {"Startup Cost": float(startup), "Total Cost": float(total)}
        found |= {"Plan Rows": int(float(rows)), "Plan Width": int(width)}
    if actual:
        startup, total, rows, loops = actual.groups()
        if startup is not None:
            found |= {"Actual Startup Time": float(startup), "Actual Total Time": float(total)}
        found |= {"Actual Rows": float(rows) if "." in rows else int(rows), "Actual Loops": int(loops)}
    elif line.endswith(_NEVER):
        found |= {"Actual Startup Time": 0.0, "Actual Total Time": 0.0, "Actual Rows": 0, "Actual Loops": 0}
    return found


def _named(name: str) -> dict[str, Any]:
    """Take a node's name apart: what it is, on which table, through which index, in which part of a parallel plan."""
    found: dict[str, Any] = {"Parallel Aware": False}
    for word, key, value in (
        ("Async ", "Async Capable", True),
        ("Parallel ", "Parallel Aware", True),
        ("Partial ", "Partial Mode", "Partial"),
        ("Finalize ", "Partial Mode", "Finalize"),
    ):
        if name.startswith(word):
            name, found[key] = name.removeprefix(word), value
    if match := _JOIN.match(name):
        kind = match.group(1)
        if kind == "Nested Loop" or name.endswith("Join"):
            return found | {
                "Node Type": kind if kind == "Nested Loop" else f"{kind} Join",
                "Join Type": match.group(2) or "Inner",
            }
    if name in _STRATEGIES:
        return found | {"Node Type": "Aggregate", "Strategy": _STRATEGIES[name]}
    if name.startswith(("HashSetOp", "SetOp")):
        kind, _, command = name.partition(" ")
        return found | {
            "Node Type": "SetOp",
            "Strategy": "Hashed" if kind.startswith("Hash") else "Sorted",
            "Command": command,
        }
    if match := _ON.match(name):
        return found | _on(match)
    if name.startswith("Custom Scan"):
        return found | {"Node Type": "Custom Scan", "Custom Plan Provider": name[len("Custom Scan (") : -1]}
    return found | {"Node Type": name}


def _on(match: "re.Match[str]") -> dict[str, Any]:
    kind, qualified, index = match["type"], match["name"], match["index"]
    found: dict[str, Any] = {}
    if kind.endswith(" Backward"):
        kind, found["Scan Direction"] = kind.removesuffix(" Backward"), "Backward"
    elif kind in ("Index Scan", "Index Only Scan"):
        found["Scan Direction"] = "Forward"
    if index:
        found["Index Name"] = _plain(index)
    if kind == "Bitmap Index Scan":
        return found | {"Node Type": kind, "Index Name": _plain(qualified)}
    schema = _SCHEMA.match(qualified)
    name = _plain(schema.group(2) if schema else qualified)
    alias = _plain(match["alias"]) if match["alias"] else name
    if kind in _OPERATIONS:
        found |= {"Node Type": "ModifyTable", "Operation": kind}
    else:
        found["Node Type"] = kind
    key = {"CTE Scan": "CTE Name", "WorkTable Scan": "CTE Name", "Function Scan": "Function Name"}.get(kind)
    if kind in ("Subquery Scan", "Values Scan"):
        return found | {"Alias": name}
    if schema:
        found["Schema"] = _plain(schema.group(1))
    return found | {key or "Relation Name": name, "Alias": alias}


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') and name.endswith('"') and len(name) > 1 else name
