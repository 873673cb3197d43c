"""The registry of assets' people: one proves what a venue's name is, or blocks it.

Shipped facts prove what they can by themselves (exchanges.identity); what venues change ends a proof at
once, and only here it begins again. The database keeps one coin behind one asset over all venues.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _, gettext_noop

from cycles.domain.words import Verb
from cycles.errors import InvalidInputError, NotAllowedNowError, StaleVersionError
from cycles.models import Intervention
from cycles.services.intervening import Actor, intervene
from cycles.services.locking import in_transaction, locked
from exchanges import naming
from exchanges.identity.known import CHAINS
from exchanges.identity.listed import spelled_contract
from exchanges.models import AssetIdentity, IdentityState
from exchanges.sentences import Sentence

LONGEST_CODE = 12  # of an asset, as the ledger keeps it


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """What a name is, as the person who proves it states: asset and chain by our codes.

    An empty contract: the chain's own coin.
    """

    asset: str
    network: str
    contract: str
    decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityPreview:
    """What a verb would do to a name now; `why_not` empty: nothing speaks against it."""

    verb: Verb
    identity: AssetIdentity
    why_not: str
    state_after: str
    effects: tuple[str, ...]
    will_not: tuple[str, ...]

    @property
    def subject(self) -> AssetIdentity:
        """Give what it is about."""
        return self.identity


def prove(
    identity: AssetIdentity, *, actor: Actor, reason: str, seen_version: int, coin: Coin
) -> Intervention:
    """State what a venue's name is: from now on it may be traded and sent.

    Raises NotAllowedNowError where the same asset is proven to be another coin elsewhere, or the venue
    itself tells another contract.
    """

    def work() -> Intervention:
        row = _lock(identity, seen_version)
        made = _intervene(Verb.PROVE_ASSET, row, actor, reason, _stated(coin))
        objection = _objection(Verb.PROVE_ASSET, row)
        if objection:
            raise NotAllowedNowError(objection)
        _write_proof(row, coin, actor, made.reason)
        return made

    made = in_transaction(work)
    naming.forget()
    return made


def _lock(identity: AssetIdentity, seen_version: int) -> AssetIdentity:
    """Lock a name and make sure that it is as it was seen."""
    row = locked(AssetIdentity.objects.filter(pk=identity.pk)).get()
    if row.version != seen_version:
        raise StaleVersionError(seen=seen_version, found=row.version, what=str(row))
    return row


def _intervene(
    verb: Verb, row: AssetIdentity, actor: Actor, reason: str, stated: dict[str, str]
) -> Intervention:
    """Write who decides on a name, and why."""
    name = {"venue": row.venue, "symbol": row.venue_symbol, "network": row.venue_network}
    return intervene(
        verb,
        actor=actor,
        reason=reason,
        seen_version=row.version,
        payload={"name": name, "from": row.state, **stated},
    )


def _stated(coin: Coin) -> dict[str, str]:
    return {
        "asset": coin.asset,
        "chain": coin.network,
        "contract": coin.contract,
        "decimals": str(coin.decimals),
    }


def _write_proof(row: AssetIdentity, coin: Coin, actor: Actor, reason: str) -> None:
    """Write the proof; what contradicts another proof, or the venue, is refused by the database."""
    if not coin.asset.isalnum() or len(coin.asset) > LONGEST_CODE:
        raise InvalidInputError("%(text)r is no code of an asset", text=coin.asset)
    if coin.network not in CHAINS:
        raise InvalidInputError(
            "%(text)r is no chain: %(known)s", text=coin.network, known=", ".join(CHAINS)
        )
    try:
        with transaction.atomic():
            AssetIdentity.objects.filter(pk=row.pk).update(
                asset=coin.asset,
                network=coin.network,
                contract=spelled_contract(coin.contract),
                decimals=coin.decimals,
                state=IdentityState.PROVEN,
                decided_by=actor.name,
                because=reason[:400],
                decided_at=Now(),
                version=F("version") + 1,
            )
    except IntegrityError as error:
        raise NotAllowedNowError(_contradiction(row, coin, error)) from error


CONTRADICTIONS = {
    "asset_identity_contract_as_told": gettext_noop("the venue itself tells another contract"),
    "asset_identity_one_coin": gettext_noop(
        "%(asset)s on %(network)s is another coin elsewhere: one ticker, two coins"
    ),
    "asset_identity_one_asset": gettext_noop("that coin is proven to be another asset elsewhere"),
    "asset_identity_one_meaning": gettext_noop(
        "that symbol is another asset on another network there"
    ),
    "asset_identity_one_symbol": gettext_noop("%(asset)s has another symbol there"),
    "asset_identity_one_name": gettext_noop("%(asset)s on %(network)s has another name there"),
}


def _contradiction(row: AssetIdentity, coin: Coin, error: IntegrityError) -> Sentence:
    """Say in words what the database objects to."""
    guard = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    told = CONTRADICTIONS.get(guard, gettext_noop("it contradicts another proof"))
    why = Sentence(told, asset=coin.asset, network=coin.network)
    return Sentence("%(name)s cannot be proven so: %(why)s", name=_named(row), why=why)


def block(identity: AssetIdentity, *, actor: Actor, reason: str, seen_version: int) -> Intervention:
    """Stop everything under a venue's name, sales too, until somebody proves it anew."""

    def work() -> Intervention:
        row = _lock(identity, seen_version)
        made = _intervene(Verb.BLOCK_ASSET, row, actor, reason, {})
        objection = _objection(Verb.BLOCK_ASSET, row)
        if objection:
            raise NotAllowedNowError(objection)
        AssetIdentity.objects.filter(pk=row.pk).update(
            state=IdentityState.BLOCKED,
            decided_by=actor.name,
            because=made.reason[:400],
            decided_at=Now(),
            version=F("version") + 1,
        )
        return made

    made = in_transaction(work)
    naming.forget()
    return made


def _named(row: AssetIdentity) -> Sentence:
    """Give what a row is called, for a sentence."""
    return Sentence(
        "%(asset)s on %(network)s at %(venue)s",
        asset=row.venue_symbol,
        network=row.venue_network,
        venue=row.venue,
    )


def _objection(verb: Verb, row: AssetIdentity) -> str:
    """Say what speaks against a verb, or nothing."""
    if verb is Verb.PROVE_ASSET and row.state == IdentityState.PROVEN:
        return Sentence("%(name)s is proven already: block it first", name=_named(row))
    if verb is Verb.BLOCK_ASSET and row.state == IdentityState.BLOCKED:
        return Sentence("%(name)s is blocked already", name=_named(row))
    return ""


def preview(verb: Verb, identity: AssetIdentity) -> IdentityPreview:
    """Say what a verb would do to a name; changes nothing."""
    proving = verb is Verb.PROVE_ASSET
    effects = (
        (_("From now on it may be traded there and sent on this network."),)
        if proving
        else (
            _("From now on nothing is bought, sent or sold under that symbol there."),
            _("Cycles that hold it there become dead letters."),
        )
    )
    will_not = _("It opens nothing.") if proving else _("What is on its way arrives all the same.")
    return IdentityPreview(
        verb=verb,
        identity=identity,
        why_not=_objection(verb, identity),
        state_after=IdentityState.PROVEN if proving else IdentityState.BLOCKED,
        effects=effects,
        will_not=(will_not,),
    )
