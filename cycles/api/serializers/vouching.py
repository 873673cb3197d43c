"""What the API shows of the address book and of the registry of assets, and what it is told of them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from cycles.api.fields import InstantField, Row
from cycles.api.serializers.bodies import ReasonBody
from cycles.services.addressing import NEEDED, TYPED
from exchanges.identity.known import CHAINS
from exchanges.models import AddressState, AssetIdentity, IdentityState, RegisteredAddress


class AddressSerializer(serializers.Serializer[Any]):
    """One deposit address of ours. Both ends of it, but for a session of those who may confirm it."""

    code = serializers.CharField()
    venue = serializers.CharField()
    asset = serializers.CharField()
    network = serializers.CharField()
    address = serializers.SerializerMethodField()
    memo = serializers.SerializerMethodField()
    is_whole = serializers.SerializerMethodField(help_text="whether the address is shown whole")
    state = serializers.ChoiceField(choices=AddressState.choices)
    version = serializers.IntegerField()
    confirmed_by = serializers.SerializerMethodField()
    confirmations_needed = serializers.SerializerMethodField()
    allowed_by = serializers.SerializerMethodField(
        help_text="venues whose own allow-list has the address"
    )
    proposed_at = InstantField()
    confirmed_at = InstantField(allow_null=True)
    retired_at = InstantField(allow_null=True)
    retired_because = serializers.CharField()
    fetched_at = InstantField()

    def get_address(self, row: RegisteredAddress) -> str:
        """Give the address as far as it may be shown."""
        return row.address if self.context.get("is_whole") else row.masked

    def get_memo(self, row: RegisteredAddress) -> str:
        """Give the memo as far as it may be shown."""
        return row.memo if self.context.get("is_whole") or not row.memo else "•••"

    def get_is_whole(self, row: RegisteredAddress) -> bool:
        """Say whether it is shown whole."""
        return bool(self.context.get("is_whole"))

    def get_confirmed_by(self, row: Any) -> list[str]:
        """Name the people who have confirmed it."""
        return [one.user.get_username() for one in row.confirmations.all()]

    def get_confirmations_needed(self, row: RegisteredAddress) -> int:
        """Say how many different people it takes."""
        return NEEDED

    def get_allowed_by(self, row: Any) -> list[str]:
        """Name the venues that let us send there."""
        return sorted(one.sender for one in row.allowances.all())


class IdentitySerializer(Row):
    """What a venue's symbol is on one of its networks. `told_contract` null: the venue tells none."""

    state = serializers.ChoiceField(choices=IdentityState.choices)

    class Meta:
        model = AssetIdentity
        exclude = ("id",)
        read_only_fields = (
            "venue",
            "venue_symbol",
            "venue_network",
        )


class ConfirmAddressBody(ReasonBody):
    """What the person read off the venue's own page."""

    ends_with = serializers.CharField(
        min_length=TYPED, max_length=128, help_text="how the address ends there"
    )
    memo = serializers.CharField(
        max_length=64, default="", allow_blank=True, help_text="the memo there, whole"
    )


class ProveAssetBody(ReasonBody):
    """What the name is, by our codes; an empty contract: the chain's own coin."""

    asset = serializers.CharField(max_length=12)
    network = serializers.ChoiceField(choices=sorted(CHAINS.items()))
    contract = serializers.CharField(max_length=128, default="", allow_blank=True)
    decimals = serializers.IntegerField(min_value=0, max_value=36)
