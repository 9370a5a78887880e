"""Build the sweeper's index, without blocking writers."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import CreateIndexFromFile


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("stock", "0003_functions")]
    operations: ClassVar = [CreateIndexFromFile("indexes/stock_reservation_due_idx.sql")]
