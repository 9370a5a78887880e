"""The admin's pages of categories and products."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from service.catalog.models import Category, Product
from service.ops.admin_lists import BoundedPaginator, ModelAdmin

if TYPE_CHECKING:
    ProductModelForm = forms.ModelForm[Product]
else:
    ProductModelForm = forms.ModelForm


@admin.register(Category)
class CategoryAdmin(ModelAdmin[Category]):
    list_display = ("name",)
    search_fields = ("name",)


class ProductForm(ProductModelForm):
    def clean_max_per_user(self) -> int | None:
        """Refuse to begin or end counting what each buyer has: holds made before were not counted."""
        limit: int | None = self.cleaned_data["max_per_user"]
        if self.instance.pk and (limit is None) != (self.instance.max_per_user is None):
            raise forms.ValidationError(
                "A limit is given when the product is made. Later it can be raised or lowered, not begun or ended."
            )
        return limit


@admin.register(Product)
class ProductAdmin(ModelAdmin[Product]):
    """Products without their stock, which is changed by restocking alone."""

    form = ProductForm
    list_display = ("sku", "name", "price", "category", "is_active", "max_per_user")
    list_filter = ("is_active", "category")
    list_select_related = ("category",)
    search_fields = ("sku__startswith", "name__icontains")
    autocomplete_fields = ("category",)
    ordering = ("id",)
    paginator = BoundedPaginator
    show_full_result_count = False
    list_max_show_all = 0

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Its reservations carry no foreign key (ADR 0003). A product is taken off sale instead.
        return False
