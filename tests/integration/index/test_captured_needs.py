"""From captured traffic to migrations: ``suggest``, ``prove`` and ``write``, one after the other, over one file.

The report's service, on the kit's schema without the report's four indexes and with its N+1; nothing but what
service.capture wrote is known. ``HOTROW_INDEX_ROWS=5000000`` is the same at full size.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.bare import bare
from tests.integration.index.test_report import INDEXES as REPORT
from tests.integration.index.test_report import LOAD, ROWS, told
from tests.unit.command import ROOT, hotrow
from tuning.stack import postgres

GOODS = """
SET session_replication_role = replica;
TRUNCATE product, product_category CASCADE;
INSERT INTO product_category (id, name) SELECT n, 'c' || n FROM generate_series(1, 20) AS n;
INSERT INTO product (id, sku, name, price, category_id, is_active)
SELECT n, 's' || n, 'p' || n, 1, 1 + n % 20, true FROM generate_series(1, 5000) AS n;
"""
COUNTED = """
UPDATE product_stock SET available = 1000;
SELECT setval(pg_get_serial_sequence(name, 'id'), 10 * {rows})
  FROM unnest(ARRAY['stock_reservation', 'stock_transaction']) AS name;
"""
MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reportsite")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SETTINGS = """
import os
from pathlib import Path
from service.config.settings import *

HOTROW_SQL_ROOT = Path(__file__).parent / "sql"
ROOT_URLCONF = "reportviews"
MIDDLEWARE = ["service.capture.middleware.Capture"]
HOTROW_CAPTURE = {"DIRECTORY": os.environ["CAPTURED"], "SHARE": 1.0}
"""
# The report's reservation code (transaction, select_for_update, create, save, create), and the reads beside it.
VIEWS = """
import uuid
from datetime import timedelta

from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from service.catalog.models import Product
from service.stock.models import ProductStock, StockReservation, StockTransaction


def products(request):
    for each in Product.objects.filter(is_active=True).order_by("id")[:20]:
        str(each.category), list(each.stock.all())
    return HttpResponse()


def availability(request, product):
    return HttpResponse(sum(each.available for each in ProductStock.objects.filter(product_id=product)))


def reserve(request, product, user):
    now = timezone.now()
    with transaction.atomic():
        stock = ProductStock.objects.select_for_update().get(product_id=product)
        stock.available -= 1
        stock.held += 1
        made = StockReservation.objects.create(
            order_id=uuid.uuid4(), line=1, user_id=user, product_stock=stock, quantity=1, status="held",
            idempotency_key=str(uuid.uuid4()), request_hash=1, created_at=now, updated_at=now,
            expires_at=now + timedelta(minutes=15),
        )
        stock.save()
        StockTransaction.objects.create(
            product_stock=stock, reservation=made, kind="reserve", delta_available=-1, delta_held=1, delta_sold=0,
            created_at=now,
        )
    return HttpResponse()


def mine(request, user):
    return HttpResponse(len(StockReservation.objects.filter(user_id=user, status="confirmed")))


def due(request):
    over = StockReservation.objects.filter(status="held", expires_at__lt=timezone.now()).order_by("expires_at")[:50]
    for each in over[:2]:
        StockReservation.objects.filter(pk=each.pk).update(status="expired")
    return HttpResponse()


def history(request, stock):
    return HttpResponse(len(StockTransaction.objects.filter(product_stock_id=stock).order_by("-created_at")[:20]))


urlpatterns = [
    path("products", products), path("availability/<int:product>", availability),
    path("reserve/<int:product>/<int:user>", reserve), path("mine/<int:user>", mine), path("due", due),
    path("history/<int:stock>", history),
]
"""
TRAFFIC = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "reportsite"
import django
django.setup()
from django.test import Client

for n in range(1, 21):
    asked = ["products", f"availability/{n}", f"reserve/{n}/{n}", f"mine/{n}", f"history/{n}"]
    for each in [*asked, *(["due"] if n % 5 == 0 else [])]:
        assert Client(SERVER_NAME="localhost").get(f"/{each}").status_code == 200, each
"""
# What the report's four indexes are for: the table, and the route that reads it.
NEEDS = {
    "report_1": ("product_stock", "availability/<int:product>"),
    "report_2": ("stock_reservation", "due"),
    "report_3": ("stock_reservation", "mine/<int:user>"),
    "report_4": ("stock_transaction", "history/<int:stock>"),
}


class Site:
    """A project of its own with the service's applications in it, on a database with rows."""

    def __init__(self, root: Path, dsn: str) -> None:
        self.root = root
        self.dsn = dsn

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", *arguments], cwd=self.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def indexes(self) -> set[str]:
        with psycopg.connect(self.dsn) as connection:
            rows = connection.execute(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid AND indrelid IN"
                " ('stock_reservation'::regclass, 'stock_transaction'::regclass, 'product_stock'::regclass)"
            )
            return {name for (name,) in rows}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("service", "sql"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "captured").mkdir()
    for path, text in {"manage.py": MANAGE, "reportsite.py": SETTINGS, "reportviews.py": VIEWS}.items():
        (tmp_path / path).write_text(text)
    for name in [each for each in os.environ if each.startswith(("HOTROW_", "DJANGO_"))]:
        if name != "HOTROW_STATE_DIR":
            monkeypatch.delenv(name)
    with bare("captured-needs", shared_buffers="64MB") as stack:
        dsn = psycopg.conninfo.make_conninfo(stack.superuser, dbname=postgres.DATABASE)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute((GOODS + LOAD + COUNTED).format(rows=ROWS).encode())
            connection.execute("VACUUM ANALYZE")
        variables = {
            "HOTROW_SECRET_KEY": "x", "HOTROW_JWT_KEYS": "k:" + "x" * 32, "HOTROW_DATABASE_URL": stack.direct,
            "HOTROW_CONNECTION_MODE": "per_request", "PYTHONPATH": f"{tmp_path}",
            "CAPTURED": str(tmp_path / "captured"),
        }  # fmt: skip
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield Site(tmp_path, dsn)


@pytest.mark.timeout(120 + ROWS // 2_000)
def test_needs_are_found_in_captured_traffic_proven_and_written(site: Site) -> None:
    site.run("-c", TRAFFIC)
    captured = [str(path) for path in (site.root / "captured").glob("*.jsonl")]
    done = hotrow("index", "suggest", "--dsn", site.dsn, "--json", *captured)
    assert done.returncode == 1, done.stderr
    suggested = json.loads(done.stdout)
    verdicts = {name: _verdict(suggested, table, route) for name, (table, route) in NEEDS.items()}
    # Unique constraints lead with the product and with the user.
    assert verdicts == {
        "report_1": "useless", "report_2": "suggested", "report_3": "useless", "report_4": "suggested",
    }, suggested  # fmt: skip

    file = site.root / "suggested.json"
    file.write_text(done.stdout)
    done = hotrow("index", "prove", "--dsn", site.dsn, "--candidates", str(file), "--json", *captured)
    proven = {each["name"]: each for each in json.loads(done.stdout)["indexes"]}
    print(f"\n{ROWS:,} rows", *map(told, proven.values()), sep="\n")
    assert done.returncode == 0, proven
    assert proven.keys() == {each["name"] for each in suggested["candidates"]}
    for each in proven.values():
        best = max(each["statements"], key=lambda effect: effect["cut"])
        assert best["after"]["blocks"] < best["before"]["blocks"] / 2, each
    _prove_useless(site, captured, [name for name, verdict in verdicts.items() if verdict == "useless"])

    other = {**suggested["candidates"][0], "table": "product", "columns": ["name"]}
    file.write_text(json.dumps({"candidates": [other, *suggested["candidates"]]}))
    before = site.indexes()
    done = hotrow("index", "write", "--app", "stock", "--project", str(site.root), "--candidates", str(file))
    assert done.returncode == 0, done.stderr
    assert "no model of the table product" in done.stdout
    site.run("manage.py", "makemigrations", "--check", "--dry-run")
    site.run("manage.py", "migrate")
    made = site.indexes() - before
    assert len(made) == len(suggested["candidates"])
    site.run("manage.py", "migrate", "stock", "0008")
    assert site.indexes() == before


def _prove_useless(site: Site, captured: list[str], names: list[str]) -> None:
    """The report's index saves the statements that it is for less than half, in the copy too."""
    for name in names:
        _, route = NEEDS[name]
        lines = [line for path in captured for line in Path(path).read_text().splitlines()]
        mine = "\n".join(line for line in lines if json.loads(line)["route"] == route)
        wanted = f"CREATE INDEX {name} ON {REPORT[name]}"
        done = hotrow("index", "prove", "--dsn", site.dsn, "--json", "--index", wanted, "-", stdin=mine)
        (found,) = json.loads(done.stdout)["indexes"]
        print(told(found))
        assert found["verdict"] == "useless", found


def _verdict(suggested: dict[str, Any], table: str, route: str) -> str:
    """What was said of a need: an index for it, or why there is none."""
    for each in suggested["candidates"]:
        if each["table"] == table and any(route in one["route"] for one in each["serves"]):
            return "suggested"
    reasons = [each["reason"] for each in suggested["unserved"] if route in each["route"] and table in each["sql"]]
    is_served = bool(reasons) and all("served well" in each or "that exists" in each for each in reasons)
    return "useless" if is_served else f"missed: {reasons}"
