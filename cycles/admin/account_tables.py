"""People's accounts: administrators manage them by groups; only a superuser makes superusers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import HttpRequest

OUT_OF_REACH = ("is_superuser", "user_permissions")

admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Django's own, less what would let an administrator outgrow the group."""

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Keep superuser status and single permissions from all but superusers."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else (*fields, *OUT_OF_REACH)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Keep a superuser's account from all but superusers."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Keep a superuser's account from all but superusers."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)


def _may_touch(request: HttpRequest, account: User | None) -> bool:
    """Say whether the person may change this account at all."""
    return account is None or not account.is_superuser or bool(request.user.is_superuser)
