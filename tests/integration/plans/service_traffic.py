"""Ask the service for each of its reads, captured by its own middleware: ``python -m`` with the stack's settings.

Reads of background work are no part of a request: their texts are taken from where the service has them.
"""

import json
import os
import sys
from pathlib import Path

ORDER = "00000000-0000-0000-0000-000000000014"


def main(folder: Path) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "service.config.settings",
        "HOTROW_CAPTURE_DIRECTORY": str(folder),
        "HOTROW_CAPTURE_SHARE": "1",
        "HOTROW_CONNECTION_MODE": "per_request",
        "HOTROW_CACHE": "none",
    }
    import django

    django.setup()
    _requests()
    _background(folder / "background.jsonl")


def _requests() -> None:
    from django.test import Client

    from service.accounts import tokens
    from service.stock.models import StockReservation

    buyer = StockReservation.objects.values_list("user_id", flat=True).get(order_id=ORDER, line=1)
    client = Client(SERVER_NAME="localhost", headers={"authorization": f"Bearer {tokens.issue(buyer).text}"})
    asked = {
        "products?page=3": 200,
        "products?page=1000&category=4": 200,
        "products/42/availability": 200,
        f"reservations/{ORDER}": 200,
        f"orders/{ORDER}/checkout": 200,
        "readyz": 200,
    }
    for path, status in asked.items():
        found = client.get(f"/{path}" if path == "readyz" else f"/api/{path}")
        assert found.status_code == status, (path, found.status_code, found.content)
    many = client.post("/api/availability", {"product_ids": [7, 8, 9]}, content_type="application/json")
    assert many.status_code == 200, many.content
    wrong = client.post("/api/auth/token", {"username": "user77", "password": "x"}, content_type="application/json")
    assert wrong.status_code == 401, wrong.content


def _background(file: Path) -> None:
    from service.ops import backlogs
    from service.stock import outbox, sweeper
    from service.stock.models import StockTransaction

    ledger = StockTransaction.objects.filter(product_stock_id=42).order_by("-created_at").values("kind", "version")[:20]
    sql, parameters = ledger.query.sql_with_params()
    statements = [
        ("sweeper", sweeper._LAG, []),
        ("outbox", outbox._UNDER_WAY, [outbox.MAX_UNDER_WAY]),
        ("metrics", backlogs._BACKLOGS, {"max": backlogs.MAX_COUNTED}),
        ("ledger", sql, list(parameters)),
    ]
    with file.open("w") as lines:
        for route, text, params in statements:
            lines.write(json.dumps({"v": 1, "route": route, "sql": text, "params": params}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
