"""Give each node its own time and blocks: what it took less what others took on its behalf.

A node's figures include its children's, and a SubPlan's, which its parent evaluates. An InitPlan or a CTE hangs at
the top of its query level but runs inside the node that first asks for its result, so it is taken from that node,
once. Taking it from the node that it hangs at, as its place in the tree suggests, would count it twice.
"""

import re
from dataclasses import dataclass

from tuning.explain.node import Blocks, Node

# How an expression names an InitPlan's result: $0 up to 16, (InitPlan 1).col1 from 17 on.
_RETURNS = re.compile(r"\(returns (\$[\d,$ ]+)\)")
_NAMED = re.compile(r"^(?:CTE|InitPlan) (.+?)(?: \(returns .*\))?$")


@dataclass(frozen=True, slots=True)
class Figures:
    ms: float
    blocks: Blocks


def attribute(root: Node) -> dict[int, Figures]:
    """The own figures of every node by its id; never negative."""
    nodes = list(root.walk())
    floating: dict[int, list[tuple[Node, float]]] = {}
    is_floating: set[int] = set()
    for attached in nodes:
        for child in attached.children:
            if child.relationship == "InitPlan":
                users = _users(child, attached)
                if users:
                    is_floating.add(child.id)
                    for user, part in _parts(users):
                        floating.setdefault(user.id, []).append((child, part))
    return {node.id: _own(node, is_floating, floating.get(node.id, [])) for node in nodes}


def _own(node: Node, is_floating: set[int], used: list[tuple[Node, float]]) -> Figures:
    ms, blocks = node.wall_ms, node.blocks
    for child in node.children:
        if child.id not in is_floating:
            ms -= child.wall_ms
            blocks = blocks.less(child.blocks)
    for child, part in used:
        ms -= child.wall_ms * part
        blocks = blocks.less(_part(child.blocks, part))
    return Figures(max(0.0, ms), blocks)


def _users(subplan: Node, attached: Node) -> list[Node]:
    """The nodes that evaluate the subplan: the scans of a CTE, or those whose expressions name its result."""
    name = subplan.text("Subplan Name")
    named = _NAMED.match(name)
    if name.startswith("CTE ") and named:
        return [node for node in attached.walk() if node.type == "CTE Scan" and node.text("CTE Name") == named.group(1)]
    returns = _RETURNS.search(name)
    marks = [mark.strip() for mark in returns.group(1).split(",")] if returns else [f"({name})"]
    pattern = re.compile("|".join(re.escape(mark) + r"(?!\d)" for mark in marks))
    inside = {node.id for node in subplan.walk()}
    users = [node for node in attached.walk() if node.id not in inside and pattern.search(_expressions(node))]
    # Whoever passes a result on names it as well; the lowest node evaluated it.
    return [user for user in users if not any(other is not user and other in set(user.walk()) for other in users)][:1]


def _expressions(node: Node) -> str:
    """Every expression of the node that it evaluates; what it passes on is in Output."""
    texts = [value for key, value in node.properties.items() if isinstance(value, str) and key != "Subplan Name"]
    output = node.properties.get("Output")
    return " ".join(texts + [str(each) for each in output] if isinstance(output, list) else texts)


def _parts(users: list[Node]) -> list[tuple[Node, float]]:
    """Each user's part of the subplan, by how long it ran."""
    total = sum(user.wall_ms for user in users)
    if total <= 0:
        return [(users[0], 1.0)]
    return [(user, user.wall_ms / total) for user in users]


def _part(blocks: Blocks, part: float) -> Blocks:
    if part >= 1:
        return blocks
    return Blocks(
        hit=round(blocks.hit * part),
        read=round(blocks.read * part),
        dirtied=round(blocks.dirtied * part),
        written=round(blocks.written * part),
        local=round(blocks.local * part),
        temp=round(blocks.temp * part),
        read_ms=blocks.read_ms * part,
    )
