"""The admin's pages of users and their rights."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from service.accounts.models import User
from service.ops.admin_lists import BoundedPaginator

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    _UserAdmin = UserAdmin


@admin.register(User)
class StaffAdmin(_UserAdmin):
    """Django's own, without counting all buyers; a user is made inactive and never deleted."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_max_show_all = 0

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Reservations and ledger rows carry no foreign key (ADR 0003): they would lose their buyer.
        return False
