"""People's accounts: administrators manage them by groups; only a superuser makes superusers.

Every change is told to all (`services.accounts`), and no account is deleted: its history would go with it.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from cycles.admin.navigation import user_of
from cycles.services import accounts
from cycles.services.accounts import Standing

OUT_OF_REACH = ("is_superuser", "user_permissions")
DATES = ("last_login", "date_joined")  # who was made today cannot be made to seem older
DEACTIVATE = _(
    "An account is never deleted: what it did would go with it. Take “active” away from it instead."
)

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Django's own, less what would let an administrator outgrow the group, or lose the past."""

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Say beside "active" what it is for."""
        return [
            (title, {**options, "description": DEACTIVATE})
            if "is_active" in options["fields"]
            else (title, options)
            for title, options in super().get_fieldsets(request, obj)
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Keep superuser status and single permissions from all but superusers, and dates from all."""
        fields = (*super().get_readonly_fields(request, obj), *DATES)
        return fields if request.user.is_superuser else (*fields, *OUT_OF_REACH)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Keep a superuser's account from all but superusers."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Say no to everybody, which takes the bulk action away too: Django would delete its log entries."""
        return False

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> NoReturn:
        """Say what to do instead."""
        raise PermissionDenied(DEACTIVATE)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:  # noqa: FBT001  Django's signature
        """Remember what the account might do before."""
        form.stood = accounts.standing(obj) if change else None
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Tell what was changed, groups and permissions included."""
        super().save_related(request, form, formsets, change)
        _tell("account", form.stood, accounts.standing(form.instance), request)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002
        """Tell that somebody's password was set."""
        with transaction.atomic():
            account = self.get_object(request, id)
            before = accounts.standing(account) if account else None
            response = super().user_change_password(request, id, form_url)
            if account is not None:
                _tell("account", before, accounts.standing(account), request)
        return response


def _may_touch(request: HttpRequest, account: User | None) -> bool:
    """Say whether the person may change this account at all."""
    return account is None or not account.is_superuser or bool(request.user.is_superuser)


def _tell(what: str, before: Standing | None, after: Standing, request: HttpRequest) -> None:
    """Tell what this request has made or changed."""
    if before is None:
        accounts.tell_made(what, after, by=user_of(request))
    else:
        accounts.tell_changed(what, before, after, by=user_of(request))


@admin.register(Group)
class TeamAdmin(GroupAdmin):
    """Django's own; what changes for its members is told."""

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:  # noqa: FBT001  Django's signature
        """Remember what its members might do before."""
        form.stood = accounts.standing_of_group(obj) if change else None
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Tell what was changed."""
        super().save_related(request, form, formsets, change)
        _tell("group", form.stood, accounts.standing_of_group(form.instance), request)

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        """Tell that it is gone."""
        accounts.tell_gone("group", accounts.standing_of_group(obj), by=user_of(request))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        """Tell of each that is gone."""
        with transaction.atomic():
            for group in queryset:
                self.delete_model(request, group)
