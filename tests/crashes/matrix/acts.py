"""What a person or the queue does in a process of its own, by name: every verb of an operator, every job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from django.conf import settings

from cycles import tasks
from cycles.domain import jobs
from cycles.domain.words import Mode, PauseScope, Verb
from cycles.models import Cycle, Desk, Pause
from cycles.services import (
    addressing,
    catching_up,
    desk,
    identifying,
    intervening,
    opening,
    redriving,
    resolving,
    rolling_up,
    totalling,
    verifying,
)
from cycles.services.addressing import Typed
from cycles.services.identifying import Coin
from cycles.services.intervening import Actor
from cycles.services.resolving import Resolution, ResolutionOutcome
from exchanges.models import AssetIdentity, RegisteredAddress
from tests import builders
from tests.desk import operator

REASON = "a test"
PLACE = {"venue": "upbit", "asset": "TRX", "network": "TRX"}  # where no cycle sends anything
COIN = Coin(asset="KMP", network="ETH", contract="0x" + "7" * 40, decimals=6)
EVIDENCE = "ticket 1"
BATCH = 2  # of samples, or of cycles, that are rolled up in one commit

OnCycle = Callable[[UUID, Actor, int], object]
OnDesk = Callable[[Actor], object]

ON_CYCLES: dict[str, OnCycle] = {
    name: partial(
        lambda act, pk, actor, seen: act(pk, actor=actor, reason=REASON, seen_version=seen), verb
    )
    for name, verb in {
        "redrive": intervening.redrive,
        "unwind": intervening.unwind,
        "acknowledge": intervening.acknowledge,
        **{
            f"resolve, {outcome}": partial(
                resolving.resolve, resolution=Resolution(outcome=outcome, evidence=EVIDENCE)
            )
            for outcome in ResolutionOutcome
        },
        "write_off": resolving.write_off,
    }.items()
}


def _redrive_all(_pk: UUID, actor: Actor, _seen: int) -> object:
    """Redrive all dead letters, each in a batch of its own."""
    redriving.BATCH = 1
    seen = redriving.look(redriving.Filter(), actor=actor)
    return redriving.redrive_all(seen, actor=actor, reason=REASON)


ON_CYCLES["redrive, all that match"] = _redrive_all


def _resume(actor: Actor) -> object:
    found = Desk.objects.get(pk=1)
    if found.mode == Mode.RUN:
        return None  # done before it died: a person who looks sees that
    return desk.set_mode(Mode.RUN, actor=actor, reason=REASON, seen_version=found.version)


def _halt(actor: Actor) -> object:
    return desk.set_mode(Mode.HALT, actor=actor, reason=REASON)


def _pause(actor: Actor) -> object:
    return desk.pause(PauseScope.ASSET, "SOL", actor=actor, reason=REASON)


def _unpause(actor: Actor) -> None:
    desk.unpause(Pause.objects.get(key="SOL").pk, actor=actor, reason=REASON)


def _open(actor: Actor) -> object:
    return opening.open_by_hand(asset="XRP", notional_usdt=Decimal(120), actor=actor, reason=REASON)


def _open_home(actor: Actor) -> object:
    return opening.open_return_only(notional_krw=Decimal(160_000), actor=actor, reason=REASON)


def _set_policy(actor: Actor) -> object:
    seen = desk.current_policy()
    changes = {"notional_usdt": seen.notional_usdt + 1}
    return desk.set_policy(changes, actor=actor, reason=REASON, seen_number=seen.number)


def _address() -> RegisteredAddress:
    return RegisteredAddress.objects.exclude(state="RETIRED").get(**PLACE)


def _propose(actor: Actor) -> None:
    """Let the place have an address that waits for two people; the one before it ends."""
    if RegisteredAddress.objects.exclude(state="RETIRED").filter(**PLACE).exists():
        _retire_address(actor)
    builders.proposed_address(**PLACE)


def _confirm_address(actor: Actor) -> object:
    row = _address()
    typed = Typed(ends_with=row.address[-8:], memo=row.memo)
    return addressing.confirm(
        row.code, actor=actor, reason=REASON, seen_version=row.version, typed=typed
    )


def _retire_address(actor: Actor) -> object:
    row = _address()
    return addressing.retire(row.code, actor=actor, reason=REASON, seen_version=row.version)


def _identity() -> AssetIdentity:
    return AssetIdentity.objects.get(venue="upbit", venue_symbol=COIN.asset)


def _prove_asset(actor: Actor) -> object:
    row = _identity()
    return identifying.prove(row, actor=actor, reason=REASON, seen_version=row.version, coin=COIN)


def _block_asset(actor: Actor) -> object:
    row = _identity()
    return identifying.block(row, actor=actor, reason=REASON, seen_version=row.version)


def _catch_up(actor: Actor) -> object:
    return catching_up.catch_up(actor=actor, reason=REASON)


ON_DESK: dict[str, OnDesk] = {
    "halt": _halt,
    "resume": _resume,
    "pause": _pause,
    "unpause": _unpause,
    "open": _open,
    "open, to come home only": _open_home,
    "set_policy": _set_policy,
    "confirm_address": _confirm_address,
    "retire_address": _retire_address,
    "prove_asset": _prove_asset,
    "block_asset": _block_asset,
}
IN_PARTS: dict[str, OnDesk] = {"catch_up": _catch_up}  # commits more than once
# The seams that only these are killed at, as `sites` names them.
SEAMS: dict[str, frozenset[str]] = {
    name: frozenset(f"{module}.{one}" for one in functions.split())
    for name, module, functions in (
        ("redrive", "intervening", "_revive"),
        ("unwind", "intervening", "_revive"),
        ("acknowledge", "intervening", "acknowledge"),
        ("redrive, all that match", "redriving", "_redrive redrive_all"),
        *((f"resolve, {outcome}", "resolving", "resolve") for outcome in ResolutionOutcome),
        ("write_off", "resolving", "write_off"),
        ("halt", "desk", "set_mode"),
        ("resume", "desk", "set_mode"),
        ("pause", "desk", "pause"),
        ("unpause", "desk", "unpause"),
        ("open", "opening", "open_by_hand"),
        ("open, to come home only", "opening", "open_return_only"),
        ("set_policy", "desk", "set_policy"),
        ("confirm_address", "addressing", "confirm"),
        ("retire_address", "addressing", "retire"),
        ("prove_asset", "identifying", "prove"),
        ("block_asset", "identifying", "block"),
        ("catch_up", "catching_up", "catch_up catch_up#2 _step_out"),
    )
}


def verb_of(name: str) -> Verb:
    """Give the verb that an act of this name does."""
    return Verb(name.partition(",")[0])


JOBS = tuple(scheduled.name for scheduled in jobs.SCHEDULES)


def on_cycle(verb: str, cycle: str, seen: int) -> None:
    """Do an operator's verb on a cycle."""
    pk = UUID(cycle)
    assert Cycle.objects.filter(pk=pk).exists()
    ON_CYCLES[verb](pk, operator(), seen)


def name_a_coin() -> None:
    """Write a name that is proven, and that nobody trades under."""
    builders.proven("upbit", COIN.asset, COIN.network, contract=COIN.contract)


def propose_address() -> None:
    """Make ready for a person who confirms or retires an address."""
    _propose(operator())


def on_desk(verb: str) -> None:
    """Do an operator's verb on the desk."""
    (ON_DESK | IN_PARTS)[verb](operator())


def job(name: str, channel: str) -> None:
    """Run one of the queue's jobs; alerts go to a channel of the test's."""
    settings.KIMP_TELEGRAM_BASE_URL = channel
    settings.KIMP_TELEGRAM_TOKEN, settings.KIMP_TELEGRAM_CHAT_ID = "1:test", "1"
    rolling_up.BATCH = totalling.BATCH = BATCH
    totalling.SETTLES = timedelta(0)  # what has just ended counts as well
    verifying.PAUSE_SECONDS = 0  # nothing moves between its two readings
    getattr(tasks, name)()
