"""The admin site: the desk as its first page, its mode on every page, times of Seoul."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.core.exceptions import BadRequest
from django.db import transaction
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cycles import conf
from cycles.admin.navigation import tabs, user_of
from cycles.models import Desk

# The queue's own tables can run any function by name; its state is read from the heartbeats.
OURS = frozenset({"auth", "axes", "cycles", "exchanges"})
NUL = "\0"
View = Callable[..., HttpResponseBase]


class DeskSite(AdminSite):
    """Pages for operators. Everything is read-only but users; acts go through forms of their own."""

    site_title = _("kimp desk")
    site_header = _("kimp desk")
    index_title = _("Desk")
    index_template = "admin/desk.html"
    site_url = None
    enable_nav_sidebar = False

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Register our tables and the users'; leave out those of other applications."""
        given = [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        ours = [model for model in given if model._meta.app_label in OURS]  # noqa: SLF001  documented API
        super().register(ours, admin_class, **options)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the desk's kind and mode, and the tabs, for those who are logged in."""
        context = super().each_context(request)
        if context["has_permission"]:
            context["desk"] = Desk.objects.filter(pk=1).first()
            context["tabs"] = tabs(request)
        return context

    def admin_view(  # type: ignore[override]  # the stubs' type variable says no more than this
        self,
        view: View,
        cacheable: bool = False,  # noqa: FBT001, FBT002  Django's signature
    ) -> View:
        """Answer in Seoul's time; rendered here, while that time zone holds.

        A NUL, which no text in the database can hold, is refused before anything asks for it.
        """
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def in_seoul(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if NUL in request.path_info:
                raise Http404
            if any(NUL in text for texts in request.GET.lists() for text in (texts[0], *texts[1])):
                raise BadRequest("a parameter holds a NUL")
            with timezone.override(conf.display_time_zone()):
                response = inner(request, *args, **kwargs)
                if isinstance(response, SimpleTemplateResponse):
                    response.render()
                return response

        return in_seoul

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """Put our pages before the tables'."""
        from cycles.admin import (  # noqa: PLC0415  they need models
            desk_verbs,
            open_page,
            policy_page,
            queue_page,
            redrive_page,
            token_page,
            vouching_pages,
        )

        modules = (
            queue_page, redrive_page, desk_verbs, open_page, policy_page, token_page, vouching_pages,
        )  # fmt: skip
        pages = [page for module in modules for page in module.PAGES]
        ours = [path(page.route, self.admin_view(page.view), name=page.name) for page in pages]
        return [*ours, *super().get_urls()]

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Tell that somebody has another password, of their own doing."""
        from cycles.services import accounts  # noqa: PLC0415  it needs models

        with transaction.atomic():
            user = user_of(request)
            before = accounts.standing(user)
            response = super().password_change(request, extra_context)
            accounts.tell_changed("account", before, accounts.standing(user), by=user)
        return response

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show the desk."""
        from cycles.admin import desk_page  # noqa: PLC0415  it needs models

        return super().index(request, {**desk_page.context(request), **(extra_context or {})})
