"""The engine's protocol as a small model: one step of one cycle, two workers, a venue, a clock of ticks.

Everything that can go wrong is an action: a worker dies or sleeps anywhere, a lease runs out under
work, a request is late, a reply is lost. What is modelled stands beside each action; `Rules` switches one guard
off at a time, so that the claims are seen to catch it.

Time: a request may leave until SEND ticks after its intent, and reach the venue up to WINDOW ticks later;
absence proves something only after both. A lease lasts LEASE ticks. Only ages are kept, up to where they stop
to matter, and of fences only who has the newest: so the states are finitely many, and all are visited.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

SEND, WINDOW, LEASE = 1, 1, 2
OLD = SEND + WINDOW + 1  # ticks: an age that no rule tells from a greater one
ATTEMPTS = 2
WORKERS = (0, 1)
OPEN = ("INTENDED", "UNKNOWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The guards; each mutant lacks one."""

    guard: str = "fence"  # what a decision compares: "fence", "status" or "nothing"
    journal: bool = True  # the intent is committed before the request is sent
    reconciles: bool = True  # an open call is looked up before anything else is sent
    window: bool = True  # absence counts only after the venue's acceptance window
    send_before: bool = True  # a request that was intended long ago is not sent any more
    settles_once: bool = True  # what stands in the ledger is not posted again
    attempt_once: bool = True  # the database takes each attempt of a step once


@dataclass(frozen=True, slots=True)
class Call:
    """A row of the journal; `age` counts from the intent."""

    attempt: int
    age: int = 0
    outcome: str = "INTENDED"
    settled: int = 0


@dataclass(frozen=True, slots=True)
class Worker:
    """Where a worker is, whether its fence is the newest (it does not know), what it is at."""

    pc: str = "idle"
    is_newest: bool = False
    attempt: int = 0
    word: str = ""  # what it heard of a request, or what a look at the venue gave


@dataclass(frozen=True, slots=True)
class State:
    """The whole world. `flying` holds (attempt, age, sender) of requests on the wire."""

    owner: int = -1
    lease_left: int = 0
    is_done: bool = False
    was_stale: bool = False  # somebody decided with a fence that was not the newest
    calls: tuple[Call, ...] = ()
    flying: tuple[tuple[int, int, int], ...] = ()
    accepted: tuple[int, ...] = ()  # attempts, once for each acceptance
    workers: tuple[Worker, ...] = (Worker(), Worker())

    def worker(self, number: int, **changes: object) -> State:
        """Give the state with one worker changed."""
        workers = list(self.workers)
        workers[number] = replace(workers[number], **changes)  # type: ignore[arg-type]
        return replace(self, workers=tuple(workers))

    def idle(self, number: int) -> State:
        """Give the state with one worker back at its beginning."""
        return self.worker(number, pc="idle", is_newest=False, attempt=0, word="")

    def call(self, attempt: int) -> Call | None:
        """Give the journal's row of an attempt."""
        return next((call for call in self.calls if call.attempt == attempt), None)

    def with_call(self, call: Call) -> State:
        """Write a journal row."""
        others = tuple(one for one in self.calls if one.attempt != call.attempt)
        return replace(self, calls=tuple(sorted((*others, call), key=lambda one: one.attempt)))


Move = tuple[str, State]


def moves(rules: Rules, state: State) -> Iterator[Move]:
    """Give everything that may happen next."""
    yield "a tick passes", _aged(state)
    yield from _network(state)
    for number in WORKERS:
        yield from _works(rules, state, number)
        if state.workers[number].pc != "idle":
            yield f"worker {number} dies", state.idle(number)


def _aged(state: State) -> State:
    """Let a tick pass."""
    return replace(
        state,
        lease_left=max(state.lease_left - 1, 0),
        calls=tuple(replace(call, age=min(call.age + 1, OLD)) for call in state.calls),
        flying=tuple((n, min(age + 1, WINDOW + 1), sender) for n, age, sender in state.flying),
    )


def _network(state: State) -> Iterator[Move]:
    """A request arrives inside the venue's window, or is lost; its reply comes or is lost."""
    for request in state.flying:
        attempt, age, sender = request
        left = tuple(one for one in state.flying if one is not request)
        gone = replace(state, flying=left)
        yield f"request {attempt} is lost", _tell(gone, sender, attempt, "lost")
        if age <= WINDOW:
            taken = replace(gone, accepted=(*state.accepted, attempt))
            yield f"venue accepts {attempt}", _tell(taken, sender, attempt, "done")
            yield f"venue accepts {attempt}, reply lost", _tell(taken, sender, attempt, "lost")


def _tell(state: State, sender: int, attempt: int, heard: str) -> State:
    """Give the sender what it hears, if it still waits for this very reply."""
    worker = state.workers[sender]
    waits = worker.pc == "waiting" and worker.attempt == attempt
    return state.worker(sender, pc="heard", word=heard) if waits else state


def _works(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """What one worker may do next; doing nothing for long is sleep."""
    acts = {
        "leased": _look,
        "to intend": _intend,
        "intended": _send,
        "heard": _note,
        "to settle": _settle,
        "looked up": _record,
    }
    pc = state.workers[number].pc
    if pc == "idle":
        yield from _claim(state, number)
    elif pc in acts:
        yield from acts[pc](rules, state, number)


def _claim(state: State, number: int) -> Iterator[Move]:
    """`leasing.claim`: a free or run-out lease is granted with the next fence."""
    if not state.is_done and (state.owner < 0 or not state.lease_left):
        leased = replace(state, owner=number, lease_left=LEASE)
        for other in WORKERS:
            leased = leased.worker(other, is_newest=other == number)
        yield f"worker {number} claims", leased.worker(number, pc="leased")


def _decided(rules: Rules, state: State, number: int) -> State | None:
    """`moving.lock_for_decision`: give the state in which the worker may decide, None if it may not."""
    is_newest = state.workers[number].is_newest and state.owner == number
    if rules.guard == "fence" and not is_newest:
        return None
    if rules.guard == "status" and state.is_done:
        return None
    return replace(state, was_stale=state.was_stale or not is_newest)


def _look(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`advancing._next`: read what there is; open calls first, then unsettled ones, then the next attempt.

    What was read may be old by the time it is acted upon.
    """
    loose = next((call for call in state.calls if call.outcome in OPEN), None)
    unsettled = next((c for c in state.calls if c.outcome == "DONE" and not c.settled), None)
    attempt = max((call.attempt for call in state.calls), default=0) + 1
    if loose is not None and rules.reconciles:
        yield from _look_up(rules, state, number, loose)
    elif unsettled is not None:
        yield (
            f"worker {number} sees {unsettled.attempt} unsettled",
            state.worker(number, pc="to settle", attempt=unsettled.attempt),
        )
    elif attempt <= ATTEMPTS and not state.is_done:
        yield (
            f"worker {number} plans {attempt}",
            state.worker(number, pc="to intend", attempt=attempt),
        )


def _intend(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`calling.intend`: the row is committed before anything is sent, under the newest fence."""
    worker = state.workers[number]
    decided = _decided(rules, state, number)
    is_taken = rules.attempt_once and state.call(worker.attempt) is not None
    if decided is None or is_taken:
        yield f"worker {number} may not intend {worker.attempt}", state.idle(number)
        return
    if rules.journal:
        call = Call(attempt=worker.attempt)
        decided = decided.with_call(call)
    yield f"worker {number} intends {worker.attempt}", decided.worker(number, pc="intended")


def _send(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`calling.called`: outside any transaction; a request that was intended long ago is not sent.

    The lease is not asked here: the answer may be old by the time the request leaves.
    """
    worker = state.workers[number]
    call = state.call(worker.attempt)
    if rules.send_before and call is not None and call.age > SEND:
        late = state.worker(number, pc="heard", word="not sent")
        yield f"worker {number} is too late to send {worker.attempt}", late
        return
    flying = (*state.flying, (worker.attempt, 0, number))
    sent = replace(state, flying=flying).worker(number, pc="waiting")
    yield f"worker {number} sends {worker.attempt}", sent


def _note(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`calling.note`: an outcome is a fact, needs no lease, and is written once."""
    worker = state.workers[number]
    outcome = {"done": "DONE", "lost": "UNKNOWN", "not sent": "NOT_SENT"}[worker.word]
    call = state.call(worker.attempt)
    if call is None:  # without a journal only what succeeded is ever written
        call = Call(attempt=worker.attempt)
        noted = state.with_call(replace(call, outcome=outcome)) if outcome == "DONE" else state
    elif call.outcome in OPEN:
        noted = state.with_call(replace(call, outcome=outcome))
    else:
        noted = state
    goes_on = _decided(rules, state, number) is not None
    after = noted.worker(number, pc="leased", word="", attempt=0) if goes_on else noted.idle(number)
    yield f"worker {number} notes {outcome}", after


def _look_up(rules: Rules, state: State, number: int, call: Call) -> Iterator[Move]:
    """`reconciling.look_up`: the venue's record decides; its absence only after its window."""
    is_there = call.attempt in state.accepted
    if is_there or not rules.window or call.age > SEND + WINDOW:
        word = "DONE" if is_there else "ABSENT"
        yield (
            f"worker {number} looks {call.attempt} up: {word}",
            state.worker(number, pc="looked up", attempt=call.attempt, word=word),
        )


def _record(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`reconciling.record`: evidence needs no lease either, and an outcome is written once."""
    worker = state.workers[number]
    call = state.call(worker.attempt)
    assert call is not None
    noted = state.with_call(replace(call, outcome=worker.word)) if call.outcome in OPEN else state
    yield (
        f"worker {number} records {worker.word}",
        noted.worker(number, pc="leased", word="", attempt=0),
    )


def _settle(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`settling.settle_order` under the lock: ledger, step and lease in one transaction."""
    worker = state.workers[number]
    decided = _decided(rules, state, number)
    call = state.call(worker.attempt)
    assert call is not None
    if decided is None or (rules.settles_once and call.settled):
        yield f"worker {number} may not settle {call.attempt}", state.idle(number)
        return
    settled = decided.with_call(replace(call, settled=call.settled + 1))
    ended = replace(settled, is_done=True, owner=-1, lease_left=0)
    yield f"worker {number} settles {call.attempt}", ended.idle(number)
