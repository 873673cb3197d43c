"""What the model knows: the journal's rows of one step, two threads at work on it, a venue, a clock of ticks.

Only ages and remainders are kept, up to where they stop to matter, and of fences only who has the newest and
under whose lease a row was written: so the states are finitely many, and all are visited.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

WINDOW = 1  # ticks for which a request may be on its way
LEASE = 2  # ticks that a lease lasts
OLD = WINDOW + 1  # an age that no rule tells from a greater one
ATTEMPTS = 2
THREADS = (0, 1)
NOBODY = -1
BESIDE = ATTEMPTS + 1  # the row of another cycle's intent
OPEN = ("INTENDED", "UNKNOWN")


class Rules(Struct, frozen=True, kw_only=True):
    """The guards, each of which a mutant lacks; and whether both threads are one worker's, or two workers'."""

    guard: str = "fence"  # what a decision compares: "fence", "owner", "status" or "nothing"
    journal: bool = True  # the intent is committed before the request is sent
    reconciles: bool = True  # an open call is looked up before anything else is sent
    looks_back: bool = (
        True  # nobody looks a call up that was intended under a newer lease than its own
    )
    window: bool = True  # absence counts only after the venue's acceptance window
    deadline: bool = (
        True  # nothing is sent once the lease that its intent was written under may be over
    )
    settles_once: bool = True  # what stands in the ledger is not posted again
    attempt_once: bool = True  # the database takes each attempt of a step once
    apart: bool = True  # a group writes no two rows of one cycle in one statement
    refuses_twins: bool = True  # the database refuses such a statement
    outcome_fence: bool = (
        True  # an outcome is written for the lease that its call was intended under
    )
    disown_fence: bool = (
        True  # and so is that an intent was never sent, when the database went away
    )
    by_cycle: bool = True  # what a statement tells is given out by cycle, not by place
    sweep_heeds_lease: bool = True  # who has no lease looks up nothing that somebody has one of
    is_one_worker: bool = False
    stops: bool = False  # workers may be told to stop, and hand back what they hold
    revokes: bool = True  # what is handed back is not sent for any more
    has_letters: bool = False  # cycles become dead letters; absence is stated by people only
    sees_version: bool = True  # an operator's act counts for the version that was seen
    redrive_keeps: bool = True  # a redrive leaves open calls to be looked up
    states_late: bool = True  # absence is stated only once the venue's window is over
    at_work: tuple[int, ...] = THREADS
    has_halts: bool = False  # the desk is halted, and let run again, by those who saw its version
    heeds_halt: bool = True  # no intent commits while the desk is halted

    def worker(self, thread: int) -> int:
        """Give the worker (a process) that a thread belongs to: the owner of its leases."""
        return 0 if self.is_one_worker else thread


class Call(Struct, frozen=True, gc=False):
    """A row of the journal; `by` still has the lease that it was intended under, `age` counts while it is UNKNOWN, or a dead letter's."""

    attempt: int
    by: int = NOBODY
    outcome: str = "INTENDED"
    age: int = 0
    settled: int = 0


class Thread(Struct, frozen=True, gc=False):
    """Where a thread is, whether its fence is the newest (it does not know), what it is at."""

    pc: str = "idle"
    is_newest: bool = False
    attempt: int = 0  # what it plans, sends or settles
    told: int = 0  # the row that it was told is its intent's
    waited: int = 0  # ticks since it brought its row to the group
    left: int = 0  # ticks in which it may still send
    word: str = ""  # what it heard of a request, or what a look at the venue gave


class Form(Struct, frozen=True, gc=False):
    """What an operator has before the eyes: whether it is the newest, the request that was nowhere to be seen."""

    is_newest: bool = True
    absent: int = 0


class State(Struct, frozen=True, gc=False, cache_hash=True):
    """The whole world. `flying` holds (attempt, age, sender) of requests on the wire."""

    owner: int = NOBODY  # a worker
    lease_left: int = 0
    is_done: bool = False
    was_stale: bool = False  # somebody decided with a fence that was not the newest
    calls: tuple[Call, ...] = ()
    flying: tuple[tuple[int, int, int], ...] = ()
    accepted: tuple[int, ...] = ()  # attempts, once for each acceptance
    threads: tuple[Thread, Thread] = (Thread(), Thread())
    is_other_misled: bool = False  # another cycle was told what does not stand
    is_dead: bool = False  # a dead letter
    is_halted: bool = False
    form: Form | None = None  # of an operator, of the cycle or the desk
    was_blind: bool = False  # an operator decided on what was not seen
    was_deaf: bool = False  # an intent was committed under a halt

    def thread(self, number: int, **changes: object) -> State:
        """Give the state with one thread changed."""
        changed = replace(self.threads[number], **changes)
        first, second = self.threads
        return replace(self, threads=(first, changed) if number else (changed, second))

    def idle(self, number: int) -> State:
        """Give the state with one thread back at its beginning; nobody has its lease any more."""
        calls = tuple(
            replace(call, by=NOBODY) if call.by == number else call for call in self.calls
        )
        first, second = self.threads
        threads = (first, Thread()) if number else (Thread(), second)
        return replace(self, threads=threads, calls=calls)

    def call(self, attempt: int) -> Call | None:
        """Give the journal's row of an attempt."""
        return next((call for call in self.calls if call.attempt == attempt), None)

    def with_call(self, call: Call) -> State:
        """Write a journal row."""
        others = [one for one in self.calls if one.attempt != call.attempt]
        return replace(self, calls=tuple(sorted((*others, call), key=lambda one: one.attempt)))

    def versioned(self, **changes: object) -> State:
        """Write what raises the version: a form that is open is an old one now."""
        form = self.form and replace(self.form, is_newest=False)
        return replace(self, form=form, **changes)

    def freed(self) -> State:
        """Hand the cycle back."""
        return replace(self, owner=NOBODY, lease_left=0)


Move = tuple[str, State]


def aged(state: State) -> State:
    """Let a tick pass; a request that is late is taken by no venue."""
    return replace(
        state,
        lease_left=max(state.lease_left - 1, 0),
        calls=tuple(_aged_call(call, is_dead=state.is_dead) for call in state.calls),
        flying=tuple((n, age + 1, sender) for n, age, sender in state.flying if age < WINDOW),
        threads=tuple(_aged_thread(thread) for thread in state.threads),
    )


def _aged_call(call: Call, *, is_dead: bool) -> Call:
    counts = call.outcome == "UNKNOWN" or (is_dead and call.outcome in OPEN)
    return replace(call, age=min(call.age + 1, OLD)) if counts else call


def _aged_thread(thread: Thread) -> Thread:
    if thread.pc == "queued":
        return replace(thread, waited=min(thread.waited + 1, LEASE))
    return replace(thread, left=max(thread.left - 1, 0)) if thread.left else thread
