"""`manage.py api_token`: the API's bearer tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandParser
from django.utils import timezone

from cycles.errors import InvalidInputError, NotFoundError, PermissionDeniedError
from cycles.management.arguments import days
from cycles.management.base import WITHOUT_YES, OperatorCommand
from cycles.management.printing import instant, table
from cycles.models import ApiToken
from cycles.services import tokens
from cycles.services.tokens import Scope

DEFAULT_DAYS = 90
HEADINGS = ("prefix", "user", "name", "scopes", "expires (KST)", "revoked (KST)", "last used (KST)")


class Command(OperatorCommand):
    name = "api_token"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what to do, and with which token."""
        super().add_arguments(parser)
        parser.add_argument("action", choices=["issue", "list", "revoke"])
        parser.add_argument("prefix", nargs="?", help="revoke: the token's prefix")
        parser.add_argument("--user", help="issue: whose token; list: only theirs")
        parser.add_argument("--label", "--name", dest="label", help="issue: what it is for")
        parser.add_argument(
            "--scopes", default=Scope.CYCLES_READ.value,
            help=f"issue: comma-separated, of {', '.join(Scope.values)} (cycles:read)",
        )  # fmt: skip
        parser.add_argument(
            "--days", type=days, default=DEFAULT_DAYS, metavar="N",
            help="issue: until it expires (90); 0: never",
        )  # fmt: skip
        parser.add_argument("--yes", action="store_true", help="act; without it nothing is written")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what is asked."""
        act = {"issue": self._issue, "list": self._list, "revoke": self._revoke}
        act[options["action"]](options)

    def _issue(self, options: dict[str, Any]) -> None:
        """Make a token; its plain text is printed this once."""
        if not options["user"] or not options["label"]:
            raise InvalidInputError("issue needs --user and --name")
        if options["days"] < 0:
            raise InvalidInputError("--days is 0 or more")
        user = User.objects.filter(username=options["user"], is_active=True, is_staff=True).first()
        if user is None:
            raise NotFoundError(f"there is no active member of staff {options['user']!r}")
        if not options["days"]:
            self.say(
                "this token never expires: whoever finds it acts as its owner until it is revoked"
            )
        scopes = [scope.strip() for scope in options["scopes"].split(",") if scope.strip()]
        if not options["yes"]:
            told = f"would issue {options['label']!r} to {user.get_username()}: {', '.join(scopes)}"
            self.emit({"user": user.get_username(), "scopes": scopes}, told, options)
            self.say(WITHOUT_YES)
            return
        self._demand(tokens.MAY_ISSUE, options)
        ends = timezone.now() + timedelta(days=options["days"]) if options["days"] else None
        token, plain = tokens.issue(user, options["label"], scopes, ends)
        self.say("keep it now: it is not shown again")
        self.emit({**_facts(token), "token": plain}, plain, options)

    def _list(self, options: dict[str, Any]) -> None:
        """Show the tokens, never their secrets."""
        rows = tokens.every_token()
        if options["user"]:
            rows = rows.filter(user__username=options["user"])
        found = [_facts(token) for token in rows]
        cells = [
            (
                token.prefix,
                token.user.get_username(),
                token.name,
                ",".join(token.scopes),
                instant(token.expires_at) or "never",
                instant(token.revoked_at),
                instant(token.last_used_at),
            )
            for token in rows
        ]
        self.emit({"tokens": found}, table(HEADINGS, cells), options)

    def _revoke(self, options: dict[str, Any]) -> None:
        """End a token now."""
        if not options["prefix"]:
            raise InvalidInputError("revoke needs the token's prefix; `api_token list` shows it")
        found = tokens.every_token().filter(prefix=options["prefix"]).first()
        if found is None:
            raise NotFoundError(f"there is no token with the prefix {options['prefix']}")
        if not options["yes"]:
            told = f"would revoke {found.name!r} of {found.user.get_username()}"
            self.emit(_facts(found), told, options)
            self.say(WITHOUT_YES)
            return
        self._demand(tokens.MAY_REVOKE, options)
        token = tokens.revoke(options["prefix"])
        self.emit(_facts(token), f"{token.prefix} revoked", options)

    def _demand(self, permission: str, options: dict[str, Any]) -> None:
        """Raise unless who acts may do this."""
        actor = self.actor(options)
        if actor.user is None or not actor.user.has_perm(permission):
            raise PermissionDeniedError(f"{actor.name} lacks the permission {permission}")


def _facts(token: ApiToken) -> dict[str, Any]:
    names = ("prefix", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at")
    return {"user": token.user.get_username(), **{name: getattr(token, name) for name in names}}
