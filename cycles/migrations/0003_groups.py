"""Create the groups viewer, operator, approver and administrator with their permissions."""

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations

OPERATOR = ("redrive_cycle", "unwind_cycle", "acknowledge_cycle", "halt_desk", "open_cycle")
APPROVER = ("approve_intervention", "resolve_cycle", "write_off_cycle", "resume_desk")


def permissions(apps: Apps) -> tuple[list, list, list, list]:
    """Give the permissions of viewer, operator, approver and administrator."""
    Permission = apps.get_model("auth", "Permission")
    ours = Permission.objects.filter(content_type__app_label__in=["cycles", "exchanges"])
    viewer = list(ours.filter(codename__startswith="view_"))
    operator = viewer + list(ours.filter(codename__in=OPERATOR))
    approver = operator + list(ours.filter(codename__in=APPROVER))
    people = Permission.objects.filter(content_type__app_label="auth")
    administrator = (
        approver + list(ours.filter(codename__endswith="_policyversion")) + list(people)
        + list(ours.filter(codename__endswith="_apitoken"))
    )
    return viewer, operator, approver, administrator


def create_groups(apps: Apps, schema_editor: object) -> None:
    """Fill the four groups."""
    from django.apps import apps as real_apps

    # Permissions are normally made after all migrations; the groups need them now.
    for label in ("auth", "exchanges", "cycles"):
        config = real_apps.get_app_config(label)
        create_permissions(config, verbosity=0, apps=apps)
    Group = apps.get_model("auth", "Group")
    names = ("viewer", "operator", "approver", "administrator")
    for name, granted in zip(names, permissions(apps), strict=True):
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(granted)


def remove_groups(apps: Apps, schema_editor: object) -> None:
    """Take the four groups away."""
    Group = apps.get_model("auth", "Group")
    Group.objects.filter(name__in=["viewer", "operator", "approver", "administrator"]).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("cycles", "0002_database_guards"),
        ("exchanges", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_groups, remove_groups)]
