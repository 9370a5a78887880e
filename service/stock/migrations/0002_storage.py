"""Leave room on each page of product_stock, so that an update of a counter stays HOT."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("stock", "0001_initial")]
    operations: ClassVar = [
        migrations.RunSQL(
            "ALTER TABLE product_stock SET (fillfactor = 50)", "ALTER TABLE product_stock RESET (fillfactor)"
        )
    ]
