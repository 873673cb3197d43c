"""What is about the API itself: its document, its page, and addresses that do not exist."""

from __future__ import annotations

from typing import Any

from csp.decorators import csp_update
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from cycles.api.door import Door

# Swagger UI writes styles into its page; nothing else is loosened, and only there.
PAGE_POLICY = {"style-src": ["'unsafe-inline'"]}


class SchemaView(Door, SpectacularAPIView):
    """The OpenAPI document, for whoever is logged in."""


@method_decorator(csp_update(PAGE_POLICY), name="dispatch")
class PageView(Door, SpectacularSwaggerSplitView):
    """The document as a page that works offline; strangers are sent to the login."""

    url_name = "api:schema"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer a browser: a stranger goes to the login page and comes back."""
        user = getattr(request, "user", None)
        if "Authorization" not in request.headers and not (user and user.is_staff):
            return redirect_to_login(request.get_full_path(), login_url="admin:login")
        return super().dispatch(request, *args, **kwargs)


class NowhereView(Door):
    """Any other address below /api/: a problem, not a page."""

    @extend_schema(exclude=True)
    def get(self, request: Request, **kwargs: str) -> Response:
        """Answer 404."""
        raise NotFound("there is nothing at this address; addresses end in a slash")

    post = put = patch = delete = get
