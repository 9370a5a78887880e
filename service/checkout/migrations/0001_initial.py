"""Create the checkouts and the functions that write them."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from service.db.operations import RunSQLFile


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("stock", "0007_stock_outbox_due_idx"),
    ]

    operations = [
        migrations.CreateModel(
            name="Checkout",
            fields=[
                ("order_id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "lines",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.SmallIntegerField(),
                        help_text="The lines of the order that the amount pays for.",
                        size=None,
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=2, max_digits=20)),
                (
                    "step",
                    models.CharField(
                        choices=[
                            ("authorising", "Authorising"),
                            ("confirming", "Confirming"),
                            ("voiding", "Voiding"),
                            ("releasing", "Releasing"),
                            ("confirmed", "Confirmed"),
                            ("refused", "Refused"),
                            ("voided", "Voided"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "payment_ref",
                    models.CharField(help_text="The provider's name for the authorisation.", max_length=255, null=True),
                ),
                ("reason", models.CharField(help_text="Why it was not confirmed.", max_length=20, null=True)),
                ("attempts", models.IntegerField(db_default=0, default=0)),
                ("next_attempt_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("last_error", models.TextField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "checkout",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "step__in",
                                ["authorising", "confirming", "voiding", "releasing", "confirmed", "refused", "voided"],
                            )
                        ),
                        name="checkout_step_known",
                    ),
                    models.CheckConstraint(condition=models.Q(("amount__gte", 0)), name="checkout_amount_not_negative"),
                ],
            },
        ),
        *(
            RunSQLFile(f"functions/{name}_v1.sql")
            for name in ("checkout_record", "checkout_settle", "checkout_start", "checkout_take")
        ),
    ]
