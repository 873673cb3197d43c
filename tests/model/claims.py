"""What holds in every state of the model, and what an end is."""

from __future__ import annotations

from tests.model.world import State

NEVER_DECIDED = {"ABSENT", "NOT_SENT"}


def is_accepted_once(state: State) -> bool:
    return len(state.accepted) <= 1


def has_no_contradiction(state: State) -> bool:
    """What the journal holds for never accepted was never accepted, nor can it be any more."""
    never = {call.attempt for call in state.calls if call.outcome in NEVER_DECIDED}
    return not never.intersection(state.accepted)


def is_all_explained(state: State) -> bool:
    """Every acceptance has its row: nothing at the venue that the journal does not know."""
    return {call.attempt for call in state.calls}.issuperset(state.accepted)


def is_settled_once(state: State) -> bool:
    return sum(call.settled for call in state.calls) <= 1


def is_settled_by_fact(state: State) -> bool:
    settled = {call.attempt for call in state.calls if call.settled}
    return settled.issubset(state.accepted)


def is_decided_by_the_newest(state: State) -> bool:
    return not state.was_stale


def is_told_its_own(state: State) -> bool:
    """Who was told that its intent stands has it, written under its own lease."""
    told = [(state.call(thread.told), number) for number, thread in enumerate(state.threads)]
    are_own = all(call is None or call.by == number for call, number in told)
    return are_own and not state.is_other_misled


def is_seen(state: State) -> bool:
    """No operator decided on a version other than the one before the eyes."""
    return not state.was_blind


def is_heard(state: State) -> bool:
    return not state.was_deaf


CLAIMS = {
    "no second order": is_accepted_once,
    "no contradiction": has_no_contradiction,
    "every order in the journal": is_all_explained,
    "posted once": is_settled_once,
    "posted by a fact": is_settled_by_fact,
    "only the newest fence decides": is_decided_by_the_newest,
    "each is told of its own intent": is_told_its_own,
    "no act on what was not seen": is_seen,
    "no intent under a halt": is_heard,
}


def is_decided(state: State) -> bool:
    """The step is done, or every attempt proved to have come to nothing."""
    return state.is_done or (
        all(call.outcome in NEVER_DECIDED for call in state.calls) and len(state.calls) > 1
    )
