"""The admin's pages of stock. Counters change through ``supply`` alone; history changes never."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from service.catalog.models import Product
from service.ops.admin_lists import FinalAdmin, ModelAdmin
from service.stock.admin_supply import SupplyPages
from service.stock.models import ProductStock, StockReservation, StockTransaction, Warehouse

_COUNTER = ("product_stock__product", "product_stock__warehouse")
_Found = tuple[QuerySet[Model], bool]


@admin.register(Warehouse)
class WarehouseAdmin(ModelAdmin[Warehouse]):
    list_display = ("code", "priority")
    ordering = ("priority", "id")


@admin.register(ProductStock)
class ProductStockAdmin(SupplyPages, FinalAdmin):
    """Read-only counters, and the forms that change them: see :class:`SupplyPages`."""

    list_display = ("product", "warehouse", "available", "held", "sold", "version", "updated_at")
    list_filter = ("warehouse",)
    list_select_related = ("product", "warehouse")
    search_fields = ("product__sku",)
    search_help_text = "The beginning of a SKU"
    ordering = ("id",)
    change_form_template = "admin/stock/productstock/change_form.html"
    change_list_template = "admin/stock/productstock/change_list.html"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Model], search_term: str) -> _Found:
        return (queryset.filter(product__sku__startswith=search_term) if search_term else queryset), False


class _History(FinalAdmin):
    """Rows of one counter each, newest first."""

    ordering = ("-id",)

    @admin.display(description="product")
    def product(self, row: Any) -> Product:
        found: Product = row.product_stock.product
        return found

    @admin.display(description="warehouse")
    def warehouse(self, row: Any) -> str:
        code: str = row.product_stock.warehouse.code
        return code


@admin.register(StockReservation)
class StockReservationAdmin(_History):
    list_display = ("order_id", "line", "user", "product", "warehouse", "quantity", "status", "expires_at")
    list_filter = ("status",)
    list_select_related = ("user", *_COUNTER)
    search_fields = ("order_id",)
    search_help_text = "An order's id, or a user name"
    fields = (
        *("order_id", "line", "user", "product", "warehouse", "quantity", "status", "payment_ref"),
        *("idempotency_key", "extensions", "expires_at", "created_at", "updated_at"),
    )

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Model], search_term: str) -> _Found:
        """Search by what has an index; a substring of anything would read the whole table."""
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(order_id=UUID(search_term.strip())), False
        except ValueError:
            return queryset.filter(user__username=search_term.strip()), False


@admin.register(StockTransaction)
class StockTransactionAdmin(_History):
    list_display = (
        *("id", "created_at", "kind", "product", "warehouse"),
        *("delta_available", "delta_held", "delta_sold", "version", "feed_key"),
    )
    list_select_related = _COUNTER
    search_fields = ("feed_key",)
    search_help_text = "A SKU, or a key of a restock or an adjustment"
    fields = (
        *("created_at", "kind", "product", "warehouse", "delta_available", "delta_held", "delta_sold"),
        *("version", "feed_key", "reservation_id"),
    )

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Model], search_term: str) -> _Found:
        """Search by what has an index."""
        if not search_term:
            return queryset, False
        counters = list(ProductStock.objects.filter(product__sku=search_term.strip()).values_list("id", flat=True))
        if counters:
            return queryset.filter(product_stock_id__in=counters), False
        return queryset.filter(feed_key=search_term.strip()), False

    @admin.display(description="reservation")
    def reservation_id(self, row: Any) -> int | None:
        found: int | None = row.reservation_id
        return found
