"""Load demo data: ``python -m service.manage seed``."""

import math
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from service.config.environment import StrategyName, environment

# In the order in which they are emptied and analysed.
_TABLES = [
    "stock_transaction",
    "stock_reservation",
    "stock_unit",
    "product_stock",
    "product",
    "product_category",
    "warehouse",
    "account_user",
]
_CATEGORIES = ("Audio", "Cameras", "Games", "Home", "Laptops", "Phones", "Tablets", "Wearables")
_HOT_PRODUCT = 1
# Strategies for which the hot product has to be counted in another way.
_STOCK_MODES = (StrategyName.BUCKETS, StrategyName.UNITS)


class Command(BaseCommand):
    help = "Replace the demo data: categories, products, warehouses, stock and users."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--products", type=int, default=1_000)
        parser.add_argument("--users", type=int, default=1_000)
        parser.add_argument("--units", type=int, default=1_000, help="units of each product in each warehouse")
        parser.add_argument("--hot-units", type=int, default=1_000_000, help="units of the product on flash sale")
        parser.add_argument("--password", default="flash-sale", help="of every demo user")
        parser.add_argument("--if-empty", action="store_true", help="do nothing where there are products already")
        parser.add_argument("--force", action="store_true", help="also where users exist that are not demo users")

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("products", "users", "units", "hot_units"):
            if not 1 <= options[name] <= 10_000_000:
                raise CommandError(f"--{name.replace('_', '-')} must be from 1 to 10,000,000")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM product)")
            if options["if_empty"] and cursor.fetchone()[0]:
                self.stdout.write("There are products already: nothing to do.")
                return
            cursor.execute("SELECT count(*) FROM account_user WHERE username NOT LIKE 'user%%'")
            if cursor.fetchone()[0] and not options["force"]:
                raise CommandError("This database has users that are not demo users: --force deletes them too")
            cursor.execute(f"TRUNCATE {', '.join(_TABLES)} RESTART IDENTITY CASCADE")
            self._catalog(cursor, options)
            if environment().strategy in _STOCK_MODES:
                cursor.execute("SELECT set_stock_mode_v1(%s, %s)", [_HOT_PRODUCT, environment().strategy.value])
            self._users(cursor, options)
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {', '.join(_TABLES)}")
        self.stdout.write(
            f"Seeded {options['products']:,} products in 2 warehouses and {options['users']:,} users"
            f" (user1 ... user{options['users']})."
        )

    def _catalog(self, cursor: Any, options: dict[str, Any]) -> None:
        cursor.execute("INSERT INTO warehouse (code, priority) VALUES ('MAIN', 0), ('RESERVE', 1)")
        cursor.execute(
            "INSERT INTO product_category (name) SELECT name FROM unnest(%s::text[]) AS name", [list(_CATEGORIES)]
        )
        width = max(4, math.ceil(math.log10(options["products"] + 1)))
        cursor.execute(
            "INSERT INTO product (sku, name, price, category_id, is_active)"
            " SELECT 'SKU-' || lpad(n::text, %s, '0'), 'Product ' || n, 5 + (n * 7919 %% 99500) / 100.0,"
            "        1 + n %% %s, true FROM generate_series(1, %s) AS n",
            [width, len(_CATEGORIES), options["products"]],
        )
        cursor.execute(
            "INSERT INTO product_stock (product_id, warehouse_id, available, version)"
            " SELECT p.id, w.id, CASE WHEN p.id = %s AND w.id = 1 THEN %s ELSE %s END, 1"
            "   FROM product AS p CROSS JOIN warehouse AS w ORDER BY p.id, w.id",
            [_HOT_PRODUCT, options["hot_units"], options["units"]],
        )
        cursor.execute(
            "INSERT INTO stock_transaction"
            " (product_stock_id, kind, delta_available, delta_held, delta_sold, version)"
            " SELECT id, 'restock', available, 0, 0, 1 FROM product_stock ORDER BY id"
        )

    def _users(self, cursor: Any, options: dict[str, Any]) -> None:
        # One hash for all: a thousand honest ones would take minutes and prove nothing.
        encoded = make_password(options["password"])
        cursor.execute(
            "INSERT INTO account_user (password, is_superuser, username, first_name, last_name, email, is_staff,"
            " is_active, date_joined)"
            " SELECT %s, false, 'user' || n, '', '', '', false, true, now() FROM generate_series(1, %s) AS n",
            [encoded, options["users"]],
        )
