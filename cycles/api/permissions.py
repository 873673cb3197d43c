"""What a view needs: the user's permission and, when a token asks, the token's scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from cycles.models import ApiToken
from cycles.services.tokens import Scope

if TYPE_CHECKING:
    from cycles.api.door import Door


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A permission of the user, and the scope that lets a token use it; None: no token ever may."""

    permission: str
    scope: Scope | None


class IsAllowed(BasePermission):
    """Grant what both the user and the token may do; a method without a need only needs a login."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the request is allowed; a missing permission or scope is named."""
        if not request.user.is_authenticated:
            return False
        need = cast("Door", view).need_of(request.method or "")
        if need is None:
            return True
        if not request.user.has_perm(need.permission):
            raise PermissionDenied(f"this needs the permission {need.permission}")
        if isinstance(request.auth, ApiToken):
            _demand_scope(need, request.auth)
        return True


def _demand_scope(need: Need, token: ApiToken) -> None:
    """Raise PermissionDenied unless the token may be used for it."""
    if need.scope is None:
        raise PermissionDenied("tokens never do this: a person logs in to the admin")
    if need.scope not in token.scopes:
        raise PermissionDenied(f"this needs a token with the scope {need.scope.value}")
