"""``hotrow rules``: which rules there are, and when, why and what to do for each."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from tuning import contract
from tuning.advisors import rules as advise
from tuning.chain import rules as chain
from tuning.cli.console import out, print_json
from tuning.diagnose import limits
from tuning.diagnose import rules as diagnose
from tuning.explain import rules as explain
from tuning.migrations.findings import Effect
from tuning.migrations.rules import Rule, load
from tuning.migrations.squawk_rules import BY_NAME, DOCUMENTATION, RULES, SquawkRule
from tuning.plans import rules as plans
from tuning.stack.errors import StackError

_TOLD = ("id", "title", "when", "why", "remedy")


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The rules that the kit judges by.", no_args_is_help=True)
    group.command("list")(list_rules)
    group.command("show")(show)
    app.add_typer(group, name="rules")


def list_rules(
    as_json: Annotated[bool, typer.Option("--json", help="Print the rules as JSON.")] = False,
) -> None:
    """List every rule with the question it answers."""
    if as_json:
        print_json([*map(_own, load()), *map(_squawks, RULES), *_judging()])
        return
    table = Table("rule", "from", Column("title", overflow="fold"))
    for own in load():
        table.add_row(own.id, "hotrow", own.title)
    for textual in RULES:
        table.add_row(textual.name, "squawk", textual.remedy)
    for judging in _judging():
        table.add_row(judging["id"], judging["from"], judging["title"])
    out.print(table)


def show(
    rule: Annotated[str, typer.Argument(help="The rule's id, as a finding names it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the rule as JSON.")] = False,
) -> None:
    """Print when a rule speaks, why, and what to do."""
    known = {each.id: _own(each) for each in load()} | {each["id"]: each for each in _judging()}
    if rule not in known and rule not in BY_NAME:
        raise StackError(f"there is no rule {rule}: `hotrow rules list` shows them")
    found = known[rule] if rule in known else _squawks(BY_NAME[rule])
    if as_json:
        print_json(found)
        return
    out.print(f"{found['id']}: {found['title']}" if found["title"] else found["id"], markup=False)
    for section in ("when", "why", "remedy", "documentation"):
        if text := found.get(section):
            out.print(f"\n{section.capitalize()}: {text}", markup=False)


def _own(rule: Rule) -> dict[str, Any]:
    return {key: getattr(rule, key) for key in _TOLD} | {"from": "hotrow", "needs_facts": rule.needs_facts}


def _judging() -> Iterator[dict[str, Any]]:
    """The rules of each command that judges something that is there; ``needs_facts`` is whether of a server."""
    for rule in chain.load():
        yield _told(rule, "hotrow chain", needs_facts=True)
    for law in (*diagnose.load(), *limits.load()):
        yield _told(law, "hotrow diagnose", needs_facts=False)
    for of_plan in explain.load():
        yield _told(of_plan, "hotrow explain", needs_facts="statistics" in of_plan.needs)
    for accepting in plans.load():
        yield _told(accepting, "hotrow plans", needs_facts=True)
    for advisor in advise.load():
        yield _told(advisor, "hotrow advise", needs_facts=True)


def _told(rule: contract.Rule[Any], command: str, *, needs_facts: bool) -> dict[str, Any]:
    facts = {"from": command, "needs_facts": needs_facts, "needs": list(rule.needs)}
    return {key: getattr(rule, key) for key in _TOLD} | facts


def _squawks(rule: SquawkRule) -> dict[str, Any]:
    off = f" Off by default: {rule.opt_in}." if rule.opt_in else ""
    return {
        "id": rule.name,
        "title": "",
        "when": f"squawk finds it in the text.{off}",
        "why": "" if rule.effect is Effect.STYLE else f"It {rule.effect.value}.",
        "remedy": rule.remedy,
        "documentation": f"{DOCUMENTATION}{rule.name}",
        "from": "squawk",
        "needs_facts": False,
    }
