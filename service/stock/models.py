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
from service.db.expressions import HashText

models.CharField.register_lookup(Length)


class Warehouse(models.Model):
    code = models.CharField(max_length=20, unique=True)
    priority = models.SmallIntegerField(default=0, help_text="Lower is tried first.")

    class Meta:
        db_table = "warehouse"

    def __str__(self) -> str:
        return self.code


class ProductStock(models.Model):
    """The counters of one product in one warehouse: the hot row.

    ``bucket`` tells counters of the same product and warehouse apart; most have one, bucket 0.
    """

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="stock", db_index=False)
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, related_name="stock", db_index=False)
    bucket = models.SmallIntegerField(default=0, db_default=0)
    available = models.BigIntegerField(default=0, db_default=0)
    held = models.BigIntegerField(default=0, db_default=0)
    sold = models.BigIntegerField(default=0, db_default=0)
    version = models.BigIntegerField(default=0, db_default=0)
    pooled = models.BigIntegerField(
        default=0, db_default=0, help_text="Units that were ever put into stock_unit; never lowered."
    )
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "product_stock"
        constraints = [
            models.UniqueConstraint(
                fields=["product", "warehouse", "bucket"], name="product_stock_product_warehouse_bucket_key"
            ),
            models.CheckConstraint(
                condition=Q(available__gte=0) & Q(held__gte=0) & Q(sold__gte=0),
                name="product_stock_counters_not_negative",
            ),
        ]


class StockUnit(models.Model):
    """A free unit of a product that is counted by rows; a reservation that takes it deletes it."""

    product_stock = models.ForeignKey(
        ProductStock, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )

    class Meta:
        db_table = "stock_unit"
        indexes = [models.Index(fields=["product_stock", "id"], name="stock_unit_stock_id_idx")]


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
    transaction = models.ForeignKey(
        "StockTransaction",
        on_delete=models.DO_NOTHING,
        related_name="+",
        null=True,
        db_index=False,
        db_constraint=False,
        help_text="The ledger row that took the units; a batch shares one for each counter.",
    )
    is_pooled = models.BooleanField(
        default=False, db_default=False, help_text="Its units came from stock_unit and are held in no counter."
    )
    payment_ref = models.CharField(max_length=255, null=True, blank=True)
    extensions = models.SmallIntegerField(default=0, db_default=0)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "stock_reservation"
        constraints = [
            # The key is hashed: a third of the index, and a fifth more reservations a second (ADR 0008).
            models.UniqueConstraint(
                F("user"), HashText("idempotency_key"), F("line"), name="stock_reservation_user_key_line_key"
            ),
            models.UniqueConstraint(fields=["order_id", "line"], name="stock_reservation_order_line_key"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="stock_reservation_quantity_positive"),
            models.CheckConstraint(condition=Q(idempotency_key__length__gte=1), name="stock_reservation_key_not_empty"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="stock_reservation_expires_after_creation"
            ),
        ]


class StockTransaction(models.Model):
    """The ledger: one row for each change of a counter, never changed.

    A row without a version tells of units that were taken from ``stock_unit``; no counter changed.
    """

    class Kind(models.TextChoices):
        RESTOCK = "restock"
        ADJUST = "adjust"
        RESERVE = "reserve"
        RELEASE = "release"
        EXPIRE = "expire"
        CONFIRM = "confirm"
        MOVE = "move"
        POOL = "pool"
        REPAIR = "repair"

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
    version = models.BigIntegerField(null=True, help_text="The version that the counter had after the change.")
    feed_key = models.CharField(
        max_length=255, null=True, help_text="Of a restock or an adjustment: one key, one change."
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "stock_transaction"
        constraints = [
            models.UniqueConstraint(
                fields=["feed_key"], condition=Q(feed_key__isnull=False), name="stock_transaction_feed_key_key"
            ),
        ]


class StockPayment(models.Model):
    """A payment reference buys at most one order."""

    payment_ref = models.CharField(max_length=255, primary_key=True)
    order_id = models.UUIDField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "stock_payment"


class StockUserTotal(models.Model):
    """Units that a user holds or has bought, of the products that have a limit."""

    pk = models.CompositePrimaryKey("product_id", "user_id")
    product = models.ForeignKey(Product, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    units = models.IntegerField()

    class Meta:
        db_table = "stock_user_total"
        constraints = [models.CheckConstraint(condition=Q(units__gte=0), name="stock_user_total_not_negative")]


class StockWaitlist(models.Model):
    """Buyers who wait for units of a product, first come first served."""

    product = models.ForeignKey(Product, on_delete=models.DO_NOTHING, related_name="+", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    quantity = models.IntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "stock_waitlist"
        constraints = [
            models.UniqueConstraint(fields=["product", "user"], name="stock_waitlist_product_user_key"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="stock_waitlist_quantity_positive"),
        ]


class StockOutbox(models.Model):
    """Events to publish, written in the transaction that they tell of.

    An event is on its way until it was delivered; with ``dead_at`` it is a dead letter.
    """

    event = models.CharField(max_length=20)
    order_id = models.UUIDField(null=True)
    product = models.ForeignKey(
        Product, on_delete=models.DO_NOTHING, related_name="+", null=True, db_index=False, db_constraint=False
    )
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True, help_text="When the broker had it; it may have lost it since.")
    attempts = models.SmallIntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True, help_text="When its consumer had done its work.")
    dead_at = models.DateTimeField(null=True, help_text="When it was given up; the command outbox sends it again.")
    last_error = models.TextField(null=True)

    class Meta:
        db_table = "stock_outbox"


class StockNotification(models.Model):
    """What a buyer, or the shop where there is no buyer, is told of an event; one row for each event."""

    event_id = models.BigIntegerField(primary_key=True)
    event = models.CharField(max_length=20)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        related_name="+",
        null=True,
        db_index=False,
        db_constraint=False,
    )
    order_id = models.UUIDField(null=True)
    product = models.ForeignKey(
        Product, on_delete=models.DO_NOTHING, related_name="+", null=True, db_index=False, db_constraint=False
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "stock_notification"
