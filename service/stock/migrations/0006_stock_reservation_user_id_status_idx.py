"""Build one of the report's indexes, without blocking writers."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import CreateIndexFromFile


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("stock", "0005_stock_reservation_status_expires_at_idx")]
    operations: ClassVar = [CreateIndexFromFile("indexes/stock_reservation_user_id_status_idx.sql")]
