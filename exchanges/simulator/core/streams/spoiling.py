"""Lets the rules of F35 act on frames and connections; each firing is journalled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from exchanges.simulator.core.faults import Rule
from exchanges.simulator.core.streams import frames, rules
from exchanges.simulator.core.streams.binance.connection import BinanceSession
from exchanges.simulator.core.streams.frames import Frame
from exchanges.simulator.core.streams.session import Session
from exchanges.simulator.core.values import BINANCE, Request
from exchanges.simulator.core.world import World

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator

_ON_FRAMES = frozenset({rules.STALL, rules.LOSE, rules.GAP, rules.DUPLICATE, rules.REORDER})
_ON_CONNECTIONS = frozenset({rules.DISCONNECT, rules.EXPIRE, rules.SHUTDOWN, rules.ERROR_FRAME})


class Spoiler:
    """The rules in force, and what each has already done to which connection."""

    def __init__(self, simulator: Simulator) -> None:
        """Begin without rules."""
        self.simulator = simulator
        self.active: list[Rule] = []
        self.done: set[tuple[int, int]] = set()
        self.held: dict[Session, Frame] = {}

    def refresh(self) -> None:
        """Look which rules are in force now."""
        self.active = [r for r in self.simulator.faults.rules if r.phase == rules.STREAM]

    def forget(self, session: Session) -> None:
        """Forget a connection that has ended."""
        self.held.pop(session, None)
        self.done = {row for row in self.done if row[1] != session.number}

    def bend(self, session: Session, channel: str, frame: Frame) -> list[Frame]:
        """Return what is sent in place of a frame."""
        sent = [frame]
        for rule in self.active:
            if rule.action in _ON_FRAMES and self._is_hit(rule, session, channel, frame.data):
                self._note(rule, session, channel)
                sent = self._apply(rule, session, frame)
                break
        if sent and session in self.held:
            sent.append(self.held.pop(session))
        return sent

    def _apply(self, rule: Rule, session: Session, frame: Frame) -> list[Frame]:
        if rule.action == rules.DUPLICATE:
            return [frame, frame]
        if rule.action == rules.REORDER:
            if session in self.held:
                return [frame]
            self.held[session] = frame
        return []

    def _is_hit(self, rule: Rule, session: Session, subject: str, data: bytes) -> bool:
        as_request = Request(
            venue=session.venue, method="", path=subject, query="", headers={}, body=data
        )
        if not rule.matches(as_request):
            return rule.action == rules.STALL and self._stalls_pings(rule, session, subject)
        return rule.is_due(self.simulator.world.seed)

    def _stalls_pings(self, rule: Rule, session: Session, subject: str) -> bool:
        is_ping = subject in {"ping", "status"}
        return is_ping and bool(rule.args.get("pings")) and rule.venue in {"", session.venue}

    def beat(self, session: Session, now_ms: int) -> None:
        """Do to a connection what rules want done to it, once."""
        for rule in self.active:
            key = (rule.number, session.number)
            if rule.action not in _ON_CONNECTIONS or key in self.done:
                continue
            age_ms = int(str(rule.args.get("seconds", 0))) * 1000
            is_early = rule.action == rules.DISCONNECT and now_ms - session.opened_ms < age_ms
            if is_early or not self._is_hit(rule, session, session.path, b""):
                continue
            self.done.add(key)
            self._note(rule, session, session.path)
            _VERBS[rule.action](session, rule, age_ms)

    def rejects_auth(self, venue: str, path: str, session: Session | None = None) -> Rule | None:
        """Return the rule by which a private stream's signature is refused now, if one is due."""
        subject = Request(venue=venue, method="", path=path, query="", headers={}, body=b"")
        for rule in self.active:
            is_meant = rule.action == rules.REJECT_AUTH and rule.matches(subject)
            if is_meant and rule.is_due(self.simulator.world.seed):
                self._note(rule, session, path, venue=venue, applied=False)
                return rule
        return None

    def _note(
        self,
        rule: Rule,
        session: Session | None,
        subject: str,
        *,
        venue: str = "",
        applied: bool = True,
    ) -> None:
        """Journal a firing; a stall only where it begins."""
        number = session.number if session is not None else 0
        if rule.action == rules.STALL and (rule.number, number) in self.done:
            rule.fired += 1
            return
        self.simulator.faults.note(rule)
        if rule.action == rules.STALL:
            self.done.add((rule.number, number))
        at = venue or (session.venue if session is not None else "")
        details = {"venue": at, "path": subject, "session": number, "applied": applied}
        _journal(self.simulator.world, rule, details)


def _journal(world: World, rule: Rule, details: dict[str, object]) -> None:
    """Write the row that a fault of REST has, the way in named WS."""
    world.journal.note(
        world.wall_ms,
        "fault",
        fault=rule.fault,
        rule=rule.number,
        method="WS",
        action=rule.action,
        phase=rule.phase,
        status=0,
        **details,
    )


def _disconnect(session: Session, rule: Rule, _after_ms: int) -> None:
    if rule.args.get("how") == "close":
        session.close(frames.GOING_AWAY)
    else:
        session.cut()


def _expire(session: Session, _rule: Rule, _after_ms: int) -> None:
    session.close(frames.GOING_AWAY, "connection expired")


def _shutdown(session: Session, _rule: Rule, after_ms: int) -> None:
    if isinstance(session, BinanceSession):
        session.announce_shutdown(after_ms)


def _error_frame(session: Session, rule: Rule, _after_ms: int) -> None:
    if "json" in rule.args:
        session.put(frames.text(rule.args["json"]))
    elif session.venue == BINANCE:
        error = {"code": -1000, "msg": "An unknown error occurred."}
        session.put(frames.text({"error": error, "id": None}))
    else:
        error_view = {"name": str(rule.args.get("name", "WRONG_FORMAT")), "message": "오류입니다."}
        session.put(frames.binary({"error": error_view}))


_VERBS: dict[str, Callable[[Session, Rule, int], None]] = {
    rules.DISCONNECT: _disconnect,
    rules.EXPIRE: _expire,
    rules.SHUTDOWN: _shutdown,
    rules.ERROR_FRAME: _error_frame,
}
