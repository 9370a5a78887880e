"""Run pgbench and read what it says; rates are counted in the database, never taken from here alone."""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from tuning.stack.children import spawn, tail
from tuning.stack.errors import StackError
from tuning.stack.stack import Stack

SCRIPTS = Path(__file__).parent / "scripts"
# A pgbench that is over its time by so much hangs.
OVERTIME_S = 120.0
POLL_S = 0.1
# Since 1.21 PgBouncer keeps prepared statements in transaction mode.
PREPARED_SINCE = (1, 21)

_PROCESSED = re.compile(r"number of transactions actually processed: (\d+)")
_FAILED = re.compile(r"number of failed transactions: (\d+)")
_TPS = re.compile(r"tps = ([\d.]+) \(without initial connection time\)")
_ABORTED = re.compile(r"client \d+ (?:script \d+ )?aborted")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``seconds`` leaves out the time to connect; ``errors`` are failed transactions and aborted clients."""

    transactions: int
    seconds: float
    errors: int
    output: str


@dataclass(frozen=True, slots=True)
class Load:
    """What pgbench is to do. One of ``seconds`` and ``transactions`` (of each client) is above 0.

    ``scripts`` maps a file of ``scripts/`` to its weight; ``log`` is the prefix of the files that get
    the time of each transaction.
    """

    scripts: Mapping[str, int]
    clients: int
    protocol: str
    seconds: int = 0
    transactions: int = 0
    variables: Mapping[str, int] | None = None
    settings: Mapping[str, str] | None = None
    log: Path | None = None


def protocol(path: str, pgbouncer: str) -> str:
    """The fastest protocol that this path carries; ``pgbouncer`` is its version."""
    release = tuple(int(part) for part in pgbouncer.split(".")) if pgbouncer else (0,)
    return "prepared" if path == "direct" or release >= PREPARED_SINCE else "extended"


def command(program: str, conninfo: str, load: Load) -> tuple[list[str], dict[str, str]]:
    """The command line and its environment: the password is in the latter alone."""
    given = conninfo_to_dict(conninfo)
    words = [program, "--no-vacuum", f"--client={load.clients}", f"--protocol={load.protocol}"]
    words += [f"--jobs={min(load.clients, os.cpu_count() or 1)}"]
    words += [f"--time={load.seconds}"] if load.seconds else [f"--transactions={load.transactions}"]
    words += [f"--file={SCRIPTS / name}.sql@{weight}" for name, weight in load.scripts.items()]
    words += [f"--define={name}={value}" for name, value in (load.variables or {}).items()]
    words += ["--log", f"--log-prefix={load.log}"] if load.log else []
    words += [f"--host={given['host']}", f"--port={given['port']}", f"--username={given['user']}", str(given["dbname"])]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    env |= {"PGPASSWORD": str(given["password"]), "LC_ALL": "C"}
    if load.settings:
        env["PGOPTIONS"] = " ".join(f"-c {name}={value}" for name, value in load.settings.items())
    return words, env


def run(program: str, conninfo: str, load: Load, *, stack: Stack, scratch: Path) -> Outcome:
    """Run pgbench to its end.

    Raises:
        PartDied: A server of the stack ended meanwhile.
        StackError: pgbench could not begin, or did not end.
    """
    words, env = command(program, conninfo, load)
    output = scratch / "pgbench.out"
    output.unlink(missing_ok=True)
    child = spawn("pgbench", words, log=output, env=env)
    started = time.monotonic()
    deadline = started + load.seconds + OVERTIME_S + (3600 if load.transactions else 0)
    try:
        while child.exit_code(POLL_S) is None:
            stack.check()
            if time.monotonic() > deadline:
                raise StackError(f"pgbench did not end{tail(output)}")
    finally:
        child.stop()
    return parse(output.read_text(errors="replace"), time.monotonic() - started)


def parse(text: str, wall_s: float) -> Outcome:
    """Read pgbench's report; ``wall_s`` stands in for the time where not one transaction was made.

    Raises:
        StackError: It holds no report.
    """
    processed, tps = _PROCESSED.search(text), _TPS.search(text)
    if processed is None:
        raise StackError(f"pgbench reported nothing:\n  {text.strip()[-2000:]}")
    transactions, failed = int(processed[1]), _FAILED.search(text)
    rate = float(tps[1]) if tps else 0.0
    return Outcome(
        transactions=transactions,
        seconds=transactions / rate if rate else wall_s,
        errors=(int(failed[1]) if failed else 0) + len(_ABORTED.findall(text)),
        output=text,
    )


def latencies_ms(prefix: Path) -> list[float]:
    """The time of each transaction in the log files of one run, in milliseconds; the files are removed."""
    found = []
    for path in sorted(prefix.parent.glob(f"{prefix.name}.*")):
        for line in path.read_text().splitlines():
            latency_us = line.split()[2]
            if latency_us.isdigit():  # "failed" and "skipped" have no time
                found.append(int(latency_us) / 1000)
        path.unlink()
    return found
