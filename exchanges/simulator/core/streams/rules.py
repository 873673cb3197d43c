"""F35, what goes wrong on a WebSocket: the kinds, and the rule each of them makes.

`POST /control/faults {"fault": "F35", "action": KIND, "venue": ..., "path_regex": ...}`: the pattern
is matched with a channel's name (`xrpusdt@depth@100ms`, `orderbook:KRW-XRP`, `myOrder`,
`executionReport`, `ping`, ...), of a kind that concerns whole connections with their path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STREAM = "stream"
FAULT = "F35"

STALL = "stall"
LOSE = "lose"
GAP = "gap"
DUPLICATE = "duplicate"
REORDER = "reorder"
DISCONNECT = "disconnect"
EXPIRE = "expire"
SHUTDOWN = "shutdown"
ERROR_FRAME = "error_frame"
REJECT_AUTH = "reject_auth"
EARLY_EVENT = "early_event"

_PRIVATE = r"^(myOrder|myAsset|executionReport|outboundAccountPosition|balanceUpdate)$"
_BOOKS = r"(@depth|^orderbook:)"
_ANY_DATA = r"^(?!ping$|status$)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a kind does, and what a rule of it is like unless the request says otherwise."""

    does: str
    path_regex: str = ""
    when: str = "once"
    args: Mapping[str, object] = field(default_factory=dict)


KINDS: Mapping[str, Kind] = {
    STALL: Kind(
        does="connections stay open without data, and without pings if `args.pings`",
        path_regex=_ANY_DATA,
        when="always",
    ),
    LOSE: Kind(does="an event of the account is not sent", path_regex=_PRIVATE),
    GAP: Kind(does="a book's update is not sent: the next one's U is not u+1", path_regex=_BOOKS),
    DUPLICATE: Kind(does="a frame is sent twice", path_regex=_ANY_DATA),
    REORDER: Kind(does="a frame is sent after the one that follows it", path_regex=_ANY_DATA),
    DISCONNECT: Kind(
        does="each connection breaks when it is `args.seconds` old",
        when="always",
        args={"seconds": 30},
    ),
    EXPIRE: Kind(does="a connection ends as it does after 24 hours"),
    SHUTDOWN: Kind(
        does="Binance announces a shutdown to a connection and ends it `args.seconds` later",
        args={"seconds": 600},
    ),
    ERROR_FRAME: Kind(does="an error frame comes unasked"),
    REJECT_AUTH: Kind(
        does="a private stream's signature is refused, also when it connects again",
        when="always",
    ),
    EARLY_EVENT: Kind(
        does="the event arrives before the REST reply, which waits `args.milliseconds`",
        path_regex=r"/order",
        when="always",
        args={"milliseconds": 200},
    ),
}


def completed(spec: Mapping[str, object]) -> dict[str, object]:
    """Fill in what a rule of F35 leaves open; raise KeyError for a kind that does not exist."""
    name = str(spec.get("action", STALL))
    kind = KINDS[name]
    given = spec.get("args", {})
    args = {**kind.args, **(given if isinstance(given, dict) else {})}
    base = {"phase": STREAM, "path_regex": kind.path_regex, "when": kind.when}
    rule = {**base, **spec, "action": name, "args": args}
    if name == EARLY_EVENT:  # a late reply: a venue's events do not wait for replies
        rule |= {"phase": "reply", "action": "delay", "method": spec.get("method", "POST")}
    return rule
