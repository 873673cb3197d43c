"""The fault table: every way in which a venue fails its client, as data.

A row says what happens, what the client must end up with, and how a rule of that name behaves unless
its JSON form says otherwise. Rows without an action cannot be set: their `does` says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exchanges.simulator.core.streams import rules as stream_rules

ORDERS = r"/orders?$"
SENDING = r"/withdraw(s/coin|/apply)$"
LOOKING = r"/(order|account|withdraw|allOrders)"
BOOKS = r"/(orderbook|depth)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. `phase`: before (nothing is applied), after_accept, or reply (whatever was said)."""

    does: str
    wants: str
    phase: str = "before"
    action: str = ""
    args: Mapping[str, object] = field(default_factory=dict)
    method: str = ""
    path: str = ""

    @property
    def is_rule(self) -> bool:
        """Say whether the row can be set as a rule."""
        return bool(self.action)


_LOST_BEFORE = "unknown; looked up and not found once the venue's window has closed; a new id"
_LOST_AFTER = "unknown; looked up and adopted, never sent again"

TABLE: dict[str, Row] = {
    "F1": Row(
        does="no answer, and the request was not accepted", wants=_LOST_BEFORE, action="hang"
    ),
    "F2": Row(
        does="no answer, though the request was accepted",
        wants=_LOST_AFTER,
        phase="after_accept",
        action="hang",
    ),
    "F3": Row(
        does="502 and nothing was accepted (`args.status`; `args.json` for a JSON body)",
        wants=_LOST_BEFORE,
        action="status",
        args={"status": 502},
    ),
    "F4": Row(
        does="503 though the request was accepted (`args.status`, `args.json`)",
        wants=_LOST_AFTER,
        phase="after_accept",
        action="status",
        args={"status": 503},
    ),
    "F5": Row(
        does="a proxy's 524 page though the request was accepted (`args.status`: 504, 520; `phase`)",
        wants="as F4; as F3 in phase `before`",
        phase="after_accept",
        action="status",
        args={"status": 524},
    ),
    "F6": Row(
        does="the connection closes after the request was accepted (or before: `phase`)",
        wants=_LOST_AFTER,
        phase="after_accept",
        action="fin",
    ),
    "F7": Row(
        does="the connection is reset after the request was accepted (or before: `phase`)",
        wants=_LOST_AFTER,
        phase="after_accept",
        action="rst",
    ),
    "F8": Row(
        does="the answer breaks off in the middle; the request was accepted",
        wants=_LOST_AFTER,
        phase="after_accept",
        action="truncated",
    ),
    "F9": Row(
        does="an empty body with status 200; the request was accepted"
        " (`args.kind`: object, list, html, truncated, bom, wrong_type)",
        wants="unknown; looked up and adopted; never an order without an id",
        phase="after_accept",
        action="garbage",
        args={"kind": "empty"},
    ),
    "F10": Row(
        does="the venue's port refuses connections",
        wants="not sent; the same request may go again",
        action="refuse_connections",
    ),
    "F11": Row(
        does="an order is refused as a duplicate id",
        wants="looked up and adopted",
        action="duplicate",
        method="POST",
        path=ORDERS,
    ),
    "F12": Row(
        does="no rule: Binance always accepts an id again once its earlier order is closed",
        wants="no id is ever used twice",
    ),
    "F13": Row(
        does="an order fills in part (`args.value`, half if not given); action `rests` lets it rest"
        " although it is immediate-or-cancel, `fill_before_cancel` lets a cancel come too late",
        wants="what executed is read again from the venue",
        action="fill_ratio",
        args={"value": "0.5"},
        method="POST",
        path=ORDERS,
    ),
    "F14": Row(
        does="an order finds no liquidity",
        wants="no fill is an ordinary end",
        action="no_liquidity",
        method="POST",
        path=ORDERS,
    ),
    "F15": Row(
        does="reads lag behind the truth (`args.value` milliseconds)",
        wants="absence is no proof before its time",
        action="read_lag_ms",
        args={"value": 3000},
        method="GET",
        path=LOOKING,
    ),
    "F16": Row(
        does="an order that exists cannot be read yet: 422 `order_not_ready` (Bithumb)",
        wants="read again",
        phase="reply",
        action="refusal",
        args={"name": "order_not_ready", "status": 422},
        method="GET",
        path=ORDERS,
    ),
    "F17": Row(
        does="a JSON code that means a failure inside, with status 400"
        " (`args.code`: -1000, -1001, -1006, -1007, -1008; `phase`: before, after_accept)",
        wants="unknown; looked up",
        action="refusal",
        args={"code": -1007, "name": "server_error"},
        method="POST",
        path=ORDERS,
    ),
    "F18": Row(
        does="the limiter: 429 with Retry-After"
        " (`args.kind`: 429, 429_silent, 418, waf; `args.seconds`)",
        wants="not processed; the venue is left alone for that long",
        action="limiter",
        args={"kind": "429", "seconds": 7},
    ),
    "F19": Row(
        does="the venue's clock is ahead (`args.value` milliseconds): signed requests fall outside of"
        " the window; on the time route the time told is wrong, and action `delay` in phase `reply` makes it late",
        wants="measured again once, then no trading there",
        action="skew_ms",
        args={"value": 10_000},
    ),
    "F20": Row(
        does="the key is refused (`args.name` at Upbit: nonce_used, invalid_query_payload,"
        " jwt_verification, no_authorization_ip, out_of_scope; `args.code` at Binance: -1022, -2014)",
        wants="refused; the venue is paused and people are told once",
        action="refusal",
        args={"code": -2015, "name": "expired_access_key"},
    ),
    "F21": Row(
        does="a market's rules change as the request arrives (`args.price_step`, ten times as coarse"
        " if nothing is given; `args.quantity_step`, `args.min_notional`)",
        wants="refused; the rules are read again",
        action="market",
        method="POST",
        path=ORDERS,
    ),
    "F22": Row(
        does="an order is refused: insufficient funds",
        wants="refused; nothing moved",
        action="insufficient",
        method="POST",
        path=ORDERS,
    ),
    "F23": Row(
        does="maintenance begins as the request arrives: orders are refused (Upbit 503), markets say"
        " so, Binance's resting orders expire (`args.on` false ends it)",
        wants="no new cycles there; those under way wait",
        action="maintenance",
        args={"on": True},
    ),
    "F24": Row(
        does="a withdrawal is accepted, its answer is lost (`action`: status, rst, fin as well)",
        wants="unknown; found in the history, never sent again",
        phase="after_accept",
        action="hang",
        method="POST",
        path=SENDING,
    ),
    "F25": Row(
        does="a withdrawal is not accepted, nor answered",
        wants="unknown until a person decides, never sent again",
        action="hang",
        method="POST",
        path=SENDING,
    ),
    "F26": Row(
        does="a withdrawal is accepted, and another just like it is made by hand (lose its answer with"
        " F24)",
        wants="ambiguous: a person decides",
        action="withdrawal",
        args={"value": "twin"},
        method="POST",
        path=SENDING,
    ),
    "F27": Row(
        does="a withdrawal is accepted and rejected later: the venue gives it back"
        " (`args.value`: reject, fail, cancel)",
        wants="undone in the ledger, tried anew",
        action="withdrawal",
        args={"value": "reject"},
        method="POST",
        path=SENDING,
    ),
    "F28": Row(
        does="a withdrawal is accepted and stays stuck until it is released"
        " (`args.value`: stuck, stuck_with_txid)",
        wants="told; counted as in flight; nothing assumed",
        action="withdrawal",
        args={"value": "stuck"},
        method="POST",
        path=SENDING,
    ),
    "F29": Row(
        does="the deposit of a withdrawal goes wrong (`args.value`: late, its confirmations stall;"
        " reorg, it vanishes once and returns; locked, it stays unfit for withdrawal; partial, half"
        " of it is credited; short, a second fee is taken)",
        wants="never counted early; settled for what it is",
        action="arrival",
        args={"value": "late"},
        method="POST",
        path=SENDING,
    ),
    "F30": Row(
        does="the deposit of a withdrawal is not credited (`args.value`: wrong_tag, wrong_network,"
        " suspected, refunding, refunded)",
        wants="a person decides",
        action="arrival",
        args={"value": "wrong_tag"},
        method="POST",
        path=SENDING,
    ),
    "F31": Row(
        does="the wallet closes as the withdrawal arrives, and every status goes on saying that it"
        " works (`args.told` open)",
        wants="refused; the way is closed here for a while",
        action="wallet",
        args={"withdraw": False, "told": "open"},
        method="POST",
        path=SENDING,
    ),
    "F32": Row(
        does="the network's terms change as the withdrawal arrives (`args.withdraw_fee`, doubled if"
        " nothing is given; `args.withdraw_min`; in phase `after_accept` for the next one)",
        wants="the fee really taken is booked; terms are read again",
        action="wallet",
        method="POST",
        path=SENDING,
    ),
    "F33": Row(
        does="the answer drips, headers too, a byte each `args.milliseconds`; it was accepted",
        wants="unknown at the deadline, however long it drips",
        phase="after_accept",
        action="drip",
        args={"milliseconds": 1000},
    ),
    "F34": Row(
        does="a redirect to another host (`args.location`, `args.status`); action `bomb` answers with"
        " gzip that unpacks to `args.mebibytes`, `flood` with a body of that size",
        wants="not followed, not unpacked, not read to its end: unknown",
        phase="reply",
        action="redirect",
        args={"location": "http://127.0.0.1:1/", "status": 302},
    ),
    "F35": Row(
        does="a WebSocket misbehaves: `action` names one of the kinds below",
        wants="a book that is not whole is no book; REST is the truth",
        phase=stream_rules.STREAM,
        action=stream_rules.STALL,
    ),
    "F36": Row(
        does="a book is crossed (`args.kind`: empty, zero, fat_finger, frozen; `args.side`)",
        wants="no book, no order, said loudly",
        phase="reply",
        action="book",
        args={"kind": "crossed"},
        method="GET",
        path=BOOKS,
    ),
    "F37": Row(
        does="numbers come as strings (`args.kind`: strings, numbers, extra, nulls, enum)",
        wants="read, or unknown; never a crash",
        phase="reply",
        action="retype",
        args={"kind": "strings"},
    ),
    "F38": Row(
        does="no rule: kill the client between intent, request, answer and note",
        wants="the journal is reconciled; nothing twice",
    ),
}
