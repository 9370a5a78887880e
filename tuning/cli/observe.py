"""``hotrow observe``: watch a running system for a while and write one timeline."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tuning import timeline
from tuning.cli.console import Progress, fail, out, print_json
from tuning.observe.local_server import postmaster
from tuning.observe.sampling import processes
from tuning.observe.watch import Targets, Watch, WatchError
from tuning.reports import observe as reports
from tuning.stack import postgres, record
from tuning.stack.errors import StackError
from tuning.stack.paths import InstancePaths
from tuning.stack.secrets import load_or_make

EXIT_NOTHING_WATCHED = 1
EXIT_USAGE = 2
FOLLOW_S = 0.2


def register(app: typer.Typer) -> None:
    app.command()(observe)


def observe(
    seconds: Annotated[float, typer.Option(help="How long.")],
    file: Annotated[Path, typer.Option("--out", help="The timeline, JSON lines; a file that is there is replaced.")],
    dsn: Annotated[str | None, typer.Option(help="PostgreSQL past the pooler, a role in pg_monitor.")] = None,
    pgbouncer: Annotated[str | None, typer.Option(help="PgBouncer's console; a libpq connection string.")] = None,
    redis: Annotated[str | None, typer.Option(help="redis://[user]:password@host:port")] = None,
    metrics: Annotated[str | None, typer.Option(help="The address of the service's /metrics.")] = None,
    process: Annotated[
        list[str] | None, typer.Option(help="NAME=PID: a process of this machine with its children; again for more.")
    ] = None,
    gunicorn: Annotated[Path | None, typer.Option(help="gunicorn's pid file: its workers are the group web.")] = None,
    instance: Annotated[str | None, typer.Option(help="All parts of a local stack.")] = None,
    hz: Annotated[float, typer.Option(min=0.1, max=50, help="Looks at pg_stat_activity in a second.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Watch PostgreSQL, PgBouncer, Redis, a service and processes on one clock; exit 1 if nothing could be watched."""
    try:
        if seconds <= 0:
            raise WatchError("--seconds must be more than 0: 60 shows what a minute of load does")
        groups = _groups(process or [], gunicorn)
        if instance is not None:
            if dsn or pgbouncer or redis:
                raise WatchError("--instance finds the parts of a local stack by itself: leave --dsn and the like out")
            targets = _of_instance(instance, metrics, groups, hz)
        else:
            targets = _of_options(dsn, pgbouncer, redis, metrics, groups, hz)
        watch = Watch(targets, file)
        with Progress() as progress, watch:
            _follow(watch, progress, seconds)
    except (WatchError, StackError) as error:
        fail(str(error))
        raise typer.Exit(EXIT_USAGE) from error
    told = reports.summary(timeline.read(file), file, watch.overhead, watch.problem)
    if as_json:
        print_json(told)
    else:
        for line in reports.lines(told):
            out.print(line, markup=False, emoji=False)
    if watch.problem or not any(source["samples"] for source in told["sources"]):
        fail(watch.problem or "nothing could be watched: see what is missing")
        raise typer.Exit(EXIT_NOTHING_WATCHED)


def _follow(watch: Watch, progress: Progress, seconds: float) -> None:
    for source in watch.sources:
        if source.reason is not None:
            progress.step(f"{'in part' if source.interval_s else 'not watched'}: {source.name}: {source.reason}")
    watched = [source.name for source in watch.sources if source.interval_s is not None]
    progress.step(f"watching {', '.join(watched) or 'nothing yet'} for {seconds:g} s")
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and watch.is_running:
        progress.figures(f"{left:.0f} s left")
        time.sleep(min(left, FOLLOW_S))


def _of_options(
    dsn: str | None,
    pgbouncer: str | None,
    redis: str | None,
    metrics: str | None,
    groups: dict[str, list[int]],
    hz: float,
) -> Targets:
    if not (dsn or pgbouncer or redis or metrics or groups):
        raise WatchError("nothing to watch: give --dsn, --pgbouncer, --redis, --metrics, --process or --instance")
    for option, conninfo in (("--dsn", dsn), ("--pgbouncer", pgbouncer)):
        try:
            conninfo_to_dict(conninfo or "")
        except psycopg.ProgrammingError as error:
            raise WatchError(f"{option} is no libpq connection string: {str(error).strip()}") from error
    reasons = {}
    if dsn and not groups:
        pid, why = postmaster(dsn)
        if pid is None:
            reasons[processes.NAME] = why
        else:
            groups = {"postgresql": [pid]}
    return Targets(dsn, pgbouncer, redis, metrics, groups, hz, reasons=reasons)


def _of_instance(instance: str, metrics: str | None, groups: Mapping[str, list[int]], hz: float) -> Targets:
    paths = InstancePaths.of(instance)
    found = record.read(paths.record)
    if found is None or found.state != "ready" or not record.is_held(paths):
        raise StackError(f"instance {instance} is not running: `hotrow up --instance {instance}` starts it")
    parts = {part.name: part for part in found.parts}
    database = make_conninfo(parts["primary"].address, user=postgres.MONITOR_ROLE)
    pooler = parts.get("pgbouncer")
    redis = parts.get("redis")
    secret = load_or_make(paths.secrets).redis
    return Targets(
        database=database,
        pooler=make_conninfo(pooler.address, user=postgres.MONITOR_ROLE) if pooler else None,
        redis=redis.address.replace("redis://", f"redis://:{secret}@") if redis else None,
        metrics_url=metrics,
        processes={part.name: [part.pid] for part in found.parts if part.pid is not None} | dict(groups),
        activity_hz=hz,
    )


def _groups(given: list[str], gunicorn: Path | None) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for text in given:
        name, _, number = text.partition("=")
        if not name or not number.isdigit():
            raise WatchError(f"--process {text}: write NAME=PID, as web=4711")
        groups.setdefault(name, []).append(_pid(int(number), f"--process {text}"))
    if gunicorn is not None:
        try:
            groups.setdefault("web", []).append(_pid(int(gunicorn.read_text()), f"--gunicorn {gunicorn}"))
        except (OSError, ValueError) as error:
            raise WatchError(f"--gunicorn {gunicorn}: {error}") from error
    return groups


def _pid(pid: int, option: str) -> int:
    if not Path(f"/proc/{pid}").exists():
        raise WatchError(f"{option}: there is no process {pid} on this machine")
    return pid
