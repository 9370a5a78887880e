"""Let the outbox know what was delivered, and give it its functions and its example of a consumer."""

from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from service.db.operations import RunSQLFile


class Migration(migrations.Migration):
    dependencies: ClassVar = [("stock", "0005_stock_transaction_product_stock_id_created_at_idx")]
    operations: ClassVar = [
        migrations.AlterField(
            "stockoutbox",
            "published_at",
            models.DateTimeField(help_text="When the broker had it; it may have lost it since.", null=True),
        ),
        migrations.AddField("stockoutbox", "attempts", models.SmallIntegerField(db_default=0, default=0)),
        migrations.AddField("stockoutbox", "next_attempt_at", models.DateTimeField(db_default=Now())),
        migrations.AddField(
            "stockoutbox",
            "delivered_at",
            models.DateTimeField(help_text="When its consumer had done its work.", null=True),
        ),
        migrations.AddField(
            "stockoutbox",
            "dead_at",
            models.DateTimeField(
                help_text="When it was given up; the command outbox sends it again.",
                null=True,
            ),
        ),
        migrations.AddField("stockoutbox", "last_error", models.TextField(null=True)),
        migrations.CreateModel(
            name="StockNotification",
            fields=[
                ("event_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("event", models.CharField(max_length=20)),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("order_id", models.UUIDField(null=True)),
                (
                    "product",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="catalog.product",
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={"db_table": "stock_notification"},
        ),
        *(
            RunSQLFile(f"functions/{name}_v1.sql")
            for name in ("notify_buyer", "outbox_purge", "outbox_retry", "outbox_settle", "outbox_take")
        ),
    ]
