"""Write the generated tables of the documents anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kimp.documents import rewriting, tables


class Command(BaseCommand):
    """manage.py document [--check]: the tables of README and docs, from the code."""

    help = "Writes the generated tables of README.md and docs/ anew from the code."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare --check."""
        parser.add_argument(
            "--check", action="store_true", help="write nothing; exit 1 if they differ"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the tables, or only compare them."""
        found = rewriting.stale(tables.all_tables())
        names = ", ".join(str(path.relative_to(rewriting.PROJECT)) for path in found)
        if options["check"] and found:
            raise CommandError(f"{names}: not as generated; run `manage.py document`")
        for path, text in found.items():
            path.write_text(text, "utf-8")
        self.stdout.write(f"written: {names}" if found else "the documents match the code")
