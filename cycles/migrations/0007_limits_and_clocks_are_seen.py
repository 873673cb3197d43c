"""Let every group see the venues' limits and clocks: tables that were made after the groups."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations

SEEN = ("view_ratewindow", "view_venueclock")
GROUPS = ("viewer", "operator", "approver", "administrator")


def let_see(apps: Apps, schema_editor: object) -> None:
    """Add the permissions to the groups that are there."""
    from django.apps import apps as real_apps

    create_permissions(real_apps.get_app_config("exchanges"), verbosity=0, apps=apps)
    seen = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="exchanges", codename__in=SEEN
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=GROUPS):
        group.permissions.add(*seen)


class Migration(migrations.Migration):
    dependencies = [
        ("cycles", "0006_newest_sample_of_each_venue"),
        ("exchanges", "0003_rate_windows_and_clocks"),
    ]

    operations = [migrations.RunPython(let_see, migrations.RunPython.noop)]
