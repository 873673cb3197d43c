"""Let operators confirm addresses and block assets, and approvers prove assets too."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations

EVERYBODY = (
    "view_addressconfirmation", "view_depositverification", "view_assetidentity",
    "view_alloweddestination", "view_rulechange",
)
OPERATOR = ("confirm_registeredaddress", "retire_registeredaddress", "block_assetidentity")
APPROVER = ("prove_assetidentity",)
GRANTED = {
    "viewer": EVERYBODY,
    "operator": (*EVERYBODY, *OPERATOR),
    "approver": (*EVERYBODY, *OPERATOR, *APPROVER),
    "administrator": (*EVERYBODY, *OPERATOR, *APPROVER),
}


def grant(apps: Apps, schema_editor: object) -> None:
    """Add the new permissions to the four groups."""
    from django.apps import apps as real_apps

    for label in ("exchanges", "cycles"):
        create_permissions(real_apps.get_app_config(label), verbosity=0, apps=apps)
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    ours = Permission.objects.filter(content_type__app_label__in=["cycles", "exchanges"])
    for name, codenames in GRANTED.items():
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*ours.filter(codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [("cycles", "0008_vouching")]

    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
