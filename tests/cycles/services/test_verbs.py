"""What operators do: permission, reason, seen version and fitting status, checked for every verb."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest

from cycles.domain import words
from cycles.domain.words import CallOutcome, Channel, CycleStatus, FailureClass, Plan, Role
from cycles.errors import (
    CycleError,
    InvalidInputError,
    NotAllowedNowError,
    NotFoundError,
    PermissionDeniedError,
    StaleVersionError,
    UnresolvedCallError,
)
from cycles.models import Cycle, Intervention, Transition
from cycles.services import intervening, previewing, resolving
from cycles.services.advancing import one_unit
from cycles.services.correlating import bound
from cycles.services.intervening import Actor
from cycles.services.resolving import Resolution, ResolutionOutcome
from tests import builders
from tests.cycles.services.acts import claimed, fail, holding_coins
from tests.desk import operator

pytestmark = pytest.mark.django_db

SETTLED = Resolution(outcome=ResolutionOutcome.COMPLETED, evidence="ticket 7")
Verb = Callable[..., Intervention]


def resolve(cycle_id: UUID, *, actor: Actor, reason: str, seen_version: int) -> Intervention:
    """Resolve as settled by hand."""
    return resolving.resolve(
        cycle_id, actor=actor, reason=reason, seen_version=seen_version, resolution=SETTLED
    )


VERBS: dict[str, Verb] = {
    "redrive": intervening.redrive,
    "unwind": intervening.unwind,
    "resolve": resolve,
    "write_off": resolving.write_off,
    "acknowledge": intervening.acknowledge,
}
every_verb = pytest.mark.parametrize("verb", VERBS)


@pytest.fixture
def dead() -> Cycle:
    """Give a dead letter that owns coins, so that every verb fits it."""
    return fail(holding_coins(), FailureClass.BUG)


def untouched(row: Cycle) -> bool:
    """Say whether nothing came of it."""
    now = Cycle.objects.get(pk=row.pk)
    return (now.version, now.status) == (row.version, row.status) and not (
        Intervention.objects.exists()
    )


@every_verb
def test_a_verb_leaves_an_intervention_with_who_why_and_what_was_seen(
    verb: str, dead: Cycle
) -> None:
    seen = dead.version
    with bound(request_id="req-7"):
        made = VERBS[verb](dead.pk, actor=operator(), reason=" because ", seen_version=seen)
    assert (made.verb, made.actor, made.channel) == (verb, "alice", Channel.COMMAND)
    assert (made.reason, made.seen_version, made.request_id) == ("because", seen, "req-7")
    assert made.cycle_id == dead.pk


@every_verb
def test_a_stale_version_is_told_and_nothing_is_done(verb: str, dead: Cycle) -> None:
    with pytest.raises(StaleVersionError) as caught:
        VERBS[verb](dead.pk, actor=operator(), reason="r", seen_version=dead.version - 1)
    assert (caught.value.seen, caught.value.found) == (dead.version - 1, dead.version)
    assert untouched(dead)


@every_verb
@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 2001], ids=["none", "blank", "too long"])
def test_a_reason_is_asked_for(verb: str, reason: str, dead: Cycle) -> None:
    with pytest.raises(InvalidInputError, match="reason"):
        VERBS[verb](dead.pk, actor=operator(), reason=reason, seen_version=dead.version)
    assert untouched(dead)


@every_verb
def test_who_lacks_the_permission_is_refused(verb: str, dead: Cycle) -> None:
    viewer = operator("vera", "viewer")
    with pytest.raises(PermissionDeniedError):
        VERBS[verb](dead.pk, actor=viewer, reason="r", seen_version=dead.version)
    assert untouched(dead)


@every_verb
def test_a_user_who_left_may_nothing(verb: str, dead: Cycle) -> None:
    actor = operator()
    assert actor.user is not None
    actor.user.is_active = False
    with pytest.raises(PermissionDeniedError):
        VERBS[verb](dead.pk, actor=actor, reason="r", seen_version=dead.version)
    assert untouched(dead)


@every_verb
def test_only_a_dead_letter_is_for_operators(verb: str) -> None:
    running = builders.cycle()
    with pytest.raises(NotAllowedNowError, match="not a dead letter"):
        VERBS[verb](running.pk, actor=operator(), reason="r", seen_version=running.version)
    assert untouched(running)


@every_verb
def test_a_cycle_that_is_not_there_is_not_found(verb: str) -> None:
    with pytest.raises(NotFoundError):
        VERBS[verb](UUID(int=1), actor=operator(), reason="r", seen_version=1)


def test_a_redrive_resumes_with_a_new_retry_budget_and_the_same_identity(dead: Cycle) -> None:
    Cycle.objects.filter(pk=dead.pk).update(retry_count=3)
    intervening.redrive(dead.pk, actor=operator(), reason="r", seen_version=dead.version)
    after = Cycle.objects.get(pk=dead.pk)
    assert (after.status, after.plan) == (CycleStatus.RETRY_PENDING, Plan.RESUME)
    assert (after.retry_count, after.resume_status) == (0, CycleStatus.STARTED)
    one_unit(claimed(after, Role.INITIATOR))
    assert Cycle.objects.get(pk=dead.pk).status == CycleStatus.STARTED


def test_an_unwind_stores_its_plan(dead: Cycle) -> None:
    intervening.unwind(dead.pk, actor=operator(), reason="r", seen_version=dead.version)
    after = Cycle.objects.get(pk=dead.pk)
    assert (after.status, after.plan) == (CycleStatus.RETRY_PENDING, Plan.UNWIND)


def test_an_unwind_needs_something_to_sell() -> None:
    row = builders.dead_letter()
    with pytest.raises(NotAllowedNowError, match="no coins"):
        intervening.unwind(row.pk, actor=operator(), reason="r", seen_version=row.version)


def test_an_unwind_waits_for_an_unknown_request(dead: Cycle) -> None:
    builders.order_call(dead, CallOutcome.UNKNOWN)
    with pytest.raises(UnresolvedCallError):
        intervening.unwind(dead.pk, actor=operator(), reason="r", seen_version=dead.version)


def test_acknowledging_assigns_and_changes_no_status(dead: Cycle) -> None:
    intervening.acknowledge(dead.pk, actor=operator(), reason="r", seen_version=dead.version)
    after = Cycle.objects.get(pk=dead.pk)
    assert after.status == CycleStatus.DEAD_LETTER
    assert after.assignee is not None
    assert after.assignee.username == "alice"
    assert after.version == dead.version + 1
    assert Transition.objects.filter(cycle=dead, version=after.version).count() == 0


def test_a_new_death_is_nobodys_yet(dead: Cycle) -> None:
    intervening.acknowledge(dead.pk, actor=operator(), reason="r", seen_version=dead.version)
    intervening.redrive(dead.pk, actor=operator(), reason="r", seen_version=dead.version + 1)
    one_unit(claimed(dead, Role.INITIATOR))
    Cycle.objects.filter(pk=dead.pk).update(lease_owner="", lease_expires_at=None)
    dead.refresh_from_db()
    again = fail(dead, FailureClass.BUG)
    assert (again.status, again.acknowledged_at, again.assignee) == ("DEAD_LETTER", None, None)


@every_verb
def test_a_preview_says_what_a_verb_would_do_and_changes_nothing(verb: str, dead: Cycle) -> None:
    builders.sample("XRP", global_bid=Decimal(2))
    shown = previewing.preview(words.Verb(verb), dead.pk)
    assert shown.is_possible
    assert shown.why_not == ""
    assert shown.effects
    assert shown.will_not
    assert [held.asset for held in shown.holdings] == ["XRP"]
    assert untouched(dead)


@every_verb
def test_a_preview_of_what_does_not_fit_says_why_not(verb: str) -> None:
    shown = previewing.preview(words.Verb(verb), builders.cycle().pk)
    assert not shown.is_possible
    assert "not a dead letter" in shown.why_not


def test_every_denial_carries_a_code_and_two_statuses() -> None:
    found: list[type[CycleError]] = [CycleError]
    for kind in found:
        found += kind.__subclasses__()
        assert kind.code
        assert 400 <= kind.http_status < 600
        assert 1 <= kind.exit_code < 126
    codes = [kind.code for kind in found]
    assert len(codes) == len(set(codes))
