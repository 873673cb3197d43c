"""The address book's people: two of them confirm an address, one retires it.

Each confirmation is an intervention of its own, on the version that was seen, by somebody who typed the
end of the address from the venue's own page. The database checks all of it once more, but for how long a
person has been known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from cycles import selectors
from cycles.domain.words import DeskKind, Verb
from cycles.errors import InvalidInputError, NotAllowedNowError, NotFoundError, StaleVersionError
from cycles.models import AddressConfirmation, Desk, Intervention
from cycles.services.intervening import PERMISSIONS, Actor, intervene
from cycles.services.locking import in_transaction, locked
from exchanges.models import AddressState, RegisteredAddress
from exchanges.sentences import Sentence

NEEDED = 2  # people
TYPED = 6  # characters of the address's end
KNOWN_FOR = timedelta(hours=24)  # an account, before its person confirms on a live desk
STAND_INS = ("simulation-first", "simulation-second")  # the database knows them by these names


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What a person read off the venue's own page: the address's end, and the memo if there is one."""

    ends_with: str
    memo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPreview:
    """What a verb would do to an address now; `why_not` empty: nothing speaks against it."""

    verb: Verb
    address: RegisteredAddress
    confirmed_by: tuple[str, ...]
    why_not: str
    state_after: str
    effects: tuple[str, ...]
    will_not: tuple[str, ...]

    @property
    def subject(self) -> RegisteredAddress:
        """Give what it is about."""
        return self.address


def may_see(user: User) -> bool:
    """Say whether a person may see whole addresses: those who may confirm them."""
    return user.is_active and user.has_perm(PERMISSIONS[Verb.CONFIRM_ADDRESS])


def confirm(
    code: str, *, actor: Actor, reason: str, seen_version: int, typed: Typed
) -> Intervention:
    """Confirm an address as one of two people; with the second it may be sent to.

    Raises StaleVersionError if it changed since it was read, NotAllowedNowError if it waits for nobody or
    this person has confirmed it already or is too new, InvalidInputError if what was typed is not its end.
    """

    def work() -> Intervention:
        row = _lock(code, seen_version)
        made = intervene(
            Verb.CONFIRM_ADDRESS,
            actor=actor,
            reason=reason,
            seen_version=seen_version,
            payload=_payload(row),
        )
        objection = _objection(Verb.CONFIRM_ADDRESS, row, actor.user)
        if objection or actor.user is None:
            raise NotAllowedNowError(objection or "an address is confirmed by a person")
        _demand_typed(row, typed)
        _confirm(row, actor.user, made)
        return made

    return in_transaction(work)


def _lock(code: str, seen_version: int) -> RegisteredAddress:
    """Lock an address and make sure that it is as it was seen."""
    row = locked(RegisteredAddress.objects.filter(code=code.upper())).first()
    if row is None:
        raise NotFoundError("there is no address %(code)s", code=code)
    if row.version != seen_version:
        raise StaleVersionError(seen=seen_version, found=row.version, what=row.code)
    return row


def _payload(row: RegisteredAddress) -> dict[str, str]:
    """Give what the intervention keeps: which address, but not the address."""
    return {
        "address": row.code,
        "venue": row.venue,
        "asset": row.asset,
        "network": row.network,
        "fingerprint": row.destination.fingerprint,
    }


def _demand_typed(row: RegisteredAddress, typed: Typed) -> None:
    """Make sure that the person has compared: a proposal that is not the venue's own must not pass."""
    end, memo = typed.ends_with.strip(), typed.memo.strip()
    if len(end) < TYPED:
        raise InvalidInputError(
            "type the last %(n)s characters of the address, or more of it", n=TYPED
        )
    if not row.address.endswith(end) or memo != row.memo:
        raise InvalidInputError(
            "%(code)s does not end so, or has another memo: if the venue's own page does, somebody "
            "has changed the answer on its way; retire it and look into it",
            code=row.code,
        )


def _confirm(row: RegisteredAddress, user: User, made: Intervention) -> None:
    """Write one confirmation; the second one makes the address CONFIRMED."""
    AddressConfirmation.objects.create(
        address=row,
        user=user,
        intervention=made,
        seen_version=row.version,
        fingerprint=row.destination.fingerprint,
        is_simulated=user.get_username() in STAND_INS,
        at=Now(),
    )
    by_all = AddressConfirmation.objects.filter(address=row).count() >= NEEDED
    state = {"state": AddressState.CONFIRMED, "confirmed_at": Now()} if by_all else {}
    RegisteredAddress.objects.filter(pk=row.pk).update(version=F("version") + 1, **state)


def retire(code: str, *, actor: Actor, reason: str, seen_version: int) -> Intervention:
    """End an address: nothing is sent there any more. The venue's next answer is a new proposal."""

    def work() -> Intervention:
        row = _lock(code, seen_version)
        made = intervene(
            Verb.RETIRE_ADDRESS,
            actor=actor,
            reason=reason,
            seen_version=seen_version,
            payload=_payload(row),
        )
        objection = _objection(Verb.RETIRE_ADDRESS, row, actor.user)
        if objection:
            raise NotAllowedNowError(objection)
        RegisteredAddress.objects.filter(pk=row.pk).update(
            state=AddressState.RETIRED,
            retired_at=Now(),
            retired_because=f"{actor.name}: {made.reason}"[:200],
            version=F("version") + 1,
        )
        return made

    return in_transaction(work)


def _objection(verb: Verb, row: RegisteredAddress, user: User | None) -> str:
    """Say what speaks against a verb, or nothing."""
    if row.state == AddressState.RETIRED:
        return Sentence("%(code)s is retired for ever", code=row.code)
    if verb is Verb.RETIRE_ADDRESS:
        return ""
    if row.state == AddressState.CONFIRMED:
        return Sentence("%(code)s is confirmed already", code=row.code)
    return _objection_to(row, user) if user is not None else ""


def _objection_to(row: RegisteredAddress, user: User) -> str:
    """Say what speaks against this person as one of the two."""
    if AddressConfirmation.objects.filter(address=row, user=user).exists():
        return Sentence(
            "you have confirmed %(code)s already: the other one is another person", code=row.code
        )
    is_live = Desk.objects.filter(kind=DeskKind.LIVE).exists()
    if is_live and User.objects.filter(pk=user.pk, date_joined__gt=Now() - KNOWN_FOR).exists():
        return Sentence(
            "your account is less than %(hours)s hours old: on a live desk an address is confirmed by "
            "people whom the others had time to notice",
            hours=KNOWN_FOR // timedelta(hours=1),
        )
    return ""


def preview(verb: Verb, code: str, user: User | None) -> AddressPreview:
    """Say what a verb would do to an address; changes nothing."""
    row = selectors.address_by_code(code)
    names = tuple(one.user.get_username() for one in row.confirmations.all())
    state_after, effects, will_not = TEXTS[verb](row, len(names))
    return AddressPreview(
        verb=verb,
        address=row,
        confirmed_by=names,
        why_not=_objection(verb, row, user),
        state_after=state_after,
        effects=effects,
        will_not=will_not,
    )


Texts = tuple[str, tuple[str, ...], tuple[str, ...]]


def _confirm_texts(row: RegisteredAddress, confirmed: int) -> Texts:
    if confirmed + 1 < NEEDED:
        after, effect = AddressState.PROPOSED, _("One more person has to confirm it.")
    else:
        after, effect = (
            AddressState.CONFIRMED,
            _("From now on %(what)s may be sent there.") % {"what": row.asset},
        )
    return after, (effect,), (_("It sends nothing, and no venue is asked."),)


def _retire_texts(row: RegisteredAddress, confirmed: int) -> Texts:
    return (
        AddressState.RETIRED,
        (
            _("From now on nothing is sent there."),
            _("The venue's next answer is a new proposal, for two people to confirm."),
        ),
        (_("What is on its way there arrives all the same."),),
    )


TEXTS = {Verb.CONFIRM_ADDRESS: _confirm_texts, Verb.RETIRE_ADDRESS: _retire_texts}
