"""API tokens: issued by form, shown once, revoked by form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy

from cycles.admin.acting import OnceForm, acted_once
from cycles.admin.desk_verbs import answered
from cycles.admin.navigation import Page, demand
from cycles.services import tokens

SHOWN_ONCE = gettext_lazy(
    "This form has issued its token already, and showed it that once. "
    "Revoke it if you have not kept it, and issue another."
)
DAYS = ((7, 7), (30, 30), (90, 90), (365, 365))


class TokenForm(OnceForm):
    """What a new token may do, and for how long."""

    name = forms.CharField(label=gettext_lazy("name"), max_length=tokens.MAX_NAME_LENGTH)
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("scopes"),
        choices=tokens.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("within what you may do yourself"),
    )
    days = forms.TypedChoiceField(
        label=gettext_lazy("valid for days"), coerce=int, choices=DAYS, initial=90
    )


def issue(request: HttpRequest) -> HttpResponse:
    """Issue a token for whoever is logged in; the plain text is shown on this answer only."""
    user = demand(request, tokens.MAY_ISSUE)
    form = TokenForm(request.POST or None)
    plain: list[str] = []
    if request.method == "POST" and form.is_valid():
        done = acted_once(user, form, lambda: _issued(user, form.cleaned_data, plain))
        if done.is_again:
            messages.warning(request, str(SHOWN_ONCE))
            return HttpResponseRedirect(done.to)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("A new API token"),
        "form": form,
        "plain": "".join(plain),
    }
    return TemplateResponse(request, "admin/cycles/token_form.html", context)


def _issued(user: User, given: dict[str, Any], plain: list[str]) -> str:
    """Issue it, put its text where only this answer finds it, and give where tokens are listed."""
    expires_at = timezone.now() + timedelta(days=given["days"])
    _token, text = tokens.issue(user, given["name"], given["scopes"], expires_at)
    plain.append(text)
    return reverse("admin:cycles_apitoken_changelist")


def revoke(request: HttpRequest, prefix: str) -> HttpResponse:
    """Ask once, then revoke a token."""
    demand(request, tokens.MAY_REVOKE)
    return answered(
        request,
        forms.Form(request.POST if request.method == "POST" else None),
        lambda _given: tokens.revoke(prefix),
        done=_("The token is revoked."),
        to="admin:cycles_apitoken_changelist",
        facts={
            "title": _("Revoke the token %(prefix)s") % {"prefix": prefix},
            "effects": [_("From now on it opens nothing.")],
            "will_not": [_("It undoes nothing that was done with it.")],
            "is_final": True,
        },
    )


PAGES = (
    Page(route="tokens/issue/", name="token_issue", view=issue),
    Page(route="tokens/<slug:prefix>/revoke/", name="token_revoke", view=revoke),
)
