"""Create the SQL functions of this release."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import RunSQLFile


class Migration(migrations.Migration):
    dependencies: ClassVar = [("stock", "0002_storage")]
    operations: ClassVar = [RunSQLFile("functions/reserve_stock_v1.sql")]
