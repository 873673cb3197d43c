"""Fault rules: which request goes wrong, when, and how. Each firing is journalled with the truth.

A rule spoils a request before it is applied (`before`) or its reply after it was accepted
(`after_accept`, `reply`), or changes how the venue treats it (an override, such as no liquidity).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.simulator.core.binance.refusals import DUPLICATE, INSUFFICIENT
from exchanges.simulator.core.streams import rules as stream_rules
from exchanges.simulator.core.values import BINANCE, HTML_TYPE, Fault, Reply, Request, json_reply

HANG_MS = 60_000
_PHASES = frozenset({"before", "after_accept", "reply", stream_rules.STREAM})
# Actions that change how the venue treats the request instead of spoiling it.
OVERRIDES = frozenset(
    {"no_liquidity", "fill_ratio", "fill_before_cancel", "read_lag_ms", "withdrawal", "delay_ms"}
)
_CLIENT_ID = re.compile(
    r'(?:identifier|newClientOrderId|origClientOrderId|withdrawOrderId)"?\s*[=:]\s*"?([^"&,}]+)'
)

# The rows of the fault table that this simulator knows: (phase, action, args).
TABLE: dict[str, tuple[str, str, dict[str, object]]] = {
    "F1": ("before", "hang", {}),
    "F2": ("after_accept", "hang", {}),
    "F3": ("before", "status", {"status": 502}),
    "F4": ("after_accept", "status", {"status": 503}),
    "F5": ("after_accept", "status", {"status": 524}),
    "F6": ("after_accept", "fin", {}),
    "F7": ("after_accept", "rst", {}),
    "F8": ("after_accept", "truncated", {}),
    "F9": ("after_accept", "garbage", {"kind": "empty"}),
    "F10": ("before", "refuse_connections", {}),
    "F11": ("before", "duplicate", {}),
    "F13": ("before", "fill_ratio", {"value": "0.5"}),
    "F14": ("before", "no_liquidity", {"value": True}),
    "F15": ("before", "read_lag_ms", {"value": 3000}),
    "F22": ("before", "insufficient", {}),
    "F24": ("after_accept", "hang", {}),
    "F25": ("before", "hang", {}),
    "F27": ("before", "withdrawal", {"value": "reject"}),
    "F28": ("before", "withdrawal", {"value": "stuck"}),
    stream_rules.FAULT: (stream_rules.STREAM, stream_rules.STALL, {}),
}
_ROUTES: dict[str, tuple[str, str]] = {
    "F11": ("POST", r"/order"),
    "F13": ("POST", r"/order"),
    "F14": ("POST", r"/order"),
    "F15": ("GET", r"/(order|account|withdraw|allOrders)"),
    "F22": ("POST", r"/order"),
    "F24": ("POST", r"/withdraw"),
    "F25": ("POST", r"/withdraw"),
    "F27": ("POST", r"/withdraw"),
    "F28": ("POST", r"/withdraw"),
}


@dataclass(slots=True, kw_only=True)
class Rule:
    """One rule; `times` bounds how often it fires (0: without end)."""

    number: int
    fault: str
    venue: str
    method: str
    path_regex: str
    phase: str
    action: str
    args: dict[str, object]
    when: str = "always"
    nth: int = 0
    probability: Decimal = Decimal(1)
    client_id_regex: str = ""
    times: int = 0
    seen: int = 0
    fired: int = 0

    def matches(self, request: Request) -> bool:
        """Say whether the rule is about this request and may still fire."""
        return (
            self.venue in {"", request.venue}
            and self.method in {"", request.method}
            and (not self.times or self.fired < self.times)
            and re.search(self.path_regex, request.path) is not None
            and self._has_client_id(request)
        )

    def _has_client_id(self, request: Request) -> bool:
        if not self.client_id_regex:
            return True
        text = f"{request.query}&{request.body.decode('utf-8', 'replace')}"
        found = _CLIENT_ID.search(text)
        return found is not None and re.search(self.client_id_regex, found[1]) is not None

    def is_due(self, seed: int) -> bool:
        """Count a matching request and say whether this one is hit."""
        self.seen += 1
        if self.nth and self.seen != self.nth:
            return False
        if self.probability >= 1:
            return True
        digest = hashlib.sha256(f"fault:{seed}:{self.number}:{self.seen}".encode()).digest()
        return Decimal(int.from_bytes(digest[:4], "big")) / 2**32 < self.probability


@dataclass(slots=True)
class Faults:
    """The rules in force, in the order they were added."""

    rules: list[Rule] = field(default_factory=list)
    added: int = 0

    def due(self, request: Request, seed: int) -> list[Rule]:
        """Return the rules that hit this request."""
        if not self.rules:
            return []
        return [
            rule
            for rule in self.rules
            if rule.phase != stream_rules.STREAM and rule.matches(request) and rule.is_due(seed)
        ]

    def refuses_connections(self, venue: str) -> bool:
        """Say whether the venue's port should be closed."""
        return any(
            rule.action == "refuse_connections" and rule.venue in {"", venue} for rule in self.rules
        )

    def add(self, spec: dict[str, object]) -> Rule:
        """Add a rule from its JSON form; raise ValueError or KeyError if it makes no sense."""
        fault = str(spec.get("fault", ""))
        spec = stream_rules.completed(spec) if fault == stream_rules.FAULT else spec
        phase, action, args = TABLE.get(fault, ("before", "", {}))
        method, path_regex = _ROUTES.get(fault, ("", ""))
        given = spec.get("args", {})
        rule = Rule(
            number=self.added + 1,
            fault=fault,
            venue=str(spec.get("venue", "")),
            method=str(spec.get("method", method)),
            path_regex=str(spec.get("path_regex", path_regex)),
            phase=str(spec.get("phase", phase)),
            action=str(spec.get("action", action)),
            args={**args, **(given if isinstance(given, dict) else {})},
            times=int(str(spec.get("times", 0))),
        )
        _read_when(rule, spec.get("when", "always"))
        if not rule.action or rule.phase not in _PHASES:
            raise ValueError("a rule needs an action and one of the phases")
        re.compile(rule.path_regex)
        self.added += 1
        self.rules.append(rule)
        return rule


def _read_when(rule: Rule, when: object) -> None:
    rule.when = str(when)
    if when == "once":
        rule.times = 1
    elif isinstance(when, dict):
        rule.nth = int(str(when.get("nth", 0)))
        rule.probability = Decimal(str(when.get("prob", 1)))
        rule.client_id_regex = str(when.get("client_id_regex", ""))
        re.compile(rule.client_id_regex)
    elif when != "always":
        raise ValueError("when is always, once, or an object with nth, prob or client_id_regex")


def override_of(rule: Rule) -> object:
    """Return the value an override rule sets."""
    value = rule.args.get("value", True)
    if rule.action == "fill_ratio":
        return Decimal(str(value))
    return int(str(value)) if rule.action in {"read_lag_ms", "delay_ms"} else value


def spoil(rule: Rule, venue: str, truth: Reply) -> Reply | Fault:
    """Return what the client gets instead of the truth."""
    if rule.action in {"hang", "fin", "rst", "truncated", "drip", "delay"}:
        milliseconds = int(str(rule.args.get("milliseconds", HANG_MS)))
        return Fault(action=rule.action, reply=truth, milliseconds=milliseconds)
    if rule.action == "refuse_connections":  # a connection that was open before the port closed
        return Fault(action="rst", reply=truth)
    if rule.action == "status":
        return _status(rule)
    if rule.action == "garbage":
        return _garbage(str(rule.args.get("kind", "empty")), truth)
    return _error(rule, venue)


def _status(rule: Rule) -> Reply:
    status = int(str(rule.args.get("status", 500)))
    if "json" in rule.args:
        return json_reply(rule.args["json"], status)
    page = f"<html><head><title>{status}</title></head><body>cloudflare</body></html>"
    return Reply(status=status, body=page.encode(), content_type=HTML_TYPE)


def _garbage(kind: str, truth: Reply) -> Reply:
    bodies = {
        "empty": b"",
        "object": b"{}",
        "list": b"[]",
        "html": b"<html><body>please wait</body></html>",
        "truncated": truth.body[: len(truth.body) // 2],
        "bom": b"\xef\xbb\xbf" + truth.body[:-1],
        "wrong_type": truth.body,
    }
    is_html = kind in {"html", "wrong_type"}
    return Reply(
        status=truth.status,
        body=bodies[kind],
        content_type=HTML_TYPE if is_html else truth.content_type,
    )


def _error(rule: Rule, venue: str) -> Reply:
    """Return a refusal in the venue's own words."""
    if "json" in rule.args:
        return json_reply(rule.args["json"], int(str(rule.args.get("status", 400))))
    if venue == BINANCE:
        text = DUPLICATE if rule.action == "duplicate" else INSUFFICIENT
        return json_reply({"code": -2010, "msg": text}, 400)
    name = "duplicated_identifier" if rule.action == "duplicate" else "insufficient_funds_bid"
    return json_reply({"error": {"name": name, "message": "주문할 수 없습니다."}}, 400)
