"""Django's flush, refused: a desk's journal, ledger and kind stay for ever."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands.flush import Command as FlushCommand

REFUSED = (
    "nothing was emptied: a desk's journal, ledger, addresses and its kind (SIMULATED or LIVE) stay for ever. "
    "For another desk, name another database in DATABASE_URL; `make clean` removes a simulated desk of this machine"
)


class Command(FlushCommand):
    """manage.py flush: says why not, before it asks anything; the database's own triggers refuse it too."""

    help = "Refused: what a desk has written stays for ever."

    def handle(self, **options: Any) -> None:
        """Refuse."""
        raise CommandError(REFUSED)
