"""Group commit in the model: what the threads of a worker want written at one moment, in one atomic statement.

A statement that is refused, or that finds a cycle locked, is followed by one for each row: as if they had come alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tests.model.world import BESIDE, OPEN, THREADS, Call, Move, Rules, State

Rows = tuple[int, ...]  # threads whose rows a statement writes; BESIDE: another cycle's

LOST, UNSURE = 0, -1  # what a row is told beside what stands: not your lease; nobody knows


def decided(rules: Rules, state: State, number: int) -> State | None:
    """`moving.lock_for_decision`: give the state in which the thread may decide, None if it may not."""
    is_newest = state.threads[number].is_newest and state.owner == rules.worker(number)
    if rules.guard == "fence" and not is_newest:
        return None
    if rules.guard == "owner" and state.owner != rules.worker(number):
        return None
    if rules.guard == "status" and state.is_done:
        return None
    return replace(state, was_stale=state.was_stale or not is_newest)


def intends(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`stepping.intend_together`: a thread's row is written, alone or with others of its worker.

    Those are other cycles' (one stands for all), or the other thread's: while the guards stand not together.
    """
    yield from _writes(rules, state, (number,))
    if rules.is_one_worker:
        yield from _writes(rules, state, (number, BESIDE))
    if number == THREADS[0] and _may_share(rules, state, "queued"):
        yield from _writes(rules, state, THREADS)


def _writes(rules: Rules, state: State, rows: Rows) -> Iterator[Move]:
    """Write rows by one statement: all of them hear what it told, or that the database went away."""
    written, told = _written(rules, state, rows)
    what = " and ".join("another cycle" if row == BESIDE else f"thread {row}" for row in rows)
    yield f"one statement writes what {what} brought", _given_out(written, told)
    unsure = dict.fromkeys(rows, UNSURE)
    yield f"it writes what {what} brought, the database goes away", _given_out(written, unsure)
    yield f"the database goes away before it writes for {what}", _given_out(state, unsure)


def _may_share(rules: Rules, state: State, pc: str, word: str = "") -> bool:
    """Say whether the rows of both threads may share a statement: they are of one cycle.

    A statement that the database refuses is rolled back, and its rows are written alone.
    """
    may = rules.is_one_worker and not rules.apart and not rules.refuses_twins
    return may and all((thread.pc, thread.word) == (pc, word) for thread in state.threads)


def _written(rules: Rules, state: State, rows: Rows) -> tuple[State, dict[int, int]]:
    """`kimp_intend`: commit the rows whose lease holds; tell each row what stands of its cycle."""
    answers: list[int] = []
    for row in rows:
        told = BESIDE
        if row != BESIDE:
            state, told = _intended(rules, state, row)
        answers += [told] if told else []
    if not rules.by_cycle:
        return state, dict(zip(rows, (*answers, LOST, LOST), strict=False))
    ours = next((told for told in answers if told != BESIDE), LOST)
    return state, {row: BESIDE if row == BESIDE else ours for row in rows}


def _intended(rules: Rules, state: State, number: int) -> tuple[State, int]:
    """Write one row, if its lease holds; gives what stands."""
    attempt = state.threads[number].attempt
    allowed = decided(rules, state, number)
    if allowed is None or (rules.attempt_once and state.call(attempt) is not None):
        return state, LOST
    if state.is_halted and rules.heeds_halt:  # it waits: handed back, as one that was told LOST
        return state.freed(), LOST
    allowed = replace(allowed, was_deaf=allowed.was_deaf or state.is_halted)
    call = Call(attempt=attempt, by=number)
    return (allowed.with_call(call) if rules.journal else allowed), attempt


def _given_out(state: State, told: dict[int, int]) -> State:
    """Let the rows' threads go on with what they were told."""
    for row, answer in told.items():
        if row == BESIDE:
            state = replace(state, is_other_misled=answer not in {BESIDE, UNSURE})
        elif answer == LOST:
            state = state.idle(row)
        elif answer == UNSURE:
            state = state.thread(row, pc="unsure", waited=0)
        else:  # what is left of the lease counts from when the thread brought its row
            left = max(state.lease_left - state.threads[row].waited, 0)
            state = state.thread(row, pc="intended", told=answer, waited=0, left=left)
    return state


def disowns(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`calling._disown`, then the cycle is handed back: an intent that may stand was never sent."""
    thread = state.threads[number]
    call = state.call(thread.attempt)
    is_meant = call is not None and (call.by == number or not rules.disown_fence)
    after = state
    if call is not None and is_meant and call.outcome in OPEN:
        after = state.with_call(replace(call, outcome="NOT_SENT", age=0))
    if thread.is_newest and state.owner == rules.worker(number):
        after = after.freed()
    yield f"thread {number} disowns {thread.attempt}", after.idle(number)


def books(rules: Rules, state: State, number: int) -> Iterator[Move]:
    """`calling.book`: outcome, ledger and step in one statement; where it is refused, `note` goes about it.

    A reply that is lost leaves the thread to note what stands already.
    """
    booked = _booked(rules, state, (number,))
    if booked is not None:
        name = f"thread {number} books {state.threads[number].told}"
        yield name, booked.idle(number)
        yield f"{name}, the database goes away", booked
    if number == THREADS[0] and _may_share(rules, state, "heard", "done"):
        both = _booked(rules, state, THREADS)
        if both is not None:
            yield "both book in one statement", both.idle(0).idle(1)


def _booked(rules: Rules, state: State, rows: Rows) -> State | None:
    """`kimp_settle`: note the rows whose lease holds; None if there is none. Then all rows of their cycle are posted."""
    booked = state
    for number in rows:
        call = booked.call(booked.threads[number].told)
        allowed = decided(rules, booked, number)
        if allowed is not None and call is not None and call.outcome == "INTENDED":
            booked = allowed.with_call(replace(call, outcome="DONE"))
    if booked is state:
        return None
    posted = {state.threads[number].told for number in rows}
    for call in booked.calls:
        if call.attempt in posted:
            booked = booked.with_call(replace(call, settled=call.settled + 1))
    return booked.versioned(is_done=True).freed()
