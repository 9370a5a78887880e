"""``hotrow bench``: ways to reserve, measured side by side; what logins cost, and what overload does."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from tuning.bench import growth, matrix, session
from tuning.bench import http as bench_over_http
from tuning.bench import logins as bench_of_logins
from tuning.bench import overload as bench_of_overload
from tuning.bench.plan import Plan
from tuning.bench.sustained import BATCH, CLIENTS
from tuning.cli.console import Progress, err, fail, out, print_json
from tuning.observe.machine import machine
from tuning.reports import bench_http, bench_logins, bench_overload, bench_sql
from tuning.stack.errors import StackError

PEERS = Path(".venv-peers")

bench = typer.Typer(help="Measure ways to reserve, side by side.", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", help="Where the JSON and Markdown documents are written.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the JSON document instead of the table.")]
PostgresBin = Annotated[Path | None, typer.Option(help="The bin directory of an installed PostgreSQL 15 or newer.")]
Peers = Annotated[Path, typer.Option(help="The virtual environment that `make bench-peers` makes.")]


def register(app: typer.Typer) -> None:
    app.add_typer(bench, name="bench")


@bench.command()
def sql(
    only: Annotated[list[str] | None, typer.Option(help=f"{', '.join(matrix.STRATEGIES)}; repeatable.")] = None,
    clients: Annotated[list[int] | None, typer.Option(min=1, max=90, help="Sessions; repeatable.")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, max=10_000, help="Requests in a batch; repeatable.")] = None,
    path: Annotated[list[str] | None, typer.Option(help=f"{' or '.join(matrix.PATHS)}; repeatable.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help=f"{' or '.join(matrix.SCOPES)}; repeatable.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Interleaved rounds: 3, with --quick 2.")] = None,
    seconds: Annotated[int | None, typer.Option(min=1, help="Length of one measurement: 5, with --quick 2.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A dozen rows, in less than two minutes.")] = False,
    refusal: Annotated[bool, typer.Option("--refusal", help="Also a sold-out product, where rows are chosen.")] = False,
    sustained: Annotated[int, typer.Option(min=0, help="Reserve so many units of one hot row in batches.")] = 0,
    grow: Annotated[bool, typer.Option("--growth", help="Beside 10^4, 10^6, 10^7 old.")] = False,
    rows: Annotated[list[int] | None, typer.Option(min=1_000, help="Other sizes for --growth.")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="Where the time and the WAL of a batch go.")] = False,
    overlap: Annotated[bool, typer.Option("--overlap", help="Batches over the same keys.")] = False,
    with_matrix: Annotated[bool, typer.Option("--matrix", help="The matrix too, beside one of these four.")] = False,
    out_dir: Out = Path("results"),
    as_json: AsJson = False,
    postgres_bin: PostgresBin = None,
    peers: Peers = PEERS,
) -> None:
    """Measure reservations in the database with pgbench, on a fresh instance; about 25 minutes.

    The matrix: each single-call strategy with 1, 4, 16 and 50 clients on one hot row; batches of 10 to 8,000; through
    PgBouncer with 50 clients; over 1,000 products; synchronous_commit off; and a sold-out product. All rows are
    measured once in each round, in rotated order. Any of --clients, --batch, --path and --scope replaces it by every
    combination of what is given (else 4, 1000, direct, hot). --sustained, --growth, --profile and --overlap are
    measured instead of the matrix.
    """
    _require("--only", only, matrix.STRATEGIES)
    _require("--path", path, matrix.PATHS)
    _require("--scope", scope, matrix.SCOPES)
    is_chosen = bool(clients or batch or path or scope)
    cases = matrix.quick() if quick else matrix.full()
    if is_chosen:
        cases = matrix.exact(clients or [], batch or [], path or [], scope or [])
    if is_chosen and refusal:
        cases += [matrix.Case("function", number, refused=True) for number in clients or [matrix.FEW]]
    has_part = bool(sustained or grow or profile or overlap)
    plan = Plan(
        cases=matrix.of(cases, only or matrix.STRATEGIES, has_pgbouncer=True) if with_matrix or not has_part else (),
        rounds=rounds or (2 if quick else 3),
        seconds=seconds or (2 if quick else 5),
        sustained=sustained,
        batch=batch[0] if batch else BATCH,
        clients=clients[0] if clients else CLIENTS,
        growth=(rows or growth.ROWS) if grow else (),
        profile=profile,
        overlap=overlap,
    )
    _require_writable(out_dir)
    with Progress() as progress:
        measured = session.run(
            plan, postgres_bin=postgres_bin, peers=peers, step=progress.step, figures=progress.figures
        )
    found = bench_sql.document(measured, machine(), rounds=plan.rounds, seconds=plan.seconds)
    _publish(out_dir, "bench-sql", found, bench_sql.markdown(found), _print_sql, as_json=as_json)
    if broken := bench_sql.violations(found):
        fail(f"the audit found {broken} violations: see {out_dir / 'bench-sql.md'}")
        raise typer.Exit(1)


@bench.command()
def http(
    strategy: Annotated[str, typer.Option(help="The service's way to reserve.")] = "batched",
    connections: Annotated[list[int] | None, typer.Option(min=1, max=1_000, help="Default 50 and 200.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved rounds.")] = 3,
    seconds: Annotated[int, typer.Option(min=1, help="Length of one measurement.")] = 8,
    out_dir: Out = Path("results"),
    as_json: AsJson = False,
    postgres_bin: PostgresBin = None,
    peers: Peers = PEERS,
) -> None:
    """Measure the whole service with wrk, and FastAPI with asyncpg on the same database; about 6 minutes.

    An empty view, reservations of one hot product and of 1,000 products, each of both servers; and the
    service's product list.
    """
    _require_writable(out_dir)
    with Progress() as progress:
        measured = bench_over_http.measure(
            strategy,
            connections or (50, 200),
            rounds=rounds,
            seconds=seconds,
            postgres_bin=postgres_bin,
            peers=peers,
            step=progress.step,
            figures=progress.figures,
        )
    found = bench_http.document(measured, machine(), rounds=rounds, seconds=seconds)
    _publish(out_dir, "bench-http", found, bench_http.markdown(found), _print_http, as_json=as_json)
    if broken := bench_http.violations(found):
        fail(f"the audit found {broken} violations: see {out_dir / 'bench-http.md'}")
        raise typer.Exit(1)


@bench.command()
def logins(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; each measures everything once.")] = 3,
    seconds: Annotated[int, typer.Option(min=1, help="Length of one measurement.")] = 10,
    out_dir: Out = Path("results"),
    as_json: AsJson = False,
    postgres_bin: PostgresBin = None,
) -> None:
    """Measure 200 reads/s with and without 20 logins/s beside them, and logins/s of both hashers; about 3 minutes."""
    _require_writable(out_dir)
    with Progress() as progress:
        measured = bench_of_logins.measure(
            rounds=rounds, seconds=seconds, postgres_bin=postgres_bin, step=progress.step, figures=progress.figures
        )
    found = bench_logins.document(measured, machine(), rounds=rounds, seconds=seconds)
    _publish(out_dir, "bench-logins", found, bench_logins.markdown(found), _print_logins, as_json=as_json)
    if wrong := bench_logins.failed(found):
        fail(f"{wrong} requests failed: see {out_dir / 'bench-logins.json'}")
        raise typer.Exit(1)


@bench.command()
def overload(
    strategy: Annotated[list[str] | None, typer.Option(help="Default batched and pessimistic; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; each measures everything once.")] = 1,
    seconds: Annotated[int, typer.Option(min=1, help="Length of one flood.")] = 60,
    is_apart: Annotated[
        bool, typer.Option("--apart/--together", help="Give the load a core of its own, and the stack the others.")
    ] = False,
    out_dir: Out = Path("results"),
    as_json: AsJson = False,
    postgres_bin: PostgresBin = None,
) -> None:
    """Ask three times what the service can serve, with shedding and without, then half of it; about 6 minutes.

    The peak is measured before each flood. With batched the processor is the bound, with pessimistic the database.
    """
    _require("--strategy", strategy, (*matrix.SINGLE, "batched"))
    _require_writable(out_dir)
    with Progress() as progress:
        measured = bench_of_overload.measure(
            strategy or bench_of_overload.STRATEGIES,
            rounds=rounds,
            seconds=seconds,
            is_apart=is_apart,
            postgres_bin=postgres_bin,
            step=progress.step,
            figures=progress.figures,
        )
    found = bench_overload.document(measured, machine(), rounds=rounds, seconds=seconds, is_apart=is_apart)
    _publish(out_dir, "bench-overload", found, bench_overload.markdown(found), _print_overload, as_json=as_json)
    if wrong := bench_overload.failed(found):
        fail(f"{wrong} answers or counters were wrong: see {out_dir / 'bench-overload.json'}")
        raise typer.Exit(1)


def _print_sql(found: dict[str, Any]) -> None:
    if found["rows"]:
        table = Table(title="Reservations a second", title_justify="left", box=box.SIMPLE, collapse_padding=True)
        for position in bench_sql.CONSOLE:
            table.add_column(bench_sql.TITLES[position], justify="left" if position < 3 else "right", no_wrap=True)
        for row in found["rows"]:
            cells = bench_sql.row_cells(row)
            table.add_row(*(cells[position] for position in bench_sql.CONSOLE))
        out.print(table)
    for sentence in (*bench_sql.ratio_sentences(found), *bench_sql.sentences(found)):
        out.print(sentence, markup=False)


def _print_http(found: dict[str, Any]) -> None:
    table = Table(title="Requests a second", title_justify="left", box=box.SIMPLE, collapse_padding=True)
    for position, title in enumerate(bench_http.TITLES):
        table.add_column(title, justify="left" if position < 2 else "right", no_wrap=True)
    for row in found["rows"]:
        table.add_row(*bench_http.row_cells(row))
    out.print(table)
    for each in found["ratios"]:
        out.print(bench_http.ratio_sentence(each), markup=False)
    out.print(f"Audit: {len(found['audit'])} checks, {bench_http.violations(found)} violations.", markup=False)


def _print_logins(found: dict[str, Any]) -> None:
    table = Table(title="Logins", title_justify="left", box=box.SIMPLE, collapse_padding=True)
    for position, title in enumerate(bench_logins.TITLES):
        table.add_column(title, justify="right" if position else "left", no_wrap=True)
    for row in bench_logins.rows(found):
        table.add_row(*row)
    out.print(table)
    out.print(bench_logins.sentence(found), markup=False)


def _print_overload(found: dict[str, Any]) -> None:
    table = Table(title="Overload", title_justify="left", box=box.SIMPLE, collapse_padding=True)
    for position, title in enumerate(bench_overload.TITLES):
        table.add_column(title, justify="right" if position > 1 else "left", no_wrap=True)
    for row in bench_overload.rows(found):
        table.add_row(*row)
    out.print(table)
    out.print(bench_overload.sentence(found), markup=False)


def _require(option: str, given: list[str] | None, known: tuple[str, ...]) -> None:
    for each in given or []:
        if each not in known:
            raise StackError(f"{option} {each}: choose one of {', '.join(known)}")


def _require_writable(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory):
        pass  # better now than after the measurement


def _publish(
    directory: Path,
    name: str,
    found: dict[str, Any],
    markdown: str,
    show: Callable[[dict[str, Any]], None],
    *,
    as_json: bool,
) -> None:
    for suffix, text in {".json": json.dumps(found, indent=2) + "\n", ".md": markdown}.items():
        staging = directory / f".{name}{suffix}"
        staging.write_text(text)
        staging.replace(directory / f"{name}{suffix}")
    for note in found["notes"]:
        err.print(f"Note: {note}.", markup=False)
    if as_json:
        print_json(found)
        return
    show(found)
    out.print(f"\nWritten: {directory / name}.md and {directory / name}.json", markup=False)
