"""What every table has in common: it can be looked at and searched, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from cycles.admin import show

Column = Callable[[Any], Any]
CORRELATION = {
    "request_id": _("request id"),
    "session_id": _("session id"),
    "trace_id": _("trace id"),
}
UNTITLED = CORRELATION | {"created_by": _("created by")}  # their models name them in English only

if TYPE_CHECKING:
    BaseAdmin = admin.ModelAdmin[Any]
    BaseInline = admin.TabularInline[Any, Any]
else:  # generic to the type checker only
    BaseAdmin, BaseInline = admin.ModelAdmin, admin.TabularInline

# What filters and the desk's own links ask of a field; `startswith` and its like tell a hidden value apart.
ASKED = frozenset({"exact", "in", "isnull", "gte", "lt", "year", "month", "day"})


class FirstPages(Paginator):  # type: ignore[type-arg]  # generic to the type checker only
    """Counts no further than anybody turns pages: filters find the rest."""

    most = 10_000

    @cached_property
    def count(self) -> int:
        """Give how many rows there are, at most `most`."""
        rows: Any = self.object_list
        return len(rows.order_by().values_list("pk")[: self.most])


class ReadOnlyAdmin(BaseAdmin):
    """A table without add, change or delete; counts and joins kept cheap, for most of them stay for ever."""

    paginator = FirstPages
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # it counts the whole table, choice by choice
    list_per_page = 50
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Say no."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no; looking asks for the view permission alone."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Say no."""
        return False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Find a row; the admin's own spelling of an id (`_00`) may hold what no text can: a NUL."""
        return None if "\0" in object_id else super().get_object(request, object_id, from_field)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Head the list with what it lists."""
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Narrow the list by its filters' fields only: by any other, a list tells what it hides."""
        names = {self.date_hierarchy, *map(_filtered_by, self.list_filter)}
        field, _separator, asked = lookup.rpartition("__")
        return lookup in names or (field in names and asked in ASKED)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Show every column, numbers and instants the way people read them."""
        hidden = {*(self.exclude or ()), "id"}
        columns = [field for field in self.opts.concrete_fields if field.name not in hidden]
        columns.sort(key=lambda field: field.name in CORRELATION)  # the facts first
        return [_shown(field) for field in columns]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Give the same: nothing can be typed."""
        return self.get_fields(request, obj)


def _filtered_by(one: Any) -> str | None:
    """Give the parameter that a filter of a list is known by."""
    if isinstance(one, type) and issubclass(one, admin.SimpleListFilter):
        return one.parameter_name
    return str(one[0] if isinstance(one, tuple | list) else one)


def _shown(field: models.Field[Any, Any]) -> Any:
    """Give a field's name, or a column that shows its value better than Django would."""
    if field.name in UNTITLED:
        return column(field.name, UNTITLED[field.name], lambda text: text or show.NOTHING)
    if isinstance(field, models.DecimalField):
        return column(field.name, field.verbose_name, show.quantity)
    if isinstance(field, models.DateTimeField):
        return moment(field.name, field.verbose_name)
    if isinstance(field, models.JSONField):
        return column(field.name, field.verbose_name, show.json_block)
    if field.choices:
        return word(field.name, field.verbose_name)
    return field.name


def column(name: str, title: Any, shown: Callable[[Any], Any]) -> Column:
    """Make a list column of a field: its title, its ordering, and how its value is shown."""

    @admin.display(description=title, ordering=name)
    def cell(row: Any) -> Any:
        value: Any = row
        for part in name.split("__"):
            value = getattr(value, part)
        return shown(value)

    cell.__name__ = name
    return cell


def word(name: str, title: Any) -> Column:
    """Make a column that shows a choice as a badge."""

    @admin.display(description=title, ordering=name)
    def cell(row: Any) -> SafeString:
        return show.badge(getattr(row, name), getattr(row, f"get_{name}_display")())

    cell.__name__ = name
    return cell


def moment(name: str, title: Any) -> Column:
    """Make a column that shows an instant in Seoul's time."""
    return column(name, title, show.instant)


def since(name: str, title: Any) -> Column:
    """Make a column that shows how long ago an instant was."""
    return column(name, title, lambda at: show.age(at, timezone.now()))
