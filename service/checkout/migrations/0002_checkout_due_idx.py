"""Build the index of checkouts that are under way, without blocking writers."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import CreateIndexFromFile


class Migration(migrations.Migration):
    atomic = False
    dependencies: ClassVar = [("checkout", "0001_initial")]
    operations: ClassVar = [CreateIndexFromFile("indexes/checkout_due_idx.sql")]
