"""The verbs on a cycle: for each its form, its act, its letter on the keyboard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from cycles.admin.forms import ResolveForm, VerbForm, WriteOffForm
from cycles.domain.words import Channel, CycleStatus, Verb
from cycles.models import Cycle
from cycles.services import intervening, resolving
from cycles.services.intervening import PERMISSIONS, Actor

Act = Callable[[Cycle, Actor, Any], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleVerb:
    """One verb. `letter` opens its form, never fires it; `is_final` acts cannot be undone."""

    verb: Verb
    form: type[VerbForm]
    act: Act
    letter: str
    done: Any
    is_final: bool = False

    @property
    def url_name(self) -> str:
        """Give the name of its address."""
        return f"admin:cycles_cycle_{self.verb.value}"

    @property
    def permission(self) -> str:
        """Give the permission it asks for."""
        return PERMISSIONS[self.verb]


def actor_of(user: User) -> Actor:
    """Give a person who acts through these pages."""
    return Actor(user=user, channel=Channel.ADMIN)


def _facts(form: VerbForm, actor: Actor) -> dict[str, Any]:
    """Give what every verb takes."""
    return {
        "actor": actor,
        "reason": form.cleaned_data["reason"],
        "seen_version": form.cleaned_data["seen_version"],
    }


def _redrive(cycle: Cycle, actor: Actor, form: VerbForm) -> object:
    return intervening.redrive(cycle.pk, **_facts(form, actor))


def _unwind(cycle: Cycle, actor: Actor, form: VerbForm) -> object:
    return intervening.unwind(cycle.pk, **_facts(form, actor))


def _acknowledge(cycle: Cycle, actor: Actor, form: VerbForm) -> object:
    return intervening.acknowledge(cycle.pk, **_facts(form, actor))


def _resolve(cycle: Cycle, actor: Actor, form: ResolveForm) -> object:
    return resolving.resolve(cycle.pk, resolution=form.resolution, **_facts(form, actor))


def _write_off(cycle: Cycle, actor: Actor, form: WriteOffForm) -> object:
    evidence = form.cleaned_data["evidence"]
    return resolving.write_off(cycle.pk, evidence=evidence, **_facts(form, actor))


VERBS: dict[Verb, CycleVerb] = {
    made.verb: made
    for made in (
        CycleVerb(
            verb=Verb.ACKNOWLEDGE,
            form=VerbForm,
            act=_acknowledge,
            letter="a",
            done=_("%(code)s is yours."),
        ),
        CycleVerb(
            verb=Verb.REDRIVE,
            form=VerbForm,
            act=_redrive,
            letter="r",
            done=_("%(code)s goes on where it stopped."),
        ),
        CycleVerb(
            verb=Verb.UNWIND,
            form=VerbForm,
            act=_unwind,
            letter="u",
            done=_("%(code)s sells back where its coins are."),
        ),
        CycleVerb(
            verb=Verb.RESOLVE,
            form=ResolveForm,
            act=_resolve,
            letter="s",
            done=_("%(code)s: your statement is written down."),
            is_final=True,
        ),
        CycleVerb(
            verb=Verb.WRITE_OFF,
            form=WriteOffForm,
            act=_write_off,
            letter="w",
            done=_("%(code)s is written off."),
            is_final=True,
        ),
    )
}


def offered(cycle: Cycle, user: User) -> list[CycleVerb]:
    """Give the verbs that apply to a cycle now and that this person may use."""
    if cycle.status != CycleStatus.DEAD_LETTER:
        return []
    return [made for made in VERBS.values() if user.has_perm(made.permission)]
