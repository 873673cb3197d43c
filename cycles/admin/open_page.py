"""Opening a cycle by hand: what it would do now first, then a reason, then the act."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy

from cycles.admin.acting import Done, OnceForm, acted_once
from cycles.admin.desk_verbs import shown
from cycles.admin.forms import ReasonForm
from cycles.admin.navigation import Page, demand
from cycles.admin.verbs import actor_of
from cycles.admin.wording import refusal
from cycles.domain.words import CycleKind, Verb
from cycles.errors import NotFoundError
from cycles.models import Cycle
from cycles.services import desk, opening
from cycles.services.intervening import PERMISSIONS, Actor
from exchanges import registry


class OpenForm(OnceForm, ReasonForm):
    """What to open. The notional is in USDT for a round trip, in KRW for the way back only."""

    kind = forms.ChoiceField(label=gettext_lazy("kind"), choices=CycleKind.choices)
    asset = forms.ChoiceField(
        label=gettext_lazy("asset"), help_text=gettext_lazy("of a round trip, to Korea")
    )
    notional = forms.DecimalField(
        label=gettext_lazy("notional"),
        min_value=Decimal(0),
        max_digits=20,
        decimal_places=8,
        help_text=gettext_lazy("USDT for a round trip, KRW for the way back only"),
    )
    korea_venue = forms.ChoiceField(
        label=gettext_lazy("Korean venue"),
        required=False,
        help_text=gettext_lazy("the best one if not chosen; the way back only needs it"),
    )
    field_order = ("kind", "asset", "korea_venue", "notional", "reason")

    def __init__(self, *args: Any, assets: list[str], venues: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offer("asset", [(name, name) for name in sorted(assets)])
        self._offer("korea_venue", [("", "—"), *((name, name) for name in venues)])
        if len(venues) == 1:
            del self.fields["korea_venue"]
        self.fields["reason"].required = "preview" not in self.data

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.choices = choices


def _open(given: dict[str, Any], actor: Actor) -> Cycle:
    """Open what the form says."""
    facts = {"actor": actor, "reason": given["reason"], "korea_venue": _venue(given)}
    if given["kind"] == CycleKind.RETURN_ONLY:
        return opening.open_return_only(notional_krw=given["notional"], **facts)
    return opening.open_by_hand(asset=given["asset"], notional_usdt=given["notional"], **facts)


def view(request: HttpRequest) -> HttpResponse:
    """Show the form, or what it would do; a POST without `preview` opens."""
    user = demand(request, PERMISSIONS[Verb.OPEN])
    actor = actor_of(user)
    try:
        assets = list(desk.current_policy().allowed_assets)
    except NotFoundError as error:
        raise Http404(refusal(error)) from None
    form = OpenForm(request.POST or None, assets=assets, venues=registry.korea_venues())
    status, preview = 0, None
    if request.method == "POST" and form.is_valid():
        if "preview" in request.POST:
            preview, status = _preview(form.cleaned_data), 200
        else:
            done = acted_once(user, form, lambda: _page_of(_open(form.cleaned_data, actor)))
            if not done.status:
                return _shown(request, done)
            status = done.status
    facts = {
        "title": _("Open a cycle by hand"),
        "effects": [
            _("The cycle takes its capital from the desk at once and begins its passage."),
            _("A round trip keeps the policy's limits, but not its minimum edge."),
        ],
        "will_not": [
            _(
                "It opens nothing on a desk that is halted; one that only finalizes carries KRW home, no more."
            )
        ],
        "preview": preview,
    }
    return shown(request, "admin/cycles/open.html", form, facts, status=status)


def _page_of(cycle: Cycle) -> str:
    """Give the address of a cycle's page."""
    return reverse("admin:cycles_cycle_change", args=[cycle.pk])


def _shown(request: HttpRequest, done: Done) -> HttpResponse:
    """Go to the cycle that the form opened, by this click or by one before it."""
    told = _("This form has opened its cycle already; it is this one.")
    messages.success(request, told if done.is_again else _("The cycle is open."))
    return HttpResponseRedirect(done.to)


def _preview(given: dict[str, Any]) -> opening.OpeningPreview | None:
    """Ask what a round trip would do now; the way back alone has no rival to compare with."""
    if given["kind"] == CycleKind.RETURN_ONLY:
        return None
    return opening.preview_by_hand(
        asset=given["asset"], notional_usdt=given["notional"], korea_venue=_venue(given)
    )


def _venue(given: dict[str, Any]) -> str:
    """Give the Korean venue that was chosen; the form does not ask where there is but one."""
    return str(given.get("korea_venue", ""))


PAGES = (Page(route="desk/open/", name="desk_open", view=view),)
