"""A column that new rows fill by themselves, and the version of a function beside the old one."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import RunSQLFile, WithLockTimeout


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("stock", "0005_stock_transaction_product_stock_id_created_at_idx")]
    operations: ClassVar = [
        RunSQLFile("functions/sales_by_channel_v1.sql"),
        WithLockTimeout(
            [
                # Two statements: with one the default would be the old rows' value as well.
                migrations.RunSQL(
                    "ALTER TABLE stock_reservation ADD COLUMN channel text",
                    "ALTER TABLE stock_reservation DROP COLUMN channel",
                ),
                migrations.RunSQL(
                    "ALTER TABLE stock_reservation ALTER COLUMN channel SET DEFAULT 'web'", migrations.RunSQL.noop
                ),
            ]
        ),
        RunSQLFile("functions/sales_by_channel_v2.sql"),
    ]
