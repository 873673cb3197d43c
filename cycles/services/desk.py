"""The desk itself: its kind, its mode, its pauses and its policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.forms.models import model_to_dict

from cycles.domain import halts
from cycles.domain.decision import Limits
from cycles.domain.halts import SYSTEM
from cycles.domain.pauses import spelled
from cycles.domain.words import Channel, DeskKind, Mode, PauseScope, Verb, word
from cycles.errors import (
    HaltedError,
    InvalidInputError,
    NotAllowedNowError,
    NotFoundError,
    StaleVersionError,
    UnseenVersionError,
)
from cycles.models import Desk, Pause, PolicyVersion
from cycles.services import homing
from cycles.services.intervening import Actor, intervene
from cycles.services.locking import in_transaction, own_mode, share_mode
from cycles.services.policy_rules import demand_sane
from exchanges import reference, registry
from exchanges.models import TransferRoute
from exchanges.sentences import Sentence

FIXED_COLUMNS = {"id", "number", "created_at", "created_by", "reason"}


def current() -> Desk:
    """Give the desk's row. Raises NotFoundError on a database that was never set up."""
    desk = Desk.objects.filter(pk=1).first()
    if desk is None:
        raise NotFoundError("this database has no desk yet: run `manage.py seed_desk`")
    return desk


def create(kind: DeskKind) -> Desk:
    """Say what this database is, for ever; a second time changes nothing."""
    desk, _ = Desk.objects.get_or_create(pk=1, defaults={"kind": kind})
    return desk


def database_is_live() -> bool | None:
    """Say what kind of database this is; None before it was ever set up."""
    kind = Desk.objects.filter(pk=1).values_list("kind", flat=True).first()
    return None if kind is None else kind == DeskKind.LIVE


def database_now() -> datetime:
    """Read the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    now: datetime = row[0]
    return now


def stops_more(target: Mode, present: str) -> bool:
    """Say whether a mode lets less happen than the present one: that asks for less."""
    return target is Mode.HALT or (target is Mode.FINALIZE_ONLY and present == Mode.RUN)


def set_mode(mode: Mode, *, actor: Actor, reason: str, seen_version: int | None = None) -> Desk:
    """Change the mode: no intent commits after a HALT has.

    Stopping more needs `halt_desk` and is done whatever was seen; halting a halted desk adds a reason.
    Letting more happen needs `resume_desk` and the version of the desk that was seen: UnseenVersionError,
    StaleVersionError. NotAllowedNowError for the mode that it has, and in a restored database that has not caught up.
    """

    def work() -> None:
        own_mode()  # waits for every intent under way, and keeps new ones out until we commit
        desk = current()
        stopping = stops_more(mode, desk.mode)
        made = intervene(
            Verb.HALT if stopping else Verb.RESUME,
            actor=actor,
            reason=reason,
            seen_version=seen_version,
            payload={"from": desk.mode, "to": mode.value},
        )
        if not stopping:
            _demand_seen(desk, seen_version)
            demand_at_home()
            if nothing := halts.mode_objection(mode, desk.mode):
                raise NotAllowedNowError(nothing)
        if mode is Mode.HALT:
            _halt(desk, actor.name, made.reason)
        else:
            _write_mode(mode, actor.name, made.reason)

    in_transaction(work)
    return current()


def _demand_seen(desk: Desk, seen_version: int | None) -> None:
    """Make sure that whoever lets more happen knows why it was stopped."""
    if seen_version is None:
        raise UnseenVersionError("name the version of the desk that you saw: read its mode first")
    if seen_version != desk.version:
        raise StaleVersionError(seen=seen_version, found=desk.version, what="the desk")


def demand_at_home() -> None:
    """Raise NotAllowedNowError where the desk is not in step with its venues: nothing more may happen."""
    if not homing.is_at_home():
        raise NotAllowedNowError(
            "%(away)s: run `manage.py catch_up`, and see to what it leaves",
            away=Sentence(homing.AWAY),
        )


def halt_by_system(
    reason: str,
    *,
    tell: Callable[[], object] = lambda: None,
    unless: Callable[[], bool] = lambda: False,
) -> bool:
    """Halt because of what the desk cannot explain, and `tell` people with that; only a person leaves it again.

    A halted desk is told as well: whoever is about to resume it has not seen this. Gives whether it was done:
    `unless` is asked once the mode is ours.
    """

    def work() -> bool:
        own_mode()
        if unless():
            return False
        _halt(current(), SYSTEM, reason)
        tell()
        return True

    return in_transaction(work)


def is_halted_for(actor: Actor, reason: str) -> bool:
    """Say whether the desk is halted, and shows these words of theirs."""
    return _shows(current(), actor.name, reason.strip())


def _shows(desk: Desk, by: str, words: str) -> bool:
    return desk.mode == Mode.HALT and halts.stands(
        desk.mode_reason, desk.mode_changed_by, by=by, words=words
    )


def _halt(desk: Desk, by: str, words: str) -> None:
    """Halt, or add a reason to a halt; the same again changes nothing, so that a look at it stays good."""
    if _shows(desk, by, words):
        return
    if desk.mode == Mode.HALT:
        words = halts.joined(desk.mode_reason, desk.mode_changed_by, by=by, words=words)
    _write_mode(Mode.HALT, by, words)


def refuse_if_halted() -> None:
    """Hold the mode as it is for the caller's transaction; raise HaltedError when it is HALT."""
    share_mode()
    reason = Desk.objects.filter(pk=1, mode=Mode.HALT).values_list("mode_reason", flat=True).first()
    if reason is not None:
        raise HaltedError(
            "the desk is halted: %(reason)s", reason=reason or Sentence("no reason given")
        )


def halt_away_from_home() -> bool:
    """Halt a restored desk that was refused an intent, and tell people.

    False where the server had only broken off, as this host has seen: it takes intents again.
    """
    is_away = not homing.vouch()
    if is_away:
        in_transaction(_halt_away)
    return is_away


def look_home() -> None:
    """Halt a desk that lacks what this host has seen in its journal; else keep what is seen now.

    Before a process drives anything, and again and again: a copy of its files may know nothing of what was sent,
    and take itself for what it was made from. A server that only broke off is at home again by this.
    """
    if homing.has_forgotten():
        in_transaction(lambda: _halt_away(leaves=True))
    elif homing.vouch():
        homing.witness()


def _halt_away(*, leaves: bool = False) -> None:
    """Halt, and tell; who `leaves` takes no intent from here on, whatever the database knows of itself."""
    own_mode()
    _halt(current(), SYSTEM, homing.AWAY)
    homing.tell_away()
    if leaves:
        homing.leave()


def _write_mode(mode: Mode, by: str, reason: str) -> None:
    """Write the mode; the caller owns it."""
    Desk.objects.filter(pk=1).update(
        mode=mode,
        mode_reason=reason,
        mode_changed_by=by,
        mode_changed_at=Now(),
        version=F("version") + 1,
    )


def pause(scope: PauseScope, key: str, *, actor: Actor, reason: str) -> Pause:
    """Stop new beginnings on a venue, an asset or a route, in any spelling of its name.

    Raises InvalidInputError where the desk knows no such thing.
    """
    if not key.strip():
        raise InvalidInputError("say what to pause: a venue, an asset, or ASSET:from>to")
    key = spelled(scope, key, venues=registry.desk_venues(), assets=known_assets())

    def work() -> Pause:
        own_mode()
        intervene(
            Verb.PAUSE, actor=actor, reason=reason, payload={"scope": scope.value, "key": key}
        )
        made, new = Pause.objects.get_or_create(
            scope=scope, key=key, defaults={"reason": reason, "created_by": actor.user}
        )
        if not new:
            raise NotAllowedNowError(
                "%(scope)s %(key)s is paused already", scope=word(scope), key=key
            )
        return made

    return in_transaction(work)


def known_assets() -> frozenset[str]:
    """Give the assets that may ever travel: those of the policy, and those that a venue or a route names."""
    newest = PolicyVersion.objects.order_by("-number").first()
    return reference.known_assets().union(newest.allowed_assets if newest else ())


def pause_by_system(scope: PauseScope, key: str, *, reason: str) -> Pause:
    """Stop new beginnings somewhere until a person lifts it; gives the pause that stands."""
    already = Pause.objects.filter(scope=scope, key=key).first()
    if already is not None:
        return already  # no need to hold up every intent for it
    system = Actor(user=None, channel=Channel.SYSTEM)

    def work() -> Pause:
        own_mode()
        stands, is_new = Pause.objects.get_or_create(
            scope=scope, key=key, defaults={"reason": reason}
        )
        if is_new:
            payload = {"scope": scope.value, "key": key}
            intervene(Verb.PAUSE, actor=system, reason=reason, payload=payload)
        return stands

    return in_transaction(work)


def unpause(pause_id: int, *, actor: Actor, reason: str) -> None:
    """Let new cycles begin there again."""

    def work() -> None:
        own_mode()
        row = Pause.objects.filter(pk=pause_id).first()
        if row is None:
            raise NotFoundError("that pause has been lifted already")
        payload = {"scope": row.scope, "key": row.key}
        intervene(Verb.UNPAUSE, actor=actor, reason=reason, payload=payload)
        row.delete()

    in_transaction(work)


def paused_assets(
    from_venue: str, to_venue: str, *, of: frozenset[str] = frozenset()
) -> frozenset[str]:
    """Give the assets that may not begin to travel, by a pause or for want of an allowed network.

    A paused venue pauses every asset.

    `of`: what an older version of the policy allows besides.
    """
    paused: set[str] = set()
    for row in Pause.objects.all():
        if row.scope == PauseScope.VENUE and row.key in {from_venue, to_venue}:
            paused |= {*current_policy().allowed_assets, *of}
        if row.scope == PauseScope.ASSET:
            paused.add(row.key)
        if row.scope == PauseScope.ROUTE and row.key.endswith(f":{from_venue}>{to_venue}"):
            paused.add(row.key.partition(":")[0])
    return frozenset(paused) | _without_allowed_network(from_venue, to_venue)


def _without_allowed_network(from_venue: str, to_venue: str) -> frozenset[str]:
    """Give the assets that would travel on a network that the policy in force does not allow."""
    allowed = current_policy().allowed_networks
    if not allowed:
        return frozenset()
    routes = TransferRoute.objects.filter(
        from_venue=from_venue, to_venue=to_venue, is_allowed=True
    ).order_by("-expected_seconds", "-pk")
    networks = dict(routes.values_list("asset", "network"))  # the quickest comes last, and stays
    return frozenset(asset for asset, network in networks.items() if network not in allowed)


def current_policy() -> PolicyVersion:
    """Give the policy in force: the newest version."""
    policy = PolicyVersion.objects.order_by("-number").first()
    if policy is None:
        raise NotFoundError("there is no policy yet: run `manage.py seed_desk`")
    return policy


def set_policy(
    changes: Mapping[str, object], *, actor: Actor, reason: str, seen_number: int
) -> PolicyVersion:
    """Write a new version of the policy with `changes`; open cycles keep theirs.

    Raises InvalidInputError that names each wrong field, StaleVersionError if another version
    came in between.
    """

    def work() -> PolicyVersion:
        own_mode()
        old = current_policy()
        if old.number != seen_number:
            raise StaleVersionError(seen=seen_number, found=old.number, what="the policy")
        new = _next_version(old, changes, actor.name, reason)
        intervene(Verb.SET_POLICY, actor=actor, reason=reason, payload=_differences(old, new))
        new.save(force_insert=True)
        return new

    return in_transaction(work)


def _next_version(
    old: PolicyVersion, changes: Mapping[str, object], by: str, reason: str
) -> PolicyVersion:
    """Make and check the next version."""
    fields = PolicyVersion._meta.concrete_fields  # noqa: SLF001  Django's documented API
    columns = {field.name for field in fields} - FIXED_COLUMNS
    unknown = sorted(set(changes) - columns)
    if unknown:
        raise InvalidInputError("the policy has no %(names)s", names=", ".join(unknown))
    values = {name: getattr(old, name) for name in columns} | dict(changes)
    new = PolicyVersion(**values, number=old.number + 1, created_by=by, reason=reason)
    try:
        new.clean_fields()
        demand_sane(new, may_allow=reference.known_assets().union(old.allowed_assets))
        new.full_clean()
    except ValidationError as error:
        wrong = {name: [_said(one) for one in ones] for name, ones in error.error_dict.items()}
        told = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in wrong.items())
        raise InvalidInputError(told, wrong) from error
    return new


def _said(wrong: ValidationError) -> str:
    """Give one thing that is wrong with a field: a sentence of ours, or Django's own words."""
    if isinstance(wrong.message, str):
        return Sentence(wrong.message, **(wrong.params or {}))
    return " ".join(wrong.messages)


def _differences(old: PolicyVersion, new: PolicyVersion) -> dict[str, object]:
    """Give what a version changes, for the audit."""
    before, after = model_to_dict(old), model_to_dict(new)
    changed = {k for k in after if before[k] != after[k]} - FIXED_COLUMNS
    return {key: {"from": str(before[key]), "to": str(after[key])} for key in sorted(changed)}


def limits(policy: PolicyVersion) -> Limits:
    """Give the policy as the pure decisions want it."""
    return Limits(
        rule=policy.opening_rule,
        sizing=policy.sizing,
        notional_usdt=policy.notional_usdt,
        percentage=policy.percentage,
        max_open=policy.max_open_cycles,
        max_open_per_asset=policy.max_open_cycles_per_asset,
        max_exposure_usdt=policy.max_exposure_usdt,
        max_exposure_per_asset_usdt=policy.max_exposure_per_asset_usdt,
        allowed_assets=frozenset(policy.allowed_assets),
        min_open_edge_bps=policy.min_open_edge_bps,
        min_rebalance_edge_bps=policy.min_rebalance_edge_bps,
        band_open_premium_bps=policy.band_open_premium_bps,
        daily_loss_limit_usdt=policy.daily_loss_limit_usdt,
    )
