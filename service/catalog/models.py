"""Categories and products."""

from django.db import models


class Category(models.Model):
    name = models.CharField(max_length=100, unique=True)

    class Meta:
        db_table = "product_category"

    def __str__(self) -> str:
        return self.name


class StockMode(models.TextChoices):
    """How the units of one product are counted (ADR 9)."""

    COUNTER = "counter", "one counter for each warehouse"
    BUCKETS = "buckets", "several counters for each warehouse"
    UNITS = "units", "one row for each free unit"


class Product(models.Model):
    sku = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="products")
    is_active = models.BooleanField(default=True)
    max_per_user = models.PositiveIntegerField(null=True, blank=True)
    stock_mode = models.CharField(
        max_length=10,
        choices=StockMode.choices,
        default=StockMode.COUNTER,
        db_default=StockMode.COUNTER,
        editable=False,
        help_text="How its units are counted; set_stock_mode changes it.",
    )

    class Meta:
        db_table = "product"
        constraints = [
            models.CheckConstraint(condition=models.Q(price__gte=0), name="product_price_not_negative"),
            models.CheckConstraint(
                condition=models.Q(max_per_user__isnull=True) | models.Q(max_per_user__gte=1),
                name="product_max_per_user_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.sku
