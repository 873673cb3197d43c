"""Look at everything that must hold before real money moves, and say what to do about the rest."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cycles.diagnosis.findings import Finding, Level, worst
from exchanges import registry
from kimp.diagnosis.report import Section, sections
from kimp.redaction import Redactor

ENDS = """\
exit status, by the worst line:
  0  OK    all lines are
  1  WARN  money may move, once a person has looked
  2  FAIL  no real money should move before it is mended

It places no order and withdraws nothing: venues get reads alone. Run it with the settings of the
processes that hold the keys (KIMP_ROLE=worker).
"""
Redact = Callable[[str], str]
SUBJECT_WIDTH = 18
WIDEST = 120
QUOTED = re.compile(r"(?<!\S)'[^']*'")  # an apostrophe stands within a word
HELD = "\0"  # in place of a space at which no line may break


class Command(BaseCommand):
    """manage.py doctor: the exit status is that of the worst line."""

    help = "Says of everything that must hold before real money moves whether it does; changes nothing."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare --json and --send-test-alert."""
        parser.epilog = ENDS
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
        parser.add_argument(
            "--send-test-alert", action="store_true", help="also send one alert by the channel, now"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was found, section by section."""
        secrets = cast("list[str]", settings.LOGGING["secrets"])
        redact = Redactor(secrets).text
        found = sections(timezone.now(), sends_test_alert=options["send_test_alert"])
        try:
            lines = self._told(found, redact) if options["json"] else self._printed(found, redact)
        finally:
            registry.release()
        level = worst(lines)
        if level.exit_status:
            raise CommandError(_summed(lines), returncode=level.exit_status)
        if not options["json"]:
            self.stdout.write(_summed(lines))

    def _told(self, found: Iterable[Section], redact: Redact) -> list[Finding]:
        """Write one JSON object with every line."""
        rows = [(one.name, line) for one in found for line in one.findings]
        lines = [line for _, line in rows]
        document = {
            "level": worst(lines),
            "findings": [
                {"section": name, **{key: redact(text) for key, text in asdict(line).items()}}
                for name, line in rows
            ],
        }
        self.stdout.write(json.dumps(document, indent=2, ensure_ascii=False))
        return lines

    def _printed(self, found: Iterable[Section], redact: Redact) -> list[Finding]:
        """Write each section as soon as it is known."""
        lines: list[Finding] = []
        for section in found:
            self.stdout.write(f"\n{section.name}")
            for line in section.findings:
                self.stdout.write(redact(shown(line)))
            lines += section.findings
        self.stdout.write("")
        return lines


def shown(line: Finding) -> str:
    """Lay a finding out in columns, what to do below it."""
    head = f"  {line.level:<4}  {line.subject:<{SUBJECT_WIDTH}}  "
    blank = " " * len(head)
    rows = _wrapped(line.detail, head, blank)
    if line.remedy:
        rows += _wrapped(line.remedy, f"{blank}-> ", f"{blank}   ")
    return "\n".join(rows)


def _wrapped(text: str, head: str, blank: str) -> list[str]:
    """Break a text between words alone: what is to be copied, a path that is quoted too, stays whole."""
    width = max(min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST), 60)
    rows = textwrap.wrap(
        QUOTED.sub(lambda found: found[0].replace(" ", HELD), text),
        width,
        initial_indent=head,
        subsequent_indent=blank,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [row.replace(HELD, " ") for row in rows]


def _summed(lines: list[Finding]) -> str:
    """Count the lines of each level."""
    counts = {level: sum(line.level is level for line in lines) for level in Level}
    return ", ".join(f"{count} {level}" for level, count in counts.items())
