"""The tabs above every page, for whom they open; and how our own pages are addressed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_noop

from cycles import selectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One of our own pages: its address below the admin's, its name, its view."""

    route: str
    name: str
    view: Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One tab; `count` is shown beside it unless zero."""

    title: str
    url: str
    is_here: bool
    count: int = 0


# Title, page, permission.
TABS = (
    (gettext_noop("Desk"), "index", "cycles.view_cycle"),
    (gettext_noop("Dead letters"), "dead_letters", "cycles.view_cycle"),
    (gettext_noop("Cycles"), "cycles_cycle_changelist", "cycles.view_cycle"),
    (gettext_noop("Calls"), "cycles_exchangecall_changelist", "cycles.view_exchangecall"),
    (gettext_noop("Premia"), "cycles_premiumsample_changelist", "cycles.view_premiumsample"),
    (gettext_noop("Ledger"), "cycles_posting_changelist", "cycles.view_posting"),
    (gettext_noop("Policy"), "cycles_policyversion_changelist", "cycles.view_policyversion"),
    (
        gettext_noop("Addresses"),
        "exchanges_registeredaddress_changelist",
        "exchanges.view_registeredaddress",
    ),
    (
        gettext_noop("Assets"),
        "exchanges_assetidentity_changelist",
        "exchanges.view_assetidentity",
    ),
    (gettext_noop("Alerts"), "cycles_alert_changelist", "cycles.view_alert"),
    (
        gettext_noop("Interventions"),
        "cycles_intervention_changelist",
        "cycles.view_intervention",
    ),
)

COUNTS: dict[str, Callable[[], int]] = {
    "dead_letters": lambda: selectors.dead_letters().count(),
    "exchanges_registeredaddress_changelist": selectors.proposals,
}


def tabs(request: HttpRequest) -> list[Tab]:
    """Give the tabs that this user may open."""
    made = []
    for title, name, permission in TABS:
        if not user_of(request).has_perm(permission):
            continue
        url = reverse(f"admin:{name}")
        here = request.path == url if name == "index" else request.path.startswith(url)
        count = COUNTS[name]() if name in COUNTS else 0
        made.append(Tab(title=_(title), url=url, is_here=here, count=count))
    return made


def user_of(request: HttpRequest) -> User:
    """Give the user whom the admin has let in. Raises PermissionDenied for anybody else."""
    user: Any = request.user
    if not isinstance(user, User):
        raise PermissionDenied
    return user


def demand(request: HttpRequest, permission: str) -> User:
    """Give the user if they have a permission; PermissionDenied (a 403 page) if not."""
    user = user_of(request)
    if not user.has_perm(permission):
        raise PermissionDenied
    return user
