"""Who asks: a bearer token's user, or a member of staff with a session (and a CSRF token)."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from cycles.models import ApiToken
from cycles.services.correlating import note_user
from cycles.services.tokens import token_of

CHALLENGE = 'Bearer realm="kimp"'


class BearerAuthentication(BaseAuthentication):
    """Read `Authorization: Bearer kimp_<prefix>_<secret>`."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the token's user and the token; None when another scheme is used."""
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token_of(plain.strip())
        if token is None:
            raise AuthenticationFailed("the token is unknown, expired or revoked")
        if not token.user.is_staff:  # as a session: whoever may not enter the admin enters nowhere
            raise AuthenticationFailed("the token's user is no member of staff (any more)")
        note_user(token.user_id)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Make a missing login a 401 with this challenge."""
        return CHALLENGE


class StaffSessionAuthentication(SessionAuthentication):
    """Accept the admin's session, for staff only; unsafe methods need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """Return the logged-in member of staff."""
        user = getattr(request._request, "user", None)  # noqa: SLF001  as DRF's own class does
        if user is None or not user.is_active or not user.is_staff:
            return None
        self.enforce_csrf(request)
        return user, None
