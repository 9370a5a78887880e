"""Build one of the report's indexes, without blocking writers."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import CreateIndexFromFile


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("stock", "0004_product_stock_product_id_idx")]
    operations: ClassVar = [CreateIndexFromFile("indexes/stock_reservation_status_expires_at_idx.sql")]
