"""What the admin's lists of this project share: typed bases, and pages that never count millions."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import cached_property

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin
else:

    class ModelAdmin(admin.ModelAdmin):
        """Django's own, which only its stubs can subscribe."""

        def __class_getitem__(cls, _: object) -> type:
            return cls


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts to a bound and no further, so a page costs the same whatever the table holds.

    It bounds the OFFSET as well: older rows are found by searching.
    """

    max_rows = 10_000

    @cached_property
    def count(self) -> int:
        bounded: int = self.object_list.order_by()[: self.max_rows].count()  # type: ignore[attr-defined]  # a query set
        return bounded


class FinalAdmin(ModelAdmin[Model]):
    """Shows rows that nobody changes here: no add, no change, no delete, whoever asks."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
