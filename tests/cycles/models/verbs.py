"""What people may do to a cycle, derived from the verbs that there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cycles.domain.words import CycleStatus as S, Verb
from cycles.services import intervening, resolving
from cycles.services.resolving import Resolution, ResolutionOutcome

NOT_A_CYCLES: dict[Verb, str] = {
    Verb.OPEN: "there is no cycle yet",
    Verb.HALT: "the desk's",
    Verb.RESUME: "the desk's",
    Verb.PAUSE: "a venue's or an asset's",
    Verb.UNPAUSE: "a venue's or an asset's",
    Verb.SET_POLICY: "a cycle keeps its version of the policy",
    Verb.CONFIRM_ADDRESS: "an address's",
    Verb.RETIRE_ADDRESS: "an address's",
    Verb.PROVE_ASSET: "an asset's",
    Verb.BLOCK_ASSET: "an asset's",
    Verb.CATCH_UP: "a desk's away from home, where nothing else goes on",
}
ENDS = {
    ResolutionOutcome.CALL_ABSENT: S.DEAD_LETTER,
    ResolutionOutcome.COMPLETED: S.COMPLETED,
}


@dataclass(frozen=True, slots=True)
class Act:
    """One act on one cycle, and the status that it leads to."""

    do: Callable[..., object]
    leads_to: S


def _resolved(outcome: ResolutionOutcome) -> Act:
    resolution = Resolution(outcome=outcome, evidence="ticket 1")
    return Act(partial(resolving.resolve, resolution=resolution), ENDS[outcome])


VERBS: dict[Verb, dict[str, Act]] = {
    Verb.ACKNOWLEDGE: {"acknowledge": Act(intervening.acknowledge, S.DEAD_LETTER)},
    Verb.REDRIVE: {"redrive": Act(intervening.redrive, S.RETRY_PENDING)},
    Verb.UNWIND: {"unwind": Act(intervening.unwind, S.RETRY_PENDING)},
    Verb.RESOLVE: {f"resolve {one}": _resolved(one) for one in ResolutionOutcome},
    Verb.WRITE_OFF: {"write off": Act(resolving.write_off, S.FAILED)},
}
ACTS = {name: act for verb in Verb if verb not in NOT_A_CYCLES for name, act in VERBS[verb].items()}
