"""``hotrow failover``: the replica takes the primary's place, and PgBouncer leads there."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from tuning.cli.console import Progress, fail, out, print_json
from tuning.failover import servers
from tuning.failover.facts import Address, Facts
from tuning.failover.plan import Plan, Refused, decide
from tuning.failover.run import Done, Failover, Request, read
from tuning.stack.errors import StackError

EXIT_LATE_WRITES = 2
SAID = {
    "hold": "PgBouncer holds its clients; running transactions end",
    "cut": "PgBouncer closes every connection to the old primary and holds its clients",
    "catch up": "wait until the replica has replayed everything",
    "promote": "promote the replica",
    "repoint": "lead PgBouncer to it, in its file and by RELOAD",
    "resume": "clients go on",
    "write": "commit a message through PgBouncer",
}


def register(app: typer.Typer) -> None:
    app.command()(failover)


def failover(
    replica: Annotated[str, typer.Option(help="The replica, as a role that may promote it: hotrow_monitor may.")],
    pgbouncer: Annotated[str, typer.Option(help="PgBouncer's console, as a user of admin_users.")],
    config: Annotated[Path, typer.Option(help="The pgbouncer.ini that this PgBouncer reads.")],
    primary: Annotated[
        str | None, typer.Option(help="The old primary [default: as --replica, where PgBouncer goes now].")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="HOST:PORT of the replica for PgBouncer [default: those of --replica].")
    ] = None,
    switchover: Annotated[
        bool, typer.Option("--switchover", help="The primary lives: hold clients and lose nothing.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without this the plan is printed and nothing done.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print plan and result as JSON.")] = False,
) -> None:
    """Promote the replica and lead PgBouncer to it; say first what that loses. May be run again after any end.

    Exits with 1 where nothing was done or it did not end, and with 2 where somebody wrote to the old primary meanwhile.
    """
    request = Request(
        replica, pgbouncer, config, _address(target) if target else servers.address(replica), primary, switchover
    )
    try:
        facts = read(request)
        plan = decide(facts, is_switchover=switchover)
        told: dict[str, Any] = {"plan": _plan_json(facts, plan), "result": None}
        if not as_json:
            _print_plan(facts, plan)
        if yes and plan.steps:
            done = _run(request, facts, plan)
            told["result"] = _done_json(done)
            if not as_json:
                _print_done(done, plan)
            if done.written_late:
                fail(
                    f"{done.written_late} transactions ended on {done.old} after clients left it, autovacuum's among "
                    "them: stop it, and compare before it is copied over"
                )
    except servers.Silent as silence:
        raise StackError(f"a server does not answer as is needed: {silence}") from silence
    except (psycopg.Error, TimeoutError) as error:
        raise StackError(f"the failover did not end: {str(error).strip()}; it may be run again") from error
    if as_json:
        print_json(told)
    elif plan.steps and not yes:
        out.print("Nothing was done: --yes does it.")
    if told["result"] and told["result"]["written_late"]:
        raise typer.Exit(EXIT_LATE_WRITES)


def _run(request: Request, facts: Facts, plan: Plan) -> Done:
    with Progress() as progress:
        return Failover(request, facts, plan, progress.step).run()


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise Refused(f"--target {text} is no HOST:PORT")
    return Address(host, port)


def _print_plan(facts: Facts, plan: Plan) -> None:
    if not plan.steps:
        out.print(f"PgBouncer goes to {facts.target}, which takes writes: nothing is left to do.", markup=False)
        return
    out.print(f"{facts.old or facts.target} -> {facts.target}", markup=False)
    if plan.lag_bytes is not None:
        ago = "" if plan.lag_s is None else f", and its last news are {plan.lag_s:.1f} s old"
        out.print(f"The replica has {plan.lag_bytes} bytes to replay{ago}.", markup=False)
    out.print(f"Loss: {plan.loss}.", markup=False)
    for number, step in enumerate(plan.steps, 1):
        out.print(f"{number}. {SAID[step]}", markup=False)


def _print_done(done: Done, plan: Plan) -> None:
    out.print(f"PgBouncer goes to {done.target}, and a write came through. Clients were held for {done.held_s:.1f} s.")
    out.print(f"Loss: {plan.loss}.", markup=False)
    if done.old is not None:
        out.print(
            f"{done.old} must not come back as it is: stop it, and make it a replica anew (docs/howto/failover.md).",
            markup=False,
        )


def _plan_json(facts: Facts, plan: Plan) -> dict[str, Any]:
    loss = {**asdict(plan.loss), "since": plan.loss.since.isoformat() if plan.loss.since else None}
    return {
        "old": str(facts.old) if facts.old else None,
        "target": str(facts.target),
        "steps": [str(step) for step in plan.steps],
        "loss": loss,
        "lag_bytes": plan.lag_bytes,
        "lag_s": plan.lag_s,
    }


def _done_json(done: Done) -> dict[str, Any]:
    return {
        "old": str(done.old) if done.old else None,
        "target": str(done.target),
        "last_commit_at": done.last_commit_at.isoformat() if done.last_commit_at else None,
        "written_late": done.written_late,
        "held_s": round(done.held_s, 3),
    }
