"""Fault rules: which request goes wrong, when, and how. Each firing is journalled with the truth.

A rule spoils a request before it is applied (`before`) or its reply after it was accepted
(`after_accept`, `reply`), changes how the venue treats it (an override, such as no liquidity), or
changes the venue itself as it arrives. What the named rules do stands in `fault_table`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.simulator.core import changes, fault_args, fault_replies
from exchanges.simulator.core.fault_shapes import FROZEN, stamp_of
from exchanges.simulator.core.fault_table import TABLE, Row
from exchanges.simulator.core.streams import rules as stream_rules
from exchanges.simulator.core.values import VENUES, Fault, Reply, Request

# Actions that change how the venue treats the request instead of spoiling it.
OVERRIDES = changes.ACTIONS | {
    "no_liquidity",
    "fill_ratio",
    "rests",
    "fill_before_cancel",
    "read_lag_ms",
    "withdrawal",
    "arrival",
    "delay_ms",
    "skew_ms",
}
_OF_REQUESTS = OVERRIDES | fault_replies.ACTIONS
_PHASES: dict[str, frozenset[str]] = {
    "before": _OF_REQUESTS,
    "after_accept": _OF_REQUESTS,
    "reply": _OF_REQUESTS,
    stream_rules.STREAM: frozenset(stream_rules.KINDS),
}
_RATIOS = {"fill_ratio", "rests"}
_WHOLE = {"read_lag_ms", "delay_ms", "skew_ms"}
_CLIENT_ID = re.compile(
    r'(?:identifier|client_order_id|newClientOrderId|origClientOrderId|withdrawOrderId)"?\s*[=:]\s*"?([^"&,}]+)'
)


@dataclass(slots=True, kw_only=True)
class Rule:
    """One rule; `times` bounds how often it fires (0: without end), `label` says whose it is."""

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
    query_regex: str = ""
    times: int = 0
    label: str = ""
    seen: int = 0
    fired: int = 0

    def matches(self, request: Request) -> bool:
        """Say whether the rule is about this request and may still fire."""
        return (
            self.venue in {"", request.venue}
            and self.method in {"", request.method}
            and (not self.times or self.fired < self.times)
            and re.search(self.path_regex, request.path) is not None
            and re.search(self.query_regex, request.query) is not None
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
    """The rules in force, in the order they were added, and how often each fault has struck."""

    rules: list[Rule] = field(default_factory=list)
    added: int = 0
    struck: Counter[str] = field(default_factory=Counter)

    def note(self, rule: Rule) -> None:
        """Count that a rule fires, for it and for its fault, which outlives it."""
        rule.fired += 1
        self.struck[rule.fault or rule.action] += 1

    def lift(self, label: str) -> None:
        """Take back the rules of a label, and of what stands below it."""
        self.rules[:] = [
            rule
            for rule in self.rules
            if rule.label != label and not rule.label.startswith(f"{label}/")
        ]

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

    def add(self, spec: Mapping[str, object]) -> Rule:
        """Add a rule from its JSON form; raise ValueError or KeyError if it makes no sense."""
        fault = str(spec.get("fault", ""))
        spec = stream_rules.completed(spec) if fault == stream_rules.FAULT else spec
        row = TABLE.get(fault, Row(does="", wants=""))
        given = spec.get("args", {})
        if fault and fault not in TABLE:
            raise ValueError(f"there is no fault {fault!r}")
        rule = Rule(
            number=self.added + 1,
            fault=fault,
            venue=str(spec.get("venue", "")),
            method=str(spec.get("method", row.method)),
            path_regex=str(spec.get("path_regex", row.path)),
            phase=str(spec.get("phase", row.phase)),
            action=str(spec.get("action", row.action)),
            args={**row.args, **(given if isinstance(given, dict) else {})},
            times=int(str(spec.get("times", 0))),
            query_regex=str(spec.get("query_regex", "")),
            label=str(spec.get("label", "")),
        )
        _read_when(rule, spec.get("when", "always"))
        _demand_sane(rule, row)
        self.added += 1
        self.rules.append(rule)
        return rule


def _demand_sane(rule: Rule, row: Row) -> None:
    """Raise ValueError for a rule that could never do what it says."""
    if not rule.action and row.does:
        raise ValueError(f"{rule.fault} is {row.does}")
    if rule.phase not in _PHASES:
        raise ValueError("a phase is before, after_accept or reply")
    if rule.action not in _PHASES[rule.phase]:
        raise ValueError("a rule needs an action that this simulator knows for its phase")
    if rule.venue not in {"", *VENUES}:
        raise ValueError(f"a venue is one of {', '.join(VENUES)}, not {rule.venue!r}")
    if rule.times < 0 or rule.nth < 0:
        raise ValueError("times and nth are 0 or more")
    if not 0 <= rule.probability <= 1:
        raise ValueError(f"prob is between 0 and 1, not {rule.probability}")
    re.compile(rule.path_regex)
    re.compile(rule.query_regex)
    fault_args.demand_usable(rule.action, rule.venue, rule.args)


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


def overrides_of(rules: list[Rule], request: Request) -> dict[str, object]:
    """Return what the override rules among these set for a request, by action."""
    return {
        _override_name(rule): _override_value(rule, request)
        for rule in rules
        if rule.action in OVERRIDES
    }


def _override_name(rule: Rule) -> str:
    is_late = rule.action in changes.ACTIONS and rule.phase == "after_accept"
    return changes.AFTER + rule.action if is_late else rule.action


def _override_value(rule: Rule, request: Request) -> object:
    if rule.action in changes.ACTIONS:
        return changes.aimed(rule.args, request)
    if rule.action in _RATIOS:
        return Decimal(str(rule.args.get("value", "0.5")))
    value = rule.args.get("value", True)
    return int(str(value)) if rule.action in _WHOLE else value


def spoil(rule: Rule, venue: str, truth: Reply) -> Reply | Fault:
    """Return what the client gets instead of the truth."""
    if rule.action == "book" and rule.args.get("kind") == FROZEN and truth.status == 200:
        stamp = stamp_of(truth.body, venue)
        if stamp is not None:
            rule.args.setdefault("at_ms", stamp)  # it stands where it first stood
    return fault_replies.spoil(rule.action, rule.args, venue, truth)
