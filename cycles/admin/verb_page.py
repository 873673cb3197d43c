"""One page for every verb on a cycle: a preview, a reason, the seen version; only a POST acts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from cycles import selectors
from cycles.admin.forms import VerbForm
from cycles.admin.navigation import demand
from cycles.admin.runbook import hint
from cycles.admin.verbs import VERBS, CycleVerb, actor_of
from cycles.admin.wording import refusal
from cycles.domain.words import Verb
from cycles.errors import CycleError, NotFoundError, PermissionDeniedError, StaleVersionError
from cycles.models import Cycle
from cycles.services.previewing import preview

WRONG_INPUT = 400
CONFLICT = 409


def view(request: HttpRequest, cycle_id: UUID, name: str) -> HttpResponse:
    """Show a verb's form, or act on it; a stale version answers 409 with what changed."""
    chosen = VERBS[Verb(name)]
    user = demand(request, chosen.permission)
    try:
        cycle = selectors.cycle_by_code(cycle_id)
    except NotFoundError as error:
        raise Http404(refusal(error)) from None
    if request.method != "POST":
        form = chosen.form(cycle=cycle, initial={"seen_version": cycle.version})
        return _page(request, chosen, cycle, form)
    form = chosen.form(request.POST, cycle=cycle)
    if not form.is_valid():
        return _page(request, chosen, cycle, form, status=WRONG_INPUT)
    try:
        chosen.act(cycle, actor_of(user), form)
    except StaleVersionError:
        return _conflict(request, chosen, cycle, form)
    except PermissionDeniedError as error:
        raise PermissionDenied(refusal(error)) from error
    except CycleError as error:
        form.add_error(None, refusal(error))
        return _page(request, chosen, cycle, form, status=error.http_status)
    messages.success(request, chosen.done % {"code": cycle.code})
    return HttpResponseRedirect(reverse("admin:cycles_cycle_change", args=[cycle.pk]))


def _page(
    request: HttpRequest, chosen: CycleVerb, cycle: Cycle, form: VerbForm, *, status: int = 200
) -> HttpResponse:
    """Show the form beside what the verb would do now."""
    context = {
        **admin.site.each_context(request),
        "title": f"{chosen.verb.label.capitalize()} {cycle.code}",
        "cycle": cycle,
        "chosen": chosen,
        "form": form,
        "preview": preview(chosen.verb, cycle.pk),
        "hint": hint(cycle),
    }
    return TemplateResponse(request, "admin/cycles/verb.html", context, status=status)


def _conflict(
    request: HttpRequest, chosen: CycleVerb, cycle: Cycle, form: VerbForm
) -> HttpResponse:
    """Say what changed since the form was opened and by whom; what was typed is kept."""
    seen = form.cleaned_data["seen_version"]
    cycle.refresh_from_db()
    transitions, interventions = selectors.changes_since(cycle, seen)
    # The code is to be typed anew, by someone who has read what changed.
    typed = {n: form.data.get(n, "") for n in form.fields if n != "confirmation"}
    again = chosen.form(cycle=cycle, initial=typed | {"seen_version": cycle.version})
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": cycle.code,
        "cycle": cycle,
        "chosen": chosen,
        "seen": seen,
        "transitions": transitions,
        "interventions": interventions,
        "form": again,
        "preview": preview(chosen.verb, cycle.pk),
        "hint": hint(cycle),
    }
    return TemplateResponse(request, "admin/cycles/conflict.html", context, status=CONFLICT)
