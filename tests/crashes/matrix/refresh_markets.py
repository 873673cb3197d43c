"""What `refresh_markets` has to do when it is killed: one of each kind of thing that a venue may tell anew."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import F, Max, QuerySet
from django.db.models.functions import Now

from cycles.models import Alert
from exchanges.models import AssetIdentity, NetworkRule, RegisteredAddress, RuleChange
from tests import builders
from tests.crashes.matrix.chore import Chore
from tests.crashes.matrix.world import Point

VENUE = "binance"  # the first that is asked: each place is first reached with work to do
PLACE = {"venue": VENUE, "asset": "ETH", "network": "ETH"}  # where no cycle sends anything
CONTRADICTED = {"venue": VENUE, "venue_symbol": "USDT", "venue_network": "TRX"}
UNDECIDED = {"venue": VENUE, "venue_symbol": "BTC", "venue_network": "BTC"}


@dataclass(frozen=True, slots=True)
class Before:
    """How things stood: the fee as its venue asks it, the newest change, and what is about to end."""

    fee: Decimal
    newest: int
    address: str
    version: int


class RefreshMarkets(Chore):
    """A venue names another address than two people confirmed, and another contract than was proven.

    It asks another fee than we know of, and nobody has decided on one of its names, which facts prove.
    """

    must: ClassVar = {"rule_sync.keep_networks": 2, "rule_sync.keep_markets": 2}
    seams = frozenset({
        "address_sync.keep_addresses", "address_sync.keep_addresses#2", "address_sync.keep_allowances",
        "identity_sync._end_contradicted", "identity_sync.keep_listings", "rule_sync.keep_networks",
    })  # fmt: skip
    calls_venues = True
    only_reads_on_the_wire = True

    def make(self, number: int) -> Before:
        fee = self._rule().withdraw_fee
        NetworkRule.objects.filter(pk=self._rule().pk).update(withdraw_fee=F("withdraw_fee") + 1)
        _undecided().update(state="UNPROVEN", decided_by="", because="", version=F("version") + 1)
        return Before(
            fee=fee,
            newest=RuleChange.objects.aggregate(newest=Max("id"))["newest"] or 0,
            address=self._confirmed(number).code,
            version=self._contradicted().version,
        )

    def _rule(self) -> NetworkRule:
        return NetworkRule.objects.filter(venue="upbit", asset="XRP").order_by("network")[0]

    def _confirmed(self, number: int) -> RegisteredAddress:
        """Let two people have confirmed an address that the venue names no more."""
        live = RegisteredAddress.objects.filter(**PLACE).exclude(state="RETIRED")
        live.update(state="RETIRED", retired_at=Now(), version=F("version") + 1)
        return builders.confirmed_address("upbit", **PLACE, address=f"0x{number:040x}")

    def _contradicted(self) -> AssetIdentity:
        """Let a name have been proven before its venue tells another contract."""
        told = {"asset": "USDT", "network": "TRX", "contract": "TAnother"}
        self.matrix.desk.control("/control/listing", {"venue": VENUE, **told})
        self.clear(None)
        return AssetIdentity.objects.get(**CONTRADICTED)

    def clear(self, work: Before | None) -> None:
        """Let people have proven the name again: nothing of ours is nameless."""
        contradicted = AssetIdentity.objects.filter(**CONTRADICTED)
        contradicted.update(state="PROVEN", told_contract=F("contract"), version=F("version") + 1)

    def found(self, work: Before, point: Point | None = None) -> Any:
        told = RuleChange.objects.filter(id__gt=work.newest)
        ended = AssetIdentity.objects.get(**CONTRADICTED)
        return {
            "fee": self._rule().withdraw_fee == work.fee,
            "changes": sorted(told.values_list("venue", "rule")),
            "address": RegisteredAddress.objects.get(code=work.address).state,
            "addresses": list(
                RegisteredAddress.objects.filter(**PLACE)
                .exclude(state="RETIRED")
                .values_list("state")
            ),
            "address is told": _is_told(f"address:{work.address}:changed"),
            "contradicted": ended.state,
            "contradiction is told": _is_told(f"identity:{ended.pk}:{work.version + 1}"),
            "by facts": list(_undecided().values_list("state", "decided_by")),
        }


def _undecided() -> QuerySet[AssetIdentity]:
    return AssetIdentity.objects.filter(**UNDECIDED)


def _is_told(key: str) -> int:
    """Count the critical alerts of a key."""
    return Alert.objects.filter(key=key, severity="CRITICAL").count()
