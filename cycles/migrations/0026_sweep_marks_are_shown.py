"""Let every group see where each sweep stands."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations

GROUPS = ("viewer", "operator", "approver", "administrator")


def let_see(apps: Apps, schema_editor: object) -> None:
    """Add the permission to the groups that are there."""
    from django.apps import apps as real_apps

    create_permissions(real_apps.get_app_config("cycles"), verbosity=0, apps=apps)
    seen = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="cycles", codename="view_sweepmark"
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=GROUPS):
        group.permissions.add(seen)


class Migration(migrations.Migration):
    dependencies = [("cycles", "0025_sweep_marks")]

    operations = [migrations.RunPython(let_see, migrations.RunPython.noop)]
