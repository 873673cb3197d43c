"""`manage.py resume`: leave a halt."""

from __future__ import annotations

from typing import Any

from cycles.domain.words import Mode
from cycles.management.mode import ModeCommand


class Command(ModeCommand):
    name = "resume"
    needs_version = True

    def wanted(self, options: dict[str, Any]) -> Mode:
        """Give the mode to set."""
        return Mode.FINALIZE_ONLY if options["finalize_only"] else Mode.RUN
