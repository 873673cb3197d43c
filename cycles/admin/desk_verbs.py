"""The verbs on the desk: its mode and its pauses; each a form, acted on by POST only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy

from cycles import selectors
from cycles.admin.acting import OnceForm, acted, acted_once
from cycles.admin.forms import ModeForm, PauseForm, ReasonForm
from cycles.admin.navigation import Page, demand, user_of
from cycles.admin.verbs import actor_of
from cycles.domain import halts
from cycles.domain.words import Mode, PauseScope, Verb
from cycles.errors import NotFoundError, StaleVersionError
from cycles.models import Desk, Pause
from cycles.services import desk
from cycles.services.intervening import PERMISSIONS

WRONG_INPUT = 400
CONFLICT = 409
SHOWN_CALLS = 50
MAY_HALT, MAY_RESUME = PERMISSIONS[Verb.HALT], PERMISSIONS[Verb.RESUME]

EFFECTS: dict[Mode, tuple[Any, ...]] = {
    Mode.RUN: (
        gettext_lazy("Cycles open and run as the policy allows."),
        gettext_lazy("Requests with an unknown outcome are looked up before anything is sent."),
    ),
    Mode.FINALIZE_ONLY: (
        gettext_lazy("No new round trip opens; KRW of the desk may still be carried home by hand."),
        gettext_lazy("Open cycles run to their end."),
        gettext_lazy("One that waits and has bought nothing yet ends: its capital is the desk's."),
    ),
    Mode.HALT: (
        gettext_lazy("From now on no order and no withdrawal is written or sent."),
        gettext_lazy("Only a person with the permission to resume leaves a halt."),
    ),
}
WILL_NOT: dict[Mode, tuple[Any, ...]] = {
    Mode.RUN: (gettext_lazy("It lifts no pause and revives no dead letter."),),
    Mode.FINALIZE_ONLY: (gettext_lazy("It stops nothing that is under way."),),
    Mode.HALT: (
        gettext_lazy("It cancels nothing at the venues: calls already intended are listed below."),
        gettext_lazy("Transfers in flight arrive all the same."),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChoice:
    """A mode that this person may choose now."""

    mode: Mode
    url: str


def permission_to(target: Mode, present: str) -> str:
    """Give the permission that a change of mode asks for: to stop more, or to let more happen."""
    return MAY_HALT if desk.stops_more(target, present) else MAY_RESUME


def mode_choices(user: User, present: str) -> list[ModeChoice]:
    """Give the modes other than the present one that a person may choose."""
    return [
        ModeChoice(mode=mode, url=reverse("admin:desk_mode", args=[mode.value]))
        for mode in Mode
        if mode != present and user.has_perm(permission_to(mode, present))
    ]


def change_mode(request: HttpRequest, mode: str) -> HttpResponse:
    """Show what a mode means and ask why; then set it."""
    if mode not in Mode.values:
        raise Http404
    target, now = Mode(mode), _current()
    actor = actor_of(demand(request, permission_to(target, now.mode)))
    facts = {
        "title": _("Desk: %(mode)s") % {"mode": target.label},
        "target": target,
        "present": now.mode,
        "now": now,
        "why_not": halts.mode_objection(target, now.mode),
        "effects": EFFECTS[target],
        "will_not": WILL_NOT[target],
        "open_calls": selectors.open_calls()[:SHOWN_CALLS],
        "is_final": target is Mode.HALT,
    }
    seen = {"mode": target.value, "seen_version": now.version}
    form = ModeForm(request.POST or None, initial=seen)
    try:
        return answered(
            request,
            form,
            lambda given: desk.set_mode(
                target, actor=actor, reason=given["reason"], seen_version=given["seen_version"]
            ),
            done=_("The desk's mode is %(mode)s.") % {"mode": target.label},
            template="admin/cycles/mode.html",
            facts=facts,
        )
    except StaleVersionError:
        messages.error(request, _("The desk has changed meanwhile: look at it, then decide again."))
        fresh = ModeForm(initial=seen | {"reason": form.cleaned_data["reason"]})
        return shown(request, "admin/cycles/mode.html", fresh, facts, status=CONFLICT)


def _current() -> Desk:
    """Give the desk, its reason and version as they were read at once; one that was never set up has none."""
    try:
        return desk.current()
    except NotFoundError:
        return Desk(kind="", mode="", version=0)


def add_pause(request: HttpRequest) -> HttpResponse:
    """Pause a venue, an asset or a route."""
    actor = actor_of(demand(request, PERMISSIONS[Verb.PAUSE]))
    return answered(
        request,
        PauseForm(request.POST or None),
        lambda given: desk.pause(
            PauseScope(given["scope"]), given["key"], actor=actor, reason=given["reason"]
        ),
        done=_("The pause holds."),
        facts={
            "title": _("Pause"),
            "effects": [_("No new passage begins there.")],
            "will_not": [_("What is under way goes on; nothing is cancelled.")],
        },
    )


def lift_pause(request: HttpRequest, pause_id: int) -> HttpResponse:
    """Lift a pause."""
    actor = actor_of(demand(request, PERMISSIONS[Verb.UNPAUSE]))
    paused = Pause.objects.filter(pk=pause_id).first()
    if paused is None:
        raise Http404(_("that pause has been lifted already"))
    return answered(
        request,
        ReasonForm(request.POST or None),
        lambda given: desk.unpause(pause_id, actor=actor, reason=given["reason"]),
        done=_("%(what)s runs again.") % {"what": paused.key},
        facts={
            "title": _("Lift the pause of %(what)s") % {"what": paused.key},
            "effects": [_("New passages may begin there again.")],
            "will_not": [_("It revives no dead letter.")],
            "paused": paused,
        },
    )


def answered(
    request: HttpRequest,
    form: forms.BaseForm,
    act: Callable[[dict[str, Any]], Any],
    *,
    done: str | Callable[[Any], str],
    facts: dict[str, Any],
    template: str = "admin/cycles/desk_form.html",
    to: str = "admin:index",
) -> HttpResponse:
    """Show a form with its preview; a POST that is filled in acts and goes to `to`.

    `done` is said then: a sentence, or what makes one of what the act gave.
    """
    status, gave = 0, []
    if request.method == "POST" and form.is_valid():
        status = _acted(request, form, lambda: gave.append(act(form.cleaned_data)), to)
        if not status:
            messages.success(request, done if isinstance(done, str) else done(*gave))
            return HttpResponseRedirect(reverse(to))
    return shown(request, template, form, facts, status=status)


def _acted(request: HttpRequest, form: forms.BaseForm, act: Callable[[], object], to: str) -> int:
    """Act, once where the form has a key for that; give the HTTP status of what denied it, or 0."""
    if not isinstance(form, OnceForm):
        return acted(form, act)

    def led_to() -> str:
        act()
        return reverse(to)

    return acted_once(user_of(request), form, led_to).status


def shown(
    request: HttpRequest,
    template: str,
    form: forms.BaseForm,
    facts: dict[str, Any],
    *,
    status: int,
) -> HttpResponse:
    """Show a form; status 0: fresh, or wrongly filled in."""
    code = status or (WRONG_INPUT if form.is_bound else 200)
    context = {**admin.site.each_context(request), **facts, "form": form}
    return TemplateResponse(request, template, context, status=code)


PAGES = (
    Page(route="desk/mode/<str:mode>/", name="desk_mode", view=change_mode),
    Page(route="desk/pause/", name="desk_pause", view=add_pause),
    Page(route="desk/pause/<int:pause_id>/lift/", name="desk_unpause", view=lift_pause),
)
