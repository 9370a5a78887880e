"""``hotrow up``, ``down``, ``status`` and ``setup``: the local stack."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from tuning.cli.console import Progress, err, fail, out, print_json
from tuning.stack import applying, packages, record
from tuning.stack.children import describe_exit, exit_code, undisturbed
from tuning.stack.errors import StackError
from tuning.stack.paths import InstancePaths
from tuning.stack.profiles import PROFILES
from tuning.stack.record import Part, Record
from tuning.stack.stack import PART_NAMES
from tuning.stack.supervisor import WATCH_INTERVAL_S, running, watch

# A stack ends within its parts' own stop timeouts, one after the other.
DOWN_TIMEOUT_S = 90.0

Instance = Annotated[str, typer.Option(help="Name of the instance; several can run side by side.")]


def register(app: typer.Typer) -> None:
    for command in (up, down, status, setup):
        app.command()(command)


def up(
    instance: Instance = "default",
    profile: Annotated[str, typer.Option(help=f"One of {', '.join(PROFILES)}.")] = "kit",
    postgres_bin: Annotated[
        Path | None, typer.Option(help="The bin directory of an installed PostgreSQL 15 or newer.")
    ] = None,
    port: Annotated[
        list[str] | None, typer.Option(help=f"PART=N, a part being one of {', '.join(PART_NAMES)}; else any free port.")
    ] = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay here; Ctrl-C ends the stack.")] = False,
) -> None:
    """Start PostgreSQL, a replica, PgBouncer, Redis and the service on 127.0.0.1."""
    if profile not in PROFILES:
        raise StackError(f"there is no profile {profile!r}: choose one of {', '.join(PROFILES)}")
    ports = _ports(port or [])
    if foreground:
        with (
            Progress() as progress,
            running(instance, PROFILES[profile], postgres_bin=postgres_bin, ports=ports, report=progress.step) as stack,
        ):
            _print_parts(record.read(InstancePaths.of(instance).record), as_json=False)
            err.print("Ctrl-C ends the stack.")
            watch(stack)
    _print_parts(_up(instance, profile, postgres_bin, ports), as_json=False)


def start_again(found: Record) -> None:
    """End an instance and start it with the same profile, programs and ports.

    Raises:
        StackError: It does not end, or does not start.
    """
    _end(found, InstancePaths.of(found.instance))
    ports = applying.Instance(InstancePaths.of(found.instance), found).ports()
    _up(found.instance, found.profile, Path(found.postgres_bin) if found.postgres_bin else None, ports)


def _up(instance: str, profile: str, postgres_bin: Path | None, ports: dict[str, int]) -> Record:
    paths = InstancePaths.of(instance)
    with record.exclusive(paths):
        paths.record.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tuning.stack.supervisor", "--instance", instance, "--profile", profile]
    command += ["--ports", json.dumps(ports)]
    if postgres_bin is not None:
        command += ["--postgres-bin", str(postgres_bin)]
    return _supervise(command, paths)


def down(
    instance: Instance = "default",
    purge: Annotated[bool, typer.Option("--purge", help="Remove the instance's data and secrets as well.")] = False,
) -> None:
    """End an instance; its data is kept for the next time unless --purge is given."""
    paths = InstancePaths.of(instance)
    found = record.read(paths.record)
    if record.is_held(paths) and found is not None:
        _end(found, paths)
        out.print(f"Instance {instance} has ended.", markup=False)
    else:
        out.print(f"Instance {instance} is not running.", markup=False)
    if purge:
        with record.exclusive(paths):
            shutil.rmtree(paths.root)
        out.print(f"Removed {paths.root}", markup=False)


def _end(found: Record, paths: InstancePaths) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_TIMEOUT_S
    while record.is_held(paths):
        if time.monotonic() > deadline:
            raise StackError(f"process {found.pid} did not end within {DOWN_TIMEOUT_S:.0f} s")
        time.sleep(WATCH_INTERVAL_S)


def status(
    instance: Instance = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Show each part with its address, version and state; exit 1 unless the stack is ready."""
    paths = InstancePaths.of(instance)
    found = record.read(paths.record) or Record(instance=instance, profile="", state="stopped", pid=0)
    if found.state in ("starting", "ready") and not record.is_held(paths):
        found = Record(
            instance=instance,
            profile=found.profile,
            state="failed",
            pid=0,
            parts=[Part(part.name, "ended", part.address, part.version) for part in found.parts],
            message=f"process {found.pid}, which watched the stack, was killed; `hotrow up` starts it again",
        )
    _print_parts(found, as_json=as_json)
    if found.state != "ready":
        raise typer.Exit(1)


def setup(
    tests: Annotated[bool, typer.Option("--tests", help="Also what only the tests need.")] = False,
    bench: Annotated[bool, typer.Option("--bench", help="Also what only the benchmarks need.")] = False,
    compose: Annotated[bool, typer.Option("--compose", help="Also what the deployment's test needs: Docker.")] = False,
) -> None:
    """Install Debian's pgbouncer and redis-server where this user may; name what is missing where not."""
    wanted = packages.FOR_STACK + (packages.FOR_TESTS if tests else ()) + (packages.FOR_BENCH if bench else ())
    wanted += packages.FOR_COMPOSE if compose else ()
    sentences = packages.install(tuple(dict.fromkeys(wanted)), err.print)
    sentences += packages.install(packages.hypopg(), err.print) if tests else []
    for sentence in sentences:
        err.print(sentence, markup=False)


def _ports(given: list[str]) -> dict[str, int]:
    ports = {}
    for item in given:
        part, _, number = item.partition("=")
        if not number.isdigit() or not 1 <= int(number) <= 65535:
            raise StackError(f"--port {item}: write PART=N, as in --port web=8000")
        ports[part] = int(number)
    return ports


def _supervise(command: list[str], paths: InstancePaths) -> Record:
    """Start the process that watches the stack, and return what it has started once that is ready."""
    log = paths.log("supervisor")
    log.parent.mkdir(parents=True, exist_ok=True)
    supervisor = None
    try:
        with log.open("w") as output, undisturbed():
            # The first line also claims the block of disk that an error is written to when it is full.
            print(shlex.join(command), file=output, flush=True)
            supervisor = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        return _await_ready(supervisor, paths)
    except BaseException:
        if supervisor is not None:
            supervisor.terminate()
            supervisor.wait()
        raise


def _await_ready(supervisor: subprocess.Popen[bytes], paths: InstancePaths) -> Record:
    said = ""
    with Progress() as progress:
        while True:
            code = exit_code(supervisor, WATCH_INTERVAL_S / 4)
            if code == 0:
                raise StackError("the stack was ended while it was starting")
            if code is not None:
                reason = paths.log("supervisor").read_text(errors="replace").partition("\n")[2].strip()
                raise StackError(reason or f"the stack {describe_exit(code)}")
            found = record.read(paths.record)
            if found is None or found.pid != supervisor.pid:
                continue
            if found.state == "ready":
                return found
            if found.message not in ("", said):
                said = found.message
                progress.step(said)


def _print_parts(found: Record | None, *, as_json: bool) -> None:
    if found is None:
        return
    if as_json:
        print_json(found.as_json())
        return
    table = Table(
        "part",
        "state",
        "version",
        Column("address", overflow="fold"),
        title=f"{found.instance}: {found.state}",
        title_justify="left",
    )
    for part in found.parts:
        table.add_row(part.name, part.state, part.version, part.address)
    out.print(table)
    for note in found.notes:
        out.print(f"Note: {note}.", markup=False)
    if found.message and found.state == "failed":
        fail(found.message)
