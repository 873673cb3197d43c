"""How often one token or user may ask; counted per web process."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from cycles.models import ApiToken


class _Throttle(SimpleRateThrottle):
    """Counts by token, else by user."""

    counts_safe: ClassVar[bool]

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """Give the counter's name; None: this request is not counted here."""
        if (request.method in SAFE_METHODS) is not self.counts_safe:
            return None
        if isinstance(request.auth, ApiToken):
            return f"throttle:{self.scope}:token:{request.auth.prefix}"
        return f"throttle:{self.scope}:user:{request.user.pk}"


class ReadThrottle(_Throttle):
    scope = "read"
    rate = "600/min"
    counts_safe = True


class ActThrottle(_Throttle):
    scope = "act"
    rate = "60/min"
    counts_safe = False
