"""Reference data: rules and routes, the registry of assets, the address book."""

from __future__ import annotations

from exchanges.models.addresses import AddressState, AllowedDestination, RegisteredAddress
from exchanges.models.answers import KeptAnswer
from exchanges.models.identities import AssetIdentity, IdentityState
from exchanges.models.markets import MarketRule, NetworkRule, RuleChange, TransferRoute
from exchanges.shared import RateWindow, VenueClock

__all__ = [
    "AddressState",
    "AllowedDestination",
    "AssetIdentity",
    "IdentityState",
    "KeptAnswer",
    "MarketRule",
    "NetworkRule",
    "RateWindow",
    "RegisteredAddress",
    "RuleChange",
    "TransferRoute",
    "VenueClock",
]
