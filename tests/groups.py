"""The product's groups, which the flush after a test that commits has taken away."""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth.models import Group, Permission

from kimp.documents.tables import migration

Permissions = tuple[tuple[int, str], ...]
_made: dict[Permissions, dict[str, list[Permission]]] = {}  # by all that could be granted


def make_groups() -> None:
    """Make the groups as the product's migrations do: by them, once; then the same in a few statements."""
    kept = _made.get(_permissions())
    if kept is None or Group.objects.exists():
        migration("groups").create_groups(apps, None)
        migration("vouching_groups").grant(apps, None)
        groups = Group.objects.prefetch_related("permissions")
        _made[_permissions()] = {group.name: list(group.permissions.all()) for group in groups}
        return
    made = Group.objects.bulk_create(Group(name=name) for name in kept)
    granted = Group.permissions.through
    granted.objects.bulk_create(
        granted(group=group, permission=one) for group in made for one in kept[group.name]
    )


def _permissions() -> Permissions:
    return tuple(Permission.objects.order_by("pk").values_list("pk", "codename"))
