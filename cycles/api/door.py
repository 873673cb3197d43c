"""The base of every view: a login, a need per method, and for acts an Idempotency-Key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from rest_framework.exceptions import NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from cycles.api.authentication import BearerAuthentication, StaffSessionAuthentication
from cycles.api.once import once
from cycles.api.permissions import IsAllowed, Need
from cycles.api.preconditions import seen_version
from cycles.api.throttles import ActThrottle, ReadThrottle
from cycles.domain.words import Channel
from cycles.services.intervening import Actor

Data = Mapping[str, Any]


class Door(APIView):
    """A view that says what each method needs; HEAD is as GET."""

    authentication_classes = [BearerAuthentication, StaffSessionAuthentication]
    permission_classes = [IsAllowed]
    throttle_classes = [ReadThrottle, ActThrottle]
    needs: ClassVar[Mapping[str, Need]] = {}

    def need_of(self, method: str) -> Need | None:
        """Give what a method needs beyond a login."""
        return self.needs.get("GET" if method == "HEAD" else method)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer in English whatever the client's languages: its texts are for logs and programs."""
        with translation.override("en"):
            response = super().dispatch(request, *args, **kwargs)
        response.headers.setdefault(
            "Content-Language", "en"
        )  # the middleware would name the client's
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let those in who may; nothing has a name with a NUL, which the database cannot even be asked for."""
        super().initial(request, *args, **kwargs)
        if any("\0" in text for text in kwargs.values()):
            raise NotFound("nothing has a name with a NUL in it")

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Give problems as JSON even where a page or YAML was asked for."""
        if response.status_code >= 400:
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)

    def actor(self) -> Actor:
        """Give who acts through this door."""
        user = self.request.user
        return Actor(user=user if isinstance(user, User) else None, channel=Channel.API)


class ActDoor(Door):
    """A view whose POST acts once per Idempotency-Key, on the version it saw if it is versioned."""

    input_class: ClassVar[type[Serializer[Any]]]
    is_versioned: ClassVar[bool] = False
    seen: int = 0

    def post(self, request: Request, **kwargs: str) -> Response:
        """Check headers and body, then act under the key."""
        if self.is_versioned:
            self.seen = seen_version(request)
        data = self.checked(request)
        if not self.is_act(data):
            return self.act(data, **kwargs)
        return once(request, lambda: self.act(data, **kwargs))

    def checked(self, request: Request) -> Data:
        """Read the body; raises ValidationError."""
        body = self.input_class(data=request.data, context={"request": request})
        body.is_valid(raise_exception=True)
        checked: Data = body.validated_data
        return checked

    def is_act(self, data: Data) -> bool:
        """Say whether this request writes anything."""
        return True

    def act(self, data: Data, **kwargs: str) -> Response:
        """Call the service."""
        raise NotImplementedError
