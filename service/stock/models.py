"""Stock, reservations and their ledger.

The writes of ``sql/functions`` meet these tables, so names, types and defaults are a contract.
Reservations and ledger rows carry no foreign-key constraint: each one would lock its parent row
on every insert, and the parent is the hot row (ADR 0003).
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length, Now

from service.catalog.models import Product

models.CharField.register_lookup(Length)


class Warehouse(models.Model):
    code = models.CharField(max_length=20, unique=True)
    priority = models.SmallIntegerField(default=0, help_text="Lower is tried first.")

    class Meta:
        db_table = "warehouse"

    def __str__(self) -> str:
        return self.code


class ProductStock(models.Model):
    """The counters of one product in one warehouse: the hot row."""

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="stock", db_index=False)
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, related_name="stock", db_index=False)
    available = models.BigIntegerField(default=0, db_default=0)
    held = models.BigIntegerField(default=0, db_default=0)
    sold = models.BigIntegerField(default=0, db_default=0)
    version = models.BigIntegerField(default=0, db_default=0)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "product_stock"
        constraints = [
            models.UniqueConstraint(fields=["product", "warehouse"], name="product_stock_product_warehouse_key"),
            models.CheckConstraint(
                condition=Q(available__gte=0) & Q(held__gte=0) & Q(sold__gte=0),
                name="product_stock_counters_not_negative",
            ),
        ]


class StockReservation(models.Model):
    """One line of an order: units of one product in one warehouse."""

    class Status(models.TextChoices):
        HELD = "held"
        PAYING = "paying"
        CONFIRMED = "confirmed"
        RELEASED = "released"
        EXPIRED = "expired"

    order_id = models.UUIDField()
    line = models.SmallIntegerField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    product_stock = models.ForeignKey(
        ProductStock, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    quantity = models.IntegerField()
    status = models.CharField(max_length=10, choices=Status.choices)
    idempotency_key = models.CharField(max_length=255)
    request_hash = models.BigIntegerField()
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "stock_reservation"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "idempotency_key", "line"], name="stock_reservation_user_key_line_key"
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="stock_reservation_quantity_positive"),
            models.CheckConstraint(condition=Q(idempotency_key__length__gte=1), name="stock_reservation_key_not_empty"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="stock_reservation_expires_after_creation"
            ),
        ]


class StockTransaction(models.Model):
    """The ledger: one row for each change of a counter, never changed."""

    class Kind(models.TextChoices):
        RESTOCK = "restock"
        RESERVE = "reserve"

    product_stock = models.ForeignKey(
        ProductStock, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    reservation = models.ForeignKey(
        StockReservation,
        on_delete=models.DO_NOTHING,
        related_name="+",
        null=True,
        db_index=False,
        db_constraint=False,
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    delta_available = models.BigIntegerField()
    delta_held = models.BigIntegerField()
    delta_sold = models.BigIntegerField()
    version = models.BigIntegerField(help_text="The version that the counter had after the change.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "stock_transaction"
