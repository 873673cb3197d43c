"""Forms of the two books: confirm or retire an address, prove or block a venue's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy

from cycles import selectors
from cycles.admin.acting import acted
from cycles.admin.desk_verbs import CONFLICT, shown
from cycles.admin.forms import ConfirmAddressForm, ProveAssetForm, SeenForm
from cycles.admin.navigation import Page, demand
from cycles.admin.verbs import actor_of
from cycles.admin.wording import refusal
from cycles.domain.words import Verb
from cycles.errors import NotFoundError, StaleVersionError
from cycles.models import Intervention
from cycles.services import addressing, identifying
from cycles.services.addressing import AddressPreview, Typed
from cycles.services.identifying import Coin, IdentityPreview
from cycles.services.intervening import PERMISSIONS, Actor
from exchanges.models import AssetIdentity

Given = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One verb of a book: its form, and the service it calls with whatever it is about."""

    verb: Verb
    form: type[SeenForm]
    do: Callable[[Any, Actor, Given], object]
    done: Any


def _confirm(code: str, actor: Actor, given: Given) -> object:
    typed = Typed(ends_with=given["ends_with"], memo=given["memo"])
    return addressing.confirm(code, typed=typed, **_facts(actor, given))


def _retire(code: str, actor: Actor, given: Given) -> object:
    return addressing.retire(code, **_facts(actor, given))


def _prove(identity: AssetIdentity, actor: Actor, given: Given) -> object:
    coin = Coin(
        asset=given["asset"].upper(),
        network=given["network"],
        contract=given["contract"],
        decimals=given["decimals"],
    )
    return identifying.prove(identity, coin=coin, **_facts(actor, given))


def _block(identity: AssetIdentity, actor: Actor, given: Given) -> object:
    return identifying.block(identity, **_facts(actor, given))


def _facts(actor: Actor, given: Given) -> Given:
    """Give what every act takes."""
    return {"actor": actor, "reason": given["reason"], "seen_version": given["seen_version"]}


ADDRESS_ACTS = {
    "confirm": Act(
        verb=Verb.CONFIRM_ADDRESS,
        form=ConfirmAddressForm,
        do=_confirm,
        done=gettext_lazy("Your confirmation is kept."),
    ),
    "retire": Act(
        verb=Verb.RETIRE_ADDRESS,
        form=SeenForm,
        do=_retire,
        done=gettext_lazy("The address is retired."),
    ),
}
IDENTITY_ACTS = {
    "prove": Act(
        verb=Verb.PROVE_ASSET, form=ProveAssetForm, do=_prove, done=gettext_lazy("It is proven.")
    ),
    "block": Act(
        verb=Verb.BLOCK_ASSET, form=SeenForm, do=_block, done=gettext_lazy("It is blocked.")
    ),
}


def on_address(request: HttpRequest, code: str, name: str) -> HttpResponse:
    """Show what a verb would do to an address, whole for those who may confirm it; then do it."""
    act = _known(ADDRESS_ACTS, name)
    user = demand(request, PERMISSIONS[act.verb])

    def look() -> AddressPreview:
        return addressing.preview(act.verb, code, user)

    try:
        seen = look()
    except NotFoundError as error:
        raise Http404(refusal(error)) from None
    facts = {
        "title": f"{act.verb.label}: {seen.address.code}",
        "is_whole": addressing.may_see(user),
        "back": reverse("admin:exchanges_registeredaddress_changelist"),
    }
    return _answer(
        request,
        act,
        do=lambda given: act.do(code, actor_of(user), given),
        look=look,
        acts=lambda: selectors.acts_on_address(seen.address.code),
        facts=facts,
    )


def on_identity(request: HttpRequest, identity_id: int, name: str) -> HttpResponse:
    """Show what a verb would do to a venue's name; then do it."""
    act = _known(IDENTITY_ACTS, name)
    user = demand(request, PERMISSIONS[act.verb])
    row = AssetIdentity.objects.filter(pk=identity_id).first()
    if row is None:
        raise Http404(_("the registry has no such name"))

    def look() -> IdentityPreview:
        return identifying.preview(act.verb, AssetIdentity.objects.get(pk=identity_id))

    facts = {
        "title": f"{act.verb.label}: {row}",
        "back": reverse("admin:exchanges_assetidentity_changelist"),
    }
    return _answer(
        request,
        act,
        do=lambda given: act.do(row, actor_of(user), given),
        look=look,
        acts=lambda: selectors.acts_on_identity(row),
        facts=facts,
    )


def _known(acts: dict[str, Act], name: str) -> Act:
    """Find a verb by its word in the address."""
    if name not in acts:
        raise Http404
    return acts[name]


def _answer(
    request: HttpRequest,
    act: Act,
    *,
    do: Callable[[Given], object],
    look: Callable[[], AddressPreview | IdentityPreview],
    acts: Callable[[], QuerySet[Intervention]],
    facts: dict[str, Any],
) -> HttpResponse:
    """Show the form with its preview; a POST acts, on a version that changed it answers 409."""
    seen = look()
    form = act.form(request.POST or None, initial=_initial(seen))
    status = 0
    changes: QuerySet[Intervention] | None = None
    if request.method == "POST" and form.is_valid():
        try:
            status = acted(form, lambda: do(form.cleaned_data))
        except StaleVersionError as error:
            status, changes = CONFLICT, acts().filter(seen_version__gte=error.seen)
            form = _renewed(act, form, seen.subject.version)
        if not status:
            messages.success(request, act.done)
            return HttpResponseRedirect(facts["back"])
    context = {**facts, "preview": seen, "act": act, "changes": changes}
    return shown(request, "admin/cycles/vouching_form.html", form, context, status=status)


def _initial(seen: AddressPreview | IdentityPreview) -> dict[str, Any]:
    """Give what the form begins with: the version that is shown, and what is tied already."""
    begin: dict[str, Any] = {"seen_version": seen.subject.version}
    if isinstance(seen, IdentityPreview):
        row = seen.identity
        contract = row.told_contract or row.contract
        tied = {"asset": row.asset, "network": row.network, "decimals": row.decimals}
        begin |= {name: value for name, value in tied.items() if value not in {None, ""}}
        begin["contract"] = contract
    return begin


def _renewed(act: Act, form: forms.Form, version: int) -> SeenForm:
    """Give the form again as it was typed, on the version that is shown now."""
    return act.form(initial={**form.cleaned_data, "seen_version": version})


PAGES = (
    Page(route="addresses/<str:code>/<slug:name>/", name="address_verb", view=on_address),
    Page(route="identities/<int:identity_id>/<slug:name>/", name="identity_verb", view=on_identity),
)
