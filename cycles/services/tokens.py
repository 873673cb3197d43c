"""Bearer tokens of the API: shown once, kept as a hash, narrowed by scopes, ended or revoked."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.db.models import Q, QuerySet, TextChoices
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cycles.errors import InvalidInputError, NotFoundError
from cycles.models import ApiToken

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = structlog.get_logger(__name__)

MAY_ISSUE, MAY_REVOKE = "cycles.add_apitoken", "cycles.delete_apitoken"  # whatever the door
PREFIX_BYTES, SECRET_BYTES = 5, 32
MAX_NAME_LENGTH = 80
USE_IS_NOTED_EVERY = timedelta(minutes=1)
_FORM = re.compile(r"kimp_(?P<prefix>[0-9a-f]{10})_(?P<secret>[0-9a-f]{64})")


class Scope(TextChoices):
    """What a token may be used for, within what its user may do."""

    CYCLES_READ = "cycles:read", _("read")
    DLQ_ACT = "dlq:act", _("act on cycles")
    DESK_ACT = "desk:act", _("open cycles, halt and resume")
    POLICY_WRITE = "policy:write", _("change the policy")


def issue(
    user: User, name: str, scopes: Sequence[str], expires_at: datetime | None
) -> tuple[ApiToken, str]:
    """Make a token and its plain text, which is never seen again.

    `expires_at` None: until revoked. Raises InvalidInputError.
    """
    name = name.strip()
    if not name or len(name) > MAX_NAME_LENGTH:
        raise InvalidInputError("name: a token needs a name of 1 to 80 characters")
    wanted = _checked(scopes)
    prefix, secret = secrets.token_hex(PREFIX_BYTES), secrets.token_hex(SECRET_BYTES)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=prefix,
        digest=_digest(secret),
        scopes=wanted,
        expires_at=expires_at,
    )
    log.info("token.issued", prefix=prefix, username=user.get_username(), scopes=wanted)
    return token, f"kimp_{prefix}_{secret}"


def _checked(scopes: Sequence[str]) -> list[str]:
    """Give the scopes sorted and once each."""
    wanted = sorted({str(scope) for scope in scopes})
    unknown = [scope for scope in wanted if scope not in Scope.values]
    if unknown or not wanted:
        raise InvalidInputError(
            "scopes: choose from %(known)s; unknown: %(unknown)s"
            if unknown
            else "scopes: choose from %(known)s",
            known=", ".join(Scope.values),
            unknown=", ".join(unknown),
        )
    return wanted


def _digest(secret: str) -> str:
    """Hash a secret of 256 random bits; nothing slower is needed against guessing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def valid() -> QuerySet[ApiToken]:
    """Give the tokens that still open the door, with their users."""
    return ApiToken.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=Now()),
        revoked_at__isnull=True,
        user__is_active=True,
    ).select_related("user")


def token_of(plain: str) -> ApiToken | None:
    """Find the valid token of a plain text and note its use; None when there is none."""
    form = _FORM.fullmatch(plain)
    if form is None:
        return None
    token = valid().filter(prefix=form["prefix"]).first()
    if token is None or not hmac.compare_digest(token.digest, _digest(form["secret"])):
        return None
    _note_use(token)
    return token


def _note_use(token: ApiToken) -> None:
    """Stamp the token, at most once a minute."""
    ApiToken.objects.filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lt=Now() - USE_IS_NOTED_EVERY), pk=token.pk
    ).update(last_used_at=Now())


def revoke(prefix: str) -> ApiToken:
    """End a token now; twice is once. Raises NotFoundError."""
    ApiToken.objects.filter(prefix=prefix, revoked_at__isnull=True).update(revoked_at=Now())
    token = ApiToken.objects.filter(prefix=prefix).select_related("user").first()
    if token is None:
        raise NotFoundError("there is no token with the prefix %(prefix)s", prefix=prefix)
    log.info("token.revoked", prefix=prefix, username=token.user.get_username())
    return token


def every_token() -> QuerySet[ApiToken]:
    """Give all tokens with their users, newest first."""
    return ApiToken.objects.select_related("user").order_by("-created_at", "-id")
