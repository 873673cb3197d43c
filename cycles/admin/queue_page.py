"""The dead-letter queue: most money at risk first, then the oldest; whose is it?"""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from cycles import selectors
from cycles.admin.navigation import Page, demand
from cycles.admin.verbs import offered
from cycles.domain.words import FailureClass, Verb
from cycles.models import Cycle
from cycles.services.intervening import PERMISSIONS

PER_PAGE = 50
TABS = ("all", "unassigned", "mine")


def view(request: HttpRequest) -> HttpResponse:
    """Show one tab of the queue."""
    user = demand(request, "cycles.view_cycle")
    chosen = request.GET.get("tab", "all")
    tab = chosen if chosen in TABS else "all"
    page = Paginator(_narrowed(tab, user), PER_PAGE).get_page(request.GET.get("p"))
    titles = {"all": _("all"), "unassigned": _("unassigned"), "mine": _("mine")}
    context = {
        **admin.site.each_context(request),
        "title": _("Dead letters"),
        "summary": selectors.desk_summary(),
        "page": page,
        "rows": [(row, offered(row, user)) for row in page],
        "filters": [
            (name, titles[name], _narrowed(name, user).count(), name == tab) for name in TABS
        ],
        "tab": tab,
        "classes": _classes() if user.has_perm(PERMISSIONS[Verb.REDRIVE]) else (),
    }
    return TemplateResponse(request, "admin/dead_letters.html", context)


def _classes() -> list[tuple[FailureClass, int]]:
    """Give what the queue died of, the most first, where it is more than one."""
    counts = (
        selectors.dead_letters().order_by().values_list("failure_class").annotate(n=Count("pk"))
    )
    return [(FailureClass(name), n) for name, n in counts.order_by("-n") if n > 1]


def _narrowed(tab: str, user: User) -> QuerySet[Cycle]:
    """Give the rows of a tab."""
    rows = selectors.dead_letters()
    if tab == "mine":
        return rows.filter(assignee=user)
    return rows.filter(assignee__isnull=True) if tab == "unassigned" else rows


PAGES = (Page(route="dead-letters/", name="dead_letters", view=view),)
