"""What is old gets a value, and no row may be without one."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import AddConstraintNotValid, Backfill, SetNotNullSafely, ValidateConstraint


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("release", "0001_column")]
    operations: ClassVar = [
        Backfill("backfills/channel.sql", "stock_reservation", batch_rows=10_000),
        SetNotNullSafely("stock_reservation", "channel"),
        AddConstraintNotValid("constraints/stock_reservation_channel_known.sql"),
        ValidateConstraint("constraints/stock_reservation_channel_known.sql"),
    ]
