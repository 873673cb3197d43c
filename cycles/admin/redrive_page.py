"""All dead letters of one failure class go on at once: what was seen, and no more."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from cycles.admin import show
from cycles.admin.desk_verbs import answered
from cycles.admin.forms import RedriveAllForm
from cycles.admin.navigation import Page, demand
from cycles.admin.verbs import actor_of
from cycles.domain.words import FailureClass, Verb
from cycles.errors import NotAllowedNowError
from cycles.services import redriving
from cycles.services.intervening import PERMISSIONS, Actor
from cycles.services.redriving import Filter, Redriven

MOST = 20_000  # in one request, which a server ends after half a minute; more by the command


def view(request: HttpRequest, failure_class: str) -> HttpResponse:
    """Show how many of a class would go on and ask why; then redrive those that were seen."""
    if failure_class not in FailureClass.values:
        raise Http404
    actor = actor_of(demand(request, PERMISSIONS[Verb.REDRIVE]))
    chosen = Filter(failure_class=failure_class)
    seen = redriving.look(chosen, actor=actor)
    form = RedriveAllForm(
        request.POST or None, initial={"seen_count": seen.count, "seen_at": seen.at.isoformat()}
    )
    label = FailureClass(failure_class).label
    return answered(
        request,
        form,
        lambda given: _redrive(chosen, actor, given),
        done=lambda done: _told(done.count, of=form.cleaned_data["seen_count"]),
        to="admin:dead_letters",
        template="admin/cycles/redrive_all.html",
        facts={
            "why_not": redriving.objection(seen),
            "title": _("Redrive all: %(what)s") % {"what": label},
            "effects": [
                _("%(n)s dead letters go on where they stopped, at risk %(krw)s.")
                % {"n": seen.count, "krw": show.krw(seen.at_risk_krw)},
                _("Each has an intervention of its own, with your reason."),
                _("They become due most money at risk first, %(n)s a second.")
                % {"n": redriving.RATE},
            ],
            "will_not": [
                _("It leaves alone what others have taken on: %(n)s.") % {"n": seen.taken_on},
                _("It leaves alone what dies, or is acted on, from now on."),
            ],
        },
    )


def _redrive(chosen: Filter, actor: Actor, given: dict[str, Any]) -> Redriven:
    """Redrive what the form had shown, not what matches by now."""
    count: int = given["seen_count"]
    if count > MOST:
        raise NotAllowedNowError(
            "more than %(most)s at once go by manage.py redrive --all-matching, which goes on if it is cut short",
            most=MOST,
        )
    at: datetime = given["seen_at"]
    found = redriving.look(chosen, actor=actor, at=at)
    seen = redriving.Seen(
        filter=chosen, at=at, count=count, taken_on=found.taken_on, at_risk_krw=found.at_risk_krw
    )
    return redriving.redrive_all(seen, actor=actor, reason=given["reason"])


def _told(count: int, *, of: int) -> str:
    """Say how many went on, and what of those that were seen was left."""
    if count == of:
        return _("%(n)s dead letters go on where they stopped.") % {"n": count}
    return _(
        "%(n)s of %(all)s dead letters go on where they stopped; %(left)s left: acted on since you looked, "
        "by you or somebody else, or in use at that moment. Look again."
    ) % {"n": count, "all": of, "left": of - count}


PAGES = (
    Page(route="dead-letters/redrive/<str:failure_class>/", name="dead_letters_redrive", view=view),
)
