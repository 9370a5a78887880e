"""Build the relay's index, without blocking writers."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import CreateIndexFromFile


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("stock", "0007_stock_outbox_due_idx")]
    operations: ClassVar = [CreateIndexFromFile("indexes/stock_outbox_dead_idx.sql")]
