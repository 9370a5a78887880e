"""``hotrow rules``: which rules there are, and when, why and what to do for each."""

from typing import Annotated, Any

import typer
from rich.table import Column, Table

from tuning.chain import rules as chain
from tuning.cli.console import out, print_json
from tuning.diagnose import limits
from tuning.diagnose import rules as diagnose
from tuning.explain import rules as explain
from tuning.migrations.findings import Effect
from tuning.migrations.rules import Rule, load
from tuning.migrations.squawk_rules import BY_NAME, DOCUMENTATION, RULES, SquawkRule
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
        print_json(
            [
                *map(_own, load()),
                *map(_squawks, RULES),
                *map(_chains, chain.load()),
                *map(_diagnoses, (*diagnose.load(), *limits.load())),
                *map(_explains, explain.load()),
            ]
        )
        return
    table = Table("rule", "from", Column("title", overflow="fold"))
    for own in load():
        table.add_row(own.id, "hotrow", own.title)
    for textual in RULES:
        table.add_row(textual.name, "squawk", textual.remedy)
    for link in chain.load():
        table.add_row(link.id, "hotrow chain", link.title)
    for law in (*diagnose.load(), *limits.load()):
        table.add_row(law.id, "hotrow diagnose", law.title)
    for of_plan in explain.load():
        table.add_row(of_plan.id, "hotrow explain", of_plan.title)
    out.print(table)


def show(
    rule: Annotated[str, typer.Argument(help="The rule's id, as a finding names it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the rule as JSON.")] = False,
) -> None:
    """Print when a rule speaks, why, and what to do."""
    known = {each.id: _own(each) for each in load()} | {each.id: _chains(each) for each in chain.load()}
    known |= {each.id: _diagnoses(each) for each in (*diagnose.load(), *limits.load())}
    known |= {each.id: _explains(each) for each in explain.load()}
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


def _chains(rule: chain.Rule) -> dict[str, Any]:
    facts = {"from": "hotrow chain", "needs_facts": True, "needs": list(rule.needs)}
    return {key: getattr(rule, key) for key in _TOLD} | facts


def _diagnoses(rule: diagnose.Rule) -> dict[str, Any]:
    facts = {"from": "hotrow diagnose", "needs_facts": False, "needs": list(rule.needs)}
    return {key: getattr(rule, key) for key in _TOLD} | facts


def _explains(rule: explain.Rule) -> dict[str, Any]:
    facts = {"from": "hotrow explain", "needs_facts": "statistics" in rule.needs, "needs": list(rule.needs)}
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
