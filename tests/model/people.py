"""Operators in the model: they look, think for long, and act on what they saw, beside workers and one another.

One has a form open; what others do at once (redrive, halt) makes it an old one. Versions are not counted: of a form
only whether it is still the newest is kept, and the operator does not know.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tests.model.grouping import decided
from tests.model.world import OPEN, WINDOW, Call, Form, Move, Rules, State


def people_do(rules: Rules, state: State) -> Iterator[Move]:
    """Give what operators may do next."""
    if rules.has_letters:
        yield from _at_letters(rules, state)
    if rules.has_halts:
        yield from _at_the_desk(rules, state)


def parks(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`working.park`: whatever a thread is at, it may raise what nobody foresaw; its call stays as it stands."""
    yield from dies(rules, state, number, "meets a bug")


def dies(rules: Rules, state: State, number: int, why: str) -> Iterator[Move]:
    """`retrying.fail`: the newest lease makes a dead letter of the cycle; who lost it ends."""
    allowed = decided(rules, state, number)
    after = state if allowed is None else allowed.versioned(is_dead=True).freed()
    yield f"thread {number} {why}", after.idle(number)


def _at_letters(rules: Rules, state: State) -> Iterator[Move]:
    """Look at a dead letter and at the venue; then, however late, state that there is none, or redrive."""
    if state.is_dead:
        yield "another operator redrives", _redriven(rules, state)
    if state.form is None:
        if state.is_dead:
            yield "an operator looks", replace(state, form=Form(absent=_absent(rules, state)))
        return
    yield "the operator turns away", replace(state, form=None)
    if state.is_dead and (state.form.is_newest or not rules.sees_version):
        acted = replace(state, was_blind=state.was_blind or not state.form.is_newest, form=None)
        yield "the operator redrives", _redriven(rules, acted)
        if state.form.absent and _open(state) is not None:
            yield "the operator states that there is none", _closed(acted)


def _absent(rules: Rules, state: State) -> int:
    """Give the open request that the venue does not show to one who looks, once that tells something."""
    call = _open(state)
    if call is None or call.attempt in state.accepted:
        return 0
    return call.attempt if call.age > WINDOW or not rules.states_late else 0


def _open(state: State) -> Call | None:
    return next((call for call in state.calls if call.outcome in OPEN), None)


def _closed(state: State) -> State:
    """`resolving._close_calls`: whatever is open now was never accepted, on a person's word."""
    call = _open(state)
    assert call is not None
    return state.with_call(replace(call, outcome="ABSENT", age=0)).versioned()


def _redriven(rules: Rules, state: State) -> State:
    """`intervening.redrive`: due again; what is open is for the worker to look up."""
    call = _open(state)
    if call is not None and not rules.redrive_keeps:
        state = state.with_call(replace(call, outcome="NOT_SENT", age=0))
    elif call is not None and call.outcome == "INTENDED":
        state = state.with_call(replace(call, age=0))
    return state.versioned(is_dead=False)


def _at_the_desk(rules: Rules, state: State) -> Iterator[Move]:
    """`desk.set_mode`: anyone halts at any time; to let it run takes the version of the newest halt."""
    yield "somebody halts the desk", state.versioned(is_halted=True)
    if state.form is None:
        if state.is_halted:
            yield "an operator reads why the desk is halted", replace(state, form=Form())
    elif state.is_halted and (state.form.is_newest or not rules.sees_version):
        blind = state.was_blind or not state.form.is_newest
        yield (
            "the operator lets it run",
            replace(state, form=None, is_halted=False, was_blind=blind),
        )
    else:
        yield "the operator is told to look again", replace(state, form=None)
