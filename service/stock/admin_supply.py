"""The admin's forms that change supply. Each calls ``supply``; none writes a counter itself.

A form carries a number of its own from when it was shown, so that sending it twice changes the
stock once; the change's key names the member of staff who made it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from service.db.sqlstates import is_transient
from service.stock import supply
from service.stock.models import ProductStock, Warehouse
from service.stock.supply import MAX_UNITS, Outcome, Result

if TYPE_CHECKING:
    from service.ops.admin_lists import FinalAdmin as _Base
else:
    _Base = object

PERMISSION = "stock.change_productstock"

_REFUSALS = {
    Outcome.BELOW_COMMITTED: "Fewer units are free than should go.",
    Outcome.VERSION_CONFLICT: "The counter has changed since this form was opened: open it again and count again.",
    Outcome.UNKNOWN_PRODUCT: "There is no such product.",
}


class SupplyForm(forms.Form):
    number = forms.UUIDField(widget=forms.HiddenInput)


class RestockForm(SupplyForm):
    sku = forms.CharField(label="SKU", max_length=40)
    warehouse = forms.ModelChoiceField(Warehouse.objects.order_by("priority", "id"), to_field_name="code")
    delta = forms.IntegerField(
        min_value=-MAX_UNITS, max_value=MAX_UNITS, help_text="Units to add; negative to take free ones away."
    )

    def clean_delta(self) -> int:
        """Refuse what changes nothing."""
        delta: int = self.cleaned_data["delta"]
        if delta == 0:
            raise forms.ValidationError("A change of 0 changes nothing.")
        return delta


class AdjustForm(SupplyForm):
    expected_version = forms.IntegerField(min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)
    available = forms.IntegerField(
        min_value=0, max_value=MAX_UNITS, help_text="Free units as counted; what is held or sold stays so."
    )


class SupplyPages(_Base):
    """Adds ``restock/`` and ``<id>/adjust/`` to the pages of :class:`ProductStock`.

    They ask for the right to change stock, which opens no other form.
    """

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("restock/", view(self.restock), name="stock_productstock_restock"),
            path("<int:stock_id>/adjust/", view(self.adjust), name="stock_productstock_adjust"),
            *super().get_urls(),
        ]

    def restock(self, request: HttpRequest) -> HttpResponse:
        """Add units to a warehouse, also where it never had any of the product."""
        self._require_permission(request)
        shown = {name: request.GET.get(name, "") for name in ("sku", "warehouse")}
        form = RestockForm(request.POST or None, initial={"number": uuid4(), **shown})
        if form.is_valid():
            given = form.cleaned_data
            code = given["warehouse"].code
            key = _key(request, given["number"])
            outcome = self._change(form, lambda: supply.restock(key, given["sku"], code, given["delta"]))
            if outcome is not None:
                stock = ProductStock.objects.get(product__sku=given["sku"], warehouse=given["warehouse"])
                return self._done(request, stock, outcome, f"Restocked by {given['delta']:+,} units, key {key}.")
        return self._page(request, form, "Restock")

    def adjust(self, request: HttpRequest, stock_id: int) -> HttpResponse:
        """Set a counter's free units to what was counted."""
        self._require_permission(request)
        stock = ProductStock.objects.select_related("product", "warehouse").filter(pk=stock_id).first()
        if stock is None:
            raise Http404
        shown = {"number": uuid4(), "expected_version": stock.version, "available": stock.available}
        form = AdjustForm(request.POST or None, initial=shown)
        if form.is_valid():
            given, code, product = form.cleaned_data, stock.warehouse.code, stock.product_id
            key = _key(request, given["number"])
            outcome = self._change(
                form, lambda: supply.adjust(key, product, code, given["available"], given["expected_version"])
            )
            if outcome is not None:
                return self._done(request, stock, outcome, f"Adjusted to {given['available']:,} free units, key {key}.")
        return self._page(request, form, f"Adjust {stock.product.sku} in {stock.warehouse.code}")

    def _require_permission(self, request: HttpRequest) -> None:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied

    def _change(self, form: forms.Form, call: Callable[[], Result]) -> Outcome | None:
        """Make the change; None, and an error in the form, where it was refused."""
        try:
            result = call()
        except DatabaseError as error:
            if not is_transient(error):
                raise
            form.add_error(None, "The stock is busy: send the form again. It changes the stock once.")
            return None
        if result.outcome in _REFUSALS:
            form.add_error(None, _REFUSALS[result.outcome])
            return None
        return result.outcome

    def _done(self, request: HttpRequest, stock: ProductStock, outcome: Outcome, what: str) -> HttpResponse:
        if outcome is Outcome.REPLAYED:
            messages.info(request, "This form was sent before: the stock was changed once.")
        else:
            self.log_change(request, stock, what)
            messages.success(request, what)
        return redirect("admin:stock_productstock_change", stock.pk)

    def _page(self, request: HttpRequest, form: forms.Form, title: str) -> HttpResponse:
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "form": form,
            "title": title,
        }
        return TemplateResponse(request, "admin/stock/productstock/supply.html", context)


def _key(request: HttpRequest, number: Any) -> str:
    return f"admin:{request.user.pk}:{number}"
