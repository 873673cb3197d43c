"""Deposit addresses that look like the networks' own, made from the seed."""

from __future__ import annotations

import hashlib

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "023456789acdefghjklmnpqrstuvwxyz"
_HEX = "0123456789abcdef"
# network: (prefix, alphabet, length after the prefix)
_SHAPES = {
    "XRP": ("r", _BASE58, 33),
    "SOL": ("", _BASE58, 44),
    "ETH": ("0x", _HEX, 40),
    "BTC": ("bc1q", _BECH32, 38),
    "DOGE": ("D", _BASE58, 33),
    "TRX": ("T", _BASE58, 33),
}


def deposit_address(seed: int, venue: str, asset: str, network: str) -> str:
    """Return the venue's address for the asset on the network."""
    prefix, alphabet, length = _SHAPES[network]
    digest = hashlib.sha512(f"address:{seed}:{venue}:{asset}:{network}".encode()).digest()
    return prefix + "".join(alphabet[byte % len(alphabet)] for byte in digest[:length])


def deposit_tag(seed: int, venue: str, asset: str) -> str:
    """Return the account's destination tag at the venue."""
    digest = hashlib.sha256(f"tag:{seed}:{venue}:{asset}".encode()).digest()
    return str(100_000_000 + int.from_bytes(digest[:4], "big") % 900_000_000)


def transaction_id(network: str, bits: int) -> str:
    """Spell 256 random bits as the network spells transaction ids."""
    text = f"{bits:064x}"
    if network == "XRP":
        return text.upper()
    return f"0x{text}" if network == "ETH" else text


def api_key(seed: int, venue: str, part: str) -> str:
    """Return a key or secret of the simulated account; worthless outside the simulator."""
    return hashlib.sha256(f"key:{seed}:{venue}:{part}".encode()).hexdigest()
