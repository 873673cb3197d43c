"""What one of a venue's names is tied to, and how far that is proven."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """Whether a venue's name is tied to one asset; see models.IdentityState."""

    PROVEN = "PROVEN"
    UNPROVEN = "UNPROVEN"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """A venue's name and the asset and chain, by our codes, that it stands for; empty: for none."""

    symbol: str
    venue_network: str
    asset: str
    network: str
    standing: Standing


def spelled_contract(text: str) -> str:
    """Spell a contract one way: hexadecimal ones may come in either case."""
    found = text.strip()
    return found.lower() if found[:2].lower() == "0x" else found
