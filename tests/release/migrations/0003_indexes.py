"""An index on the million rows, another for the same reads, and the first one goes."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import CreateIndexFromFile, DropFunction, DropIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("release", "0002_fill")]
    operations: ClassVar = [
        CreateIndexFromFile("indexes/stock_reservation_channel_idx.sql"),
        CreateIndexFromFile("indexes/stock_reservation_channel_created_at_idx.sql"),
        DropIndexConcurrently("indexes/stock_reservation_channel_idx.sql"),
        DropFunction("functions/sales_by_channel_v1.sql"),
    ]
