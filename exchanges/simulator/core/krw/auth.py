"""Authentication of the Korean venues, as strict as they are: JWT, key, nonce and query hash."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import refuse
from exchanges.simulator.core.values import Request
from exchanges.simulator.core.world import Key, World

_HASHES = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}
NONCES_KEPT = 200_000
VIEWS = {
    "/v1/accounts": "assets",
    "/v1/order": "orders",
    "/v2/order": "orders",
    "/v1/withdraw": "withdrawals",
    "/v1/deposit": "deposits",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """Which tokens a venue takes. `life_ms` None: its tokens carry no time."""

    algorithms: frozenset[str]
    life_ms: int | None = None


@dataclass(slots=True)
class Nonces:
    """Nonces seen by key; at least the last 200,000 are remembered."""

    fresh: set[tuple[str, str]] = field(default_factory=set)
    old: set[tuple[str, str]] = field(default_factory=set)

    def take(self, access: str, nonce: str) -> bool:
        """Note a nonce; False if it was used before."""
        item = (access, nonce)
        if item in self.fresh or item in self.old:
            return False
        if len(self.fresh) >= NONCES_KEPT:
            self.fresh, self.old = set(), self.fresh
        self.fresh.add(item)
        return True


def authenticate(
    world: World, nonces: Nonces, request: Request, params: Params, rules: TokenRules
) -> Key:
    """Check the token and return the key, or refuse with the venue's error."""
    token = request.headers.get("authorization", "")
    if not token.startswith("Bearer "):
        raise refuse("no_authorization_token")
    parts = token[7:].split(".")
    claims = _json_part(parts[1]) if len(parts) == 3 else None
    header = _header(parts[0])
    if claims is None or header is None:
        raise refuse("jwt_verification")
    key = world.keys.get(str(claims.get("access_key")))
    if key is None or key.venue != params.venue:
        raise refuse("invalid_access_key")
    _check_signature(header, parts, key, rules)
    _check_key(key, request, world.wall_ms)
    _check_age(claims, world.venue_ms(params.venue), rules)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not nonce or not nonces.take(key.access, nonce):
        raise refuse("nonce_used")
    _check_query_hash(claims, params)
    return key


def _check_signature(
    header: Mapping[str, object], parts: list[str], key: Key, rules: TokenRules
) -> None:
    name = str(header.get("alg"))
    if name not in rules.algorithms:
        raise refuse("jwt_verification")
    algorithm = _HASHES[name]
    signed = f"{parts[0]}.{parts[1]}".encode()
    expected = hmac.new(key.secret.encode(), signed, algorithm).digest()
    if not hmac.compare_digest(expected, _decoded(parts[2]) or b""):
        raise refuse("jwt_verification")


def demand_scope(key: Key, permission: str, path: str) -> None:
    """Refuse what the key may not do, or not look at: views are granted one by one."""
    seen = next((view for stem, view in VIEWS.items() if path.startswith(stem)), "")
    if permission not in key.permissions or (permission == "read" and seen in key.withheld):
        raise refuse("out_of_scope")


def _check_key(key: Key, request: Request, wall_ms: int) -> None:
    if key.has_ended(wall_ms):
        raise refuse("expired_access_key")
    if key.addresses and request.remote not in key.addresses:
        raise refuse("no_authorization_ip")


def _check_age(claims: Mapping[str, object], now_ms: int, rules: TokenRules) -> None:
    if rules.life_ms is None:
        return
    stamp = claims.get("timestamp")
    if not isinstance(stamp, int) or isinstance(stamp, bool):
        raise refuse("jwt_verification")
    if abs(now_ms - stamp) > rules.life_ms:
        raise refuse("expired_jwt")


def _check_query_hash(claims: Mapping[str, object], params: Params) -> None:
    if not params.values:
        return
    claimed = claims.get("query_hash")
    if claims.get("query_hash_alg") != "SHA512" or not isinstance(claimed, str):
        raise refuse("invalid_query_payload")
    if not any(claimed == hashlib.sha512(text.encode()).hexdigest() for text in params.hashed):
        raise refuse("invalid_query_payload")


@lru_cache(maxsize=64)
def _header(part: str) -> Mapping[str, object] | None:
    return _json_part(part)


def _decoded(part: str) -> bytes | None:
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # Base64 leaves bits unused in the last character; only the canonical spelling counts.
    canonical = base64.urlsafe_b64encode(decoded).rstrip(b"=")
    return decoded if canonical == part.encode() else None


def _json_part(part: str) -> Mapping[str, object] | None:
    decoded = _decoded(part)
    if decoded is None:
        return None
    try:
        value = json.loads(decoded)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
