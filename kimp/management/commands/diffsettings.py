"""Django's diffsettings, secrets masked: it prints every setting as it is."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.core.management.commands.diffsettings import Command as DiffCommand

from kimp.redaction import Redactor


class Command(DiffCommand):
    """manage.py diffsettings: Django's settings that differ from its defaults, masked like a log line."""

    help = "Shows Django's settings that differ from its defaults, secrets masked."

    def handle(self, **options: Any) -> str:
        """Mask what would be printed."""
        redactor = Redactor(cast("list[str]", settings.LOGGING["secrets"]))
        return redactor.text(str(super().handle(**options)))
