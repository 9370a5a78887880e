"""Build one of the report's indexes, without blocking writers."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import CreateIndexFromFile


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("stock", "0006_stock_reservation_user_id_status_idx")]
    operations: ClassVar = [CreateIndexFromFile("indexes/stock_transaction_product_stock_id_created_at_idx.sql")]
