"""The engine's protocol as a small model: one step of one cycle, two threads, a venue, a clock of ticks.

The threads are those of two workers, or of one: then the first may have slept past its lease, and their worker
claimed the cycle anew for the second. Everything that can go wrong is an action: a worker dies or sleeps anywhere, a
lease runs out under work, a request is late, a reply is lost, the database goes away. What is modelled stands beside
each action; `Rules` switches one guard off at a time, so that the claims are seen to catch it.

Time: a request may leave while the lease lasts that its intent was written under, and reach the venue up to WINDOW
ticks later. Who finds a call without a word counts from there; absence proves something only after the window.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tests.model.grouping import books, decided, disowns, intends
from tests.model.people import dies, parks, people_do
from tests.model.world import (
    ATTEMPTS,
    LEASE,
    NOBODY,
    OPEN,
    THREADS,
    WINDOW,
    Call,
    Move,
    Rules,
    State,
    aged,
)


def moves(rules: Rules, state: State) -> Iterator[Move]:
    """Give everything that may happen next."""
    yield "a tick passes", aged(state)
    yield from _network(state)
    for number in rules.at_work:
        yield from _works(rules, state, number)
    yield from _renewals(rules, state)
    yield from _deaths(rules, state)
    if rules.stops:
        yield from _hand_overs(rules, state)
    yield from people_do(rules, state)


def _renewals(rules: Rules, state: State) -> Iterator[Move]:
    """`leasing.renew`: a worker keeps what it holds, without looking where its thread is."""
    if state.lease_left and any(thread.is_newest for thread in state.threads):
        yield f"worker {state.owner} renews its lease", replace(state, lease_left=LEASE)


def _deaths(rules: Rules, state: State) -> Iterator[Move]:
    """A worker dies, and all of its threads with it."""
    for worker in {rules.worker(number) for number in THREADS}:
        after = state
        for number in THREADS:
            if rules.worker(number) == worker and state.threads[number].pc != "idle":
                after = after.idle(number)
        if after is not state:
            yield f"worker {worker} dies", after


def _hand_overs(rules: Rules, state: State) -> Iterator[Move]:
    """`Worker._end`: told to stop, a worker hands back what it holds; its threads may hang on for a while."""
    mine = [number for number in THREADS if rules.worker(number) == state.owner]
    if not any(state.threads[number].is_newest for number in mine):
        return
    handed = state.freed()
    if rules.revokes:
        for number in mine:
            handed = handed.thread(number, left=0)
    yield f"worker {state.owner} is told to stop, and hands the cycle back", handed


def _network(state: State) -> Iterator[Move]:
    """A request arrives inside the venue's window, or never; its reply comes or is lost."""
    for place, (attempt, _, sender) in enumerate(state.flying):
        left = state.flying[:place] + state.flying[place + 1 :]
        accepted = tuple(sorted((*state.accepted, attempt)))
        taken = replace(state, flying=left, accepted=accepted)
        yield f"venue accepts {attempt}, reply lost", taken
        thread = state.threads[sender]
        if thread.pc == "waiting" and thread.attempt == attempt:
            yield f"venue accepts {attempt}", taken.thread(sender, pc="heard", word="done")


def _works(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """What one thread may do next; doing nothing for long is sleep."""
    pc = state.threads[number].pc
    if pc == "idle":
        yield from _claim(rules, state, number)
        yield from _sweep(rules, state, number)
        return
    yield from ACTS[pc](rules, state, number)
    if rules.has_letters and pc != "swept":
        yield from parks(rules, state, number)


def _claim(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`leasing.claim`: a free or run-out lease is granted with the next fence, whoever had it."""
    if not (state.is_done or state.is_dead) and (state.owner < 0 or not state.lease_left):
        leased = replace(state, owner=rules.worker(number), lease_left=LEASE)
        for other in THREADS:
            leased = leased.thread(other, is_newest=other == number)
        yield f"thread {number} claims", leased.thread(number, pc="leased")


def _look(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`advancing._next`: read what there is; open calls first, then unsettled ones, then the next attempt.

    What was read may be old by the time it is acted upon. Or the cycle is handed back: it waits.
    """
    is_ours = state.threads[number].is_newest and state.owner == rules.worker(number)
    handed_back = state.freed() if is_ours else state
    yield f"thread {number} hands the cycle back", handed_back.idle(number)
    loose = next((call for call in state.calls if call.outcome in OPEN), None)
    unsettled = next((c for c in state.calls if c.outcome == "DONE" and not c.settled), None)
    attempt = max((call.attempt for call in state.calls), default=0) + 1
    if loose is not None and rules.reconciles:
        yield from _look_up(rules, state, number, loose)
    elif unsettled is not None:
        yield (
            f"thread {number} sees {unsettled.attempt} unsettled",
            state.thread(number, pc="to settle", attempt=unsettled.attempt),
        )
    elif attempt <= ATTEMPTS and not (state.is_done or state.is_dead):
        yield (
            f"thread {number} plans {attempt}",
            state.thread(number, pc="planned", attempt=attempt),
        )


def _queue(_: Rules, state: State, number: int) -> Iterator[Move]:
    """`calling.intend`: bring a row to the group that writes intents; the time left counts from here."""
    yield f"thread {number} brings its intent", state.thread(number, pc="queued")


def _send(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`calling.called`: outside any transaction, while the lease stands that the intent was written under.

    The database is not asked here: its answer may be old by the time the request leaves.
    """
    thread = state.threads[number]
    if rules.deadline and not thread.left:
        late = state.thread(number, pc="heard", word="not sent")
        yield f"thread {number} is too late to send {thread.attempt}", late
        return
    flying = tuple(sorted((*state.flying, (thread.attempt, 0, number))))
    sent = replace(state, flying=flying).thread(number, pc="waiting", left=0)
    yield f"thread {number} sends {thread.attempt}", sent


def _give_up(_: Rules, state: State, number: int) -> Iterator[Move]:
    """No reply came in time; the request may still be on its way."""
    yield f"thread {number} hears nothing", state.thread(number, pc="heard", word="lost")


def _hear(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`trading._settle`: what was accepted is booked whole; else, or where that fails, it is noted."""
    if state.threads[number].word == "done" and rules.journal:
        yield from books(rules, state, number)
    yield from _note(rules, state, number)


def _note(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`calling.note`: an outcome is a fact, needs no lease, and is written once: on the call's own row."""
    thread = state.threads[number]
    outcome = {"done": "DONE", "lost": "UNKNOWN", "not sent": "NOT_SENT"}[thread.word]
    call = state.call(thread.told)
    noted = state
    if not rules.journal:  # then only what succeeded is ever written
        if outcome == "DONE":
            noted = state.with_call(Call(attempt=thread.attempt, outcome=outcome))
    elif (
        call is not None and call.outcome in OPEN and (call.by == number or not rules.outcome_fence)
    ):
        noted = state.with_call(replace(call, outcome=outcome, age=0))
    goes_on = decided(rules, state, number) is not None
    after = _read_anew(noted, number) if goes_on else noted.idle(number)
    yield f"thread {number} notes {outcome}", after


def _read_anew(state: State, number: int) -> State:
    """Let a thread read what there is to do."""
    return state.thread(number, pc="leased", attempt=0, told=0, left=0, word="")


def _look_up(rules: Rules, state: State, number: int, call: Call) -> Iterator[Move]:
    """`reconciling.look_up`: the venue's record decides; its absence only after its window.

    The window of a call that is found without a word of its thread begins with the first look: its lease is over,
    so nothing of it leaves any more.
    """
    if rules.looks_back and call.by not in {number, NOBODY} and state.threads[call.by].is_newest:
        yield f"thread {number} sees a newer lease's {call.attempt}", state.idle(number)
        return
    is_there = call.attempt in state.accepted
    is_over = not rules.window or (call.outcome == "UNKNOWN" and call.age > WINDOW)
    if is_over and not is_there and rules.has_letters:  # as of a withdrawal: absence proves nothing
        yield from dies(rules, state, number, f"asks a person about {call.attempt}")
    elif is_there or is_over:
        word = "DONE" if is_there else "ABSENT"
        yield (
            f"thread {number} looks {call.attempt} up: {word}",
            state.thread(number, pc="looked up", attempt=call.attempt, word=word),
        )
    elif call.outcome == "INTENDED":
        found = state.with_call(replace(call, outcome="UNKNOWN"))
        yield f"thread {number} finds {call.attempt} without a word", found


def _sweep(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`reconciling.reconcile_open_calls`: who has no lease looks up what is open, while nobody has one.

    By the time that it writes what it saw somebody may.
    """
    call = next((call for call in state.calls if call.outcome in OPEN), None)
    if call is None or (state.lease_left and rules.sweep_heeds_lease):
        return
    is_there = call.attempt in state.accepted
    is_absent = (
        call.age > WINDOW and not rules.has_letters
    )  # of a withdrawal absence proves nothing
    if call.outcome == "INTENDED":
        begun = state.with_call(replace(call, outcome="UNKNOWN", age=0))
        yield f"a sweep finds {call.attempt} without a word", begun
    elif is_there or is_absent:
        word = "DONE" if is_there else "ABSENT"
        yield (
            f"a sweep in place of thread {number} looks {call.attempt} up: {word}",
            state.thread(number, pc="swept", attempt=call.attempt, word=word),
        )


def _record_swept(_: Rules, state: State, number: int) -> Iterator[Move]:
    """`reconciling.record`: needs no lease; what is learnt of a dead letter makes its forms stale."""
    thread = state.threads[number]
    call = state.call(thread.attempt)
    assert call is not None
    recorded = state
    if call.outcome in OPEN:
        recorded = state.with_call(replace(call, outcome=thread.word, age=0))
        recorded = recorded.versioned() if state.is_dead else recorded
    yield f"the sweep in place of thread {number} records {thread.word}", recorded.idle(number)


def _record(_: Rules, state: State, number: int) -> Iterator[Move]:
    """`reconciling.record`: evidence needs no lease either, and an outcome is written once."""
    thread = state.threads[number]
    call = state.call(thread.attempt)
    assert call is not None
    recorded = state
    if call.outcome in OPEN:
        recorded = state.with_call(replace(call, outcome=thread.word, age=0))
    yield f"thread {number} records {thread.word}", _read_anew(recorded, number)


def _settle(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`settling.settle_order` under the lock: ledger, step and lease in one transaction."""
    thread = state.threads[number]
    allowed = decided(rules, state, number)
    call = state.call(thread.attempt)
    assert call is not None
    if allowed is None or (rules.settles_once and call.settled):
        yield f"thread {number} may not settle {call.attempt}", state.idle(number)
        return
    settled = allowed.with_call(replace(call, settled=call.settled + 1))
    ended = settled.versioned(is_done=True).freed()
    yield f"thread {number} settles {call.attempt}", ended.idle(number)


ACTS = {
    "leased": _look,
    "planned": _queue,
    "queued": intends,
    "unsure": disowns,
    "intended": _send,
    "waiting": _give_up,
    "heard": _hear,
    "looked up": _record,
    "swept": _record_swept,
    "to settle": _settle,
}
