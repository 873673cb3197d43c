"""Let every group see the samples' roll-ups."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations

SEEN = ("view_premiumminute", "view_premiumhour")
GROUPS = ("viewer", "operator", "approver", "administrator")


def let_see(apps: Apps, schema_editor: object) -> None:
    """Add the permissions to the groups that are there."""
    from django.apps import apps as real_apps

    create_permissions(real_apps.get_app_config("cycles"), verbosity=0, apps=apps)
    seen = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="cycles", codename__in=SEEN
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__in=GROUPS):
        group.permissions.add(*seen)


class Migration(migrations.Migration):
    dependencies = [("cycles", "0013_roll_ups")]

    operations = [migrations.RunPython(let_see, migrations.RunPython.noop)]
