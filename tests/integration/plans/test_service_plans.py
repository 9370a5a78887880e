"""The service's own plans at 1,000,000 products and 5,000,000 reservations are those that were accepted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.integration.plans import service_baseline, service_server
from tests.integration.plans.service_baseline import BASELINE
from tests.integration.plans.service_server import served
from tests.integration.plans.service_statements import INNER, Inner
from tests.unit.command import ROOT
from tuning.plans import baseline_file
from tuning.stack import postgres
from tuning.stack.stack import Stack

# The first run on a machine builds the rows.
pytestmark = pytest.mark.timeout(600)
DUE = "stock_reservation_due_idx"


@pytest.fixture(scope="module")
def service() -> Iterator[Stack]:
    with served() as stack:
        yield stack


def check(service: Stack, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = service_baseline.plans("check", service, str(BASELINE), "--json", *arguments)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("inner", INNER, ids=lambda each: f"{each.function}-{each.sql[:30]}")
def test_inner_statement_is_that_of_its_function(inner: Inner) -> None:
    assert inner.stands_in_its_function()
    assert not inner._replace(text=inner.text.replace("r.", "x.").replace("=", "<>")).stands_in_its_function()
    # Each of its variables has a value.
    assert not [word for word in inner.sql.split() if word.startswith(("p_", "v_", "c_"))]


def test_baseline_holds_each_read_of_the_service_and_none_that_scans_a_large_table() -> None:
    baseline = baseline_file.read(BASELINE)
    routes = {entry.route for entry in baseline.entries}
    assert routes >= {
        "api/products", "api/products/<product_id>/availability", "api/availability", "api/reservations/<order_id>",
        "api/orders/<order_id>/checkout", "api/auth/token", "sweeper", "outbox", "metrics", "ledger",
    }  # fmt: skip
    assert routes >= {inner.function for inner in INNER}
    assert baseline.tables["public.stock_reservation"].rows == pytest.approx(5_000_000, rel=0.02)
    assert baseline.tables["public.product"].rows == pytest.approx(1_000_000, rel=0.02)
    large = [f"on public.{name}" for name in ("stock_reservation", "stock_transaction", "product_stock")]
    scans = [
        line
        for entry in baseline.entries
        for plan in entry.plans
        for line in plan.outline
        if "Seq Scan" in line and line.endswith(tuple(large))
    ]
    assert scans == []


def test_plans_are_those_that_were_accepted_and_no_statement_is_unknown(service: Stack, tmp_path: Path) -> None:
    code, found = check(service, *service_baseline.statements(service, tmp_path))
    assert code == 0, found
    assert found["counts"]["skipped"] == 0
    wrong = [each for one in found["statements"] for each in one["findings"] if each["outcome"] != "OK"]
    assert wrong == []
    # What the service no longer sends is taken out.
    assert not [note for note in found["notes"] if "are not in what was given" in note]


def test_index_that_is_dropped_is_named_where_it_was_used(service: Stack) -> None:
    dsn = make_conninfo(service.superuser, dbname=postgres.DATABASE)
    kept = service.paths.root / service_server.BUILT
    kept.unlink()  # whoever is ended here leaves nothing that is used again
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP INDEX {DUE}")
        try:
            code, found = check(service)
        finally:
            connection.execute((ROOT / f"sql/indexes/{DUE}.sql").read_bytes())
            kept.touch()
    assert code == 1
    failed = {
        one["route"]: each["causes"]
        for one in found["statements"]
        for each in one["findings"]
        if each["outcome"] == "FAIL"
    }
    assert {"expire_reservations_v1", "sweeper"} <= failed.keys()
    assert all(any(DUE in cause and "is gone" in cause for cause in causes) for causes in failed.values()), failed
    # Nothing is left of it.
    assert check(service)[0] == 0


def test_rows_are_kept_until_what_they_are_made_from_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = service_server.name()
    assert service_server.name() == before
    other = tmp_path / service_server.DATA.name
    other.write_text(service_server.DATA.read_text() + "-- another\n")
    changed = tuple(other if path == service_server.DATA else path for path in service_server.MADE_FROM)
    monkeypatch.setattr(service_server, "MADE_FROM", changed)
    assert service_server.name() != before
