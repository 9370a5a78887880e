"""The report's models, under Django's own table names."""

from django.conf import settings
from django.db import models


class Product(models.Model):
    sku = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    is_active = models.BooleanField(default=True)


class Warehouse(models.Model):
    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=100)


class ProductStock(models.Model):
    """``total_stock`` units lie in the warehouse, ``reserved_stock`` of them for somebody."""

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="stock_set")
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT)
    total_stock = models.PositiveIntegerField(default=0)
    reserved_stock = models.PositiveIntegerField(default=0)
    version = models.IntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        unique_together = (("product", "warehouse"),)


class StockReservation(models.Model):
    product_stock = models.ForeignKey(ProductStock, on_delete=models.PROTECT)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    status = models.CharField(max_length=20, default="reserved")
    created_at = models.DateTimeField(auto_now_add=True)


class StockTransaction(models.Model):
    product_stock = models.ForeignKey(ProductStock, on_delete=models.PROTECT)
    kind = models.CharField(max_length=20)
    quantity = models.IntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
