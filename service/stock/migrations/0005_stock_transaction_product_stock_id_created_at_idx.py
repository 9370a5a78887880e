"""Build the ledger's index, without blocking writers."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import CreateIndexFromFile


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("stock", "0004_stock_reservation_due_idx")]
    operations: ClassVar = [CreateIndexFromFile("indexes/stock_transaction_product_stock_id_created_at_idx.sql")]
