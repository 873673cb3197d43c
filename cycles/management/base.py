"""What the operator's commands share: identity, output, and errors as one sentence and an exit code.

Data goes to standard output and nothing else does; what a person should know meanwhile goes to
standard error. Nothing writes without --yes.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from argparse import RawDescriptionHelpFormatter
from typing import Any, ClassVar, NoReturn

from django.contrib.auth.models import User
from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
)
from django.db import DataError, OperationalError

from cycles import conf
from cycles.domain.shown import jsonable
from cycles.domain.words import Channel, Verb
from cycles.errors import CycleError, InvalidInputError, PermissionDeniedError
from cycles.management.catalogue import BY_NAME, EXIT_CODES
from cycles.services import migrated
from cycles.services.correlating import bound, new_id, note_user, user_noted
from cycles.services.intervening import Actor
from exchanges.errors import ModeError, StaleReferenceError

WRONG_USAGE, REFUSED, TRY_LATER, INTERRUPTED = 2, 3, 75, 130
FORESEEN = (
    CycleError, CommandError, OperationalError, StaleReferenceError, ModeError,
    DataError, OverflowError, UnicodeError,
)  # fmt: skip
WITHOUT_YES = "dry run: nothing was written; to act, add: --yes"


def _demand_text(options: dict[str, Any]) -> None:
    """Raise UnicodeEncodeError for an argument whose bytes are no UTF-8: nothing can be named so."""
    for given in options.values():
        for text in given if isinstance(given, list) else [given]:
            if isinstance(text, str):
                text.encode()


def _told(error: Exception) -> tuple[str, int]:
    """Give the sentence and the exit code of a foreseen failure."""
    if isinstance(error, CycleError):
        return str(error), error.exit_code
    if isinstance(error, CommandError):
        return str(error), error.returncode
    if isinstance(error, OperationalError):
        return "the database cannot be reached or did not answer in time", TRY_LATER
    if isinstance(error, StaleReferenceError | ModeError):
        return str(error), REFUSED if isinstance(error, ModeError) else TRY_LATER
    said = str(error).strip() or type(error).__name__
    line = said.splitlines()[0].encode("ascii", "backslashreplace").decode()
    return f"a value is out of range, or no text: {line}", WRONG_USAGE


class _Help(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the lines of examples as they are."""


class OperatorCommand(BaseCommand):
    """A command for a person or a script."""

    requires_system_checks = []
    name: ClassVar[str]

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Describe the command by its row of the catalogue."""
        row = BY_NAME[self.name]
        examples = "\n".join(f"  manage.py {line}" for line in row.examples)
        codes = "\n".join(f"  {code:>3}  {told}" for code, told in EXIT_CODES.items())
        self.help = row.purpose
        kwargs.setdefault("formatter_class", _Help)
        # --version is the seen version here, not Django's.
        kwargs.setdefault("conflict_handler", "resolve")
        kwargs.setdefault("epilog", f"examples:\n{examples}\n\nexit codes:\n{codes}")
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what every command takes."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--as",
            dest="as_user",
            metavar="USER",
            help="who acts (default: KIMP_OPERATOR); needs the verb's permission",
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run under a request id of its own; turn every foreseen failure into an exit code."""
        if os.environ.get("NO_COLOR"):
            options["no_color"], options["force_color"] = True, False
        self._hush(options)
        try:
            _demand_text(options)
            with bound(request_id=new_id()), user_noted(), migrated.explained():
                return super().execute(*args, **options)
        except KeyboardInterrupt:
            self.fail("interrupted", INTERRUPTED)
        except FORESEEN as error:
            self.fail(*_told(error))

    def _hush(self, options: dict[str, Any]) -> None:
        """Keep the log's usual lines from between what a person reads; `--verbosity 2` shows them."""
        root = logging.getLogger()
        if getattr(self, "_called_from_command_line", False) and options["verbosity"] < 2:
            root.setLevel(max(root.level, logging.WARNING))

    def fail(self, message: str, code: int) -> NoReturn:
        """End with one sentence on standard error and an exit code."""
        if getattr(self, "_called_from_command_line", False):  # Django's own word for it
            self.say(self.style.ERROR(f"{self.name}: {message}"))
            sys.exit(code)
        raise CommandError(message, returncode=code)

    def say(self, text: str) -> None:
        """Tell a person; standard output stays data."""
        self.stderr.write(text, lambda line: line)

    def emit(self, facts: Any, text: str, options: dict[str, Any]) -> None:
        """Print the result, for machines or for people."""
        shown = json.dumps(jsonable(facts), ensure_ascii=False) if options["json"] else text
        if not shown:
            return
        try:
            self.stdout.write(shown)
            self.stdout.flush()
        except BrokenPipeError:  # the reader (`head`) has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except UnicodeEncodeError as error:
            raise CommandError(f"the output could not be written in {error.encoding}") from error
        except OSError as error:
            raise CommandError(f"the output could not be written: {error.strerror}") from error

    def actor(self, options: dict[str, Any], verb: Verb | None = None) -> Actor:
        """Give who acts. Raises when nobody is named, or they may not do the verb."""
        name = options["as_user"] or conf.operator()
        if not name:
            raise InvalidInputError("say who you are: --as USER, or KIMP_OPERATOR")
        user = User.objects.filter(username=name, is_active=True).first()
        if user is None:
            raise PermissionDeniedError(f"there is no active user {name!r}")
        note_user(user.pk)
        actor = Actor(user=user, channel=Channel.COMMAND)
        if verb is not None and not actor.may(verb):
            raise PermissionDeniedError(f"{name} may not {verb.label}: ask an administrator")
        return actor


class ActCommand(OperatorCommand):
    """A command that shows what it would do, and does it only with --yes."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what acts take."""
        super().add_arguments(parser)
        parser.add_argument("--yes", action="store_true", help="act; without it nothing is written")
        parser.add_argument("--reason", default="", help="why; kept with the act, needed to act")

    def named(self, options: dict[str, Any]) -> Actor | None:
        """Give who would act, where somebody is named: what they have taken on is theirs."""
        return self.actor(options) if options["as_user"] or conf.operator() else None

    def invite(self, options: dict[str, Any], *words: str) -> None:
        """Say that nothing was written, and what to add to act; who acts, where nobody is named."""
        who = () if options["as_user"] or conf.operator() else ("--as USER",)
        self.say(" ".join((WITHOUT_YES, *who, *words)))

    def reason(self, options: dict[str, Any]) -> str:
        """Give the reason; raises when there is none."""
        text = str(options["reason"]).strip()
        if not text:
            raise InvalidInputError("give a reason: --reason TEXT is kept with what you do")
        return text
