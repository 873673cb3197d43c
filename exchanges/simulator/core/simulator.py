"""The simulator: requests and time go in, replies, faults and a journal come out.

Pure: the caller brings the clock (`advance_to`), the random source and, to make the state durable,
a recorder that is given every input that changed the world, before its reply is returned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from exchanges.simulator.core import changes, control, matching, mending, replaying, wallet
from exchanges.simulator.core.binance import routes as binance
from exchanges.simulator.core.bithumb import routes as bithumb
from exchanges.simulator.core.errors import InvariantViolationError, RefusalError
from exchanges.simulator.core.faults import OVERRIDES, Faults, Rule, overrides_of, spoil
from exchanges.simulator.core.flights import flight_problems
from exchanges.simulator.core.genesis import begin, set_speed
from exchanges.simulator.core.krw.auth import Nonces
from exchanges.simulator.core.limits import Limiter
from exchanges.simulator.core.numbers import ARITHMETIC
from exchanges.simulator.core.prices import Tape
from exchanges.simulator.core.scenarios import playing
from exchanges.simulator.core.scenarios.play import DEFAULT
from exchanges.simulator.core.streams.hub import Streams
from exchanges.simulator.core.timeline import Event
from exchanges.simulator.core.upbit import routes as upbit
from exchanges.simulator.core.values import BITHUMB, UPBIT, Fault, RandomSource, Reply, Request
from exchanges.simulator.core.world import Key, World

REQUESTS_KEPT = 20_000
EVENTS_AT_ONCE = 1_000_000
_KOREAN = {UPBIT: upbit.answer, BITHUMB: bithumb.answer}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input that changed the world, enough to do it again."""

    wall_ms: int
    request: Request
    override: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it arrived, signatures removed."""

    number: int
    wall_ms: int
    venue: str
    method: str
    path: str
    query: str
    body: str


class Simulator:
    """The venues, the chain between them, their faults, and what was asked of them."""

    def __init__(
        self,
        *,
        seed: int,
        tape: Tape,
        make_random: Callable[[int], RandomSource],
        speed: Decimal = Decimal(1),
        wall_ms: int = 0,
        scenario: str = DEFAULT,
    ) -> None:
        """Begin a world at a wall instant."""
        self.make_random = make_random
        self.recorder: Callable[[Input], None] | None = None
        self.base_urls: dict[str, str] = {}
        self.streams = Streams(self)
        self.begin(seed, tape, speed, wall_ms, scenario)

    def begin(self, seed: int, tape: Tape, speed: Decimal, wall_ms: int, scenario: str) -> None:
        """Throw the present world away and begin another."""
        with localcontext(ARITHMETIC):
            self.world = begin(seed, self.make_random(seed), tape, speed, wall_ms, scenario)
        self.faults = Faults()
        self.limiter = Limiter(is_on=self.world.settings.has_limits)
        self.nonces = Nonces()
        self.seen: deque[Seen] = deque(maxlen=REQUESTS_KEPT)
        self.requests_seen = 0
        self.failures: list[str] = []
        with localcontext(ARITHMETIC):
            playing.begin(self)
        self.streams.restart()

    def advance_to(self, wall_ms: int) -> None:
        """Let time pass until a wall instant; events happen at their own instants."""
        with localcontext(ARITHMETIC):
            timeline, agenda = self.world.timeline, self.world.agenda
            target_ms = timeline.market_at(max(wall_ms, timeline.wall_ms))
            for _ in range(EVENTS_AT_ONCE):
                event = agenda.pop_due(target_ms)
                if event is None:
                    break
                timeline.reach(timeline.wall_at(event.market_ms), event.market_ms)
                self._happen_safely(event)
            timeline.reach(wall_ms, target_ms)
            self.streams.settle()

    def _happen_safely(self, event: Event) -> None:
        """Let nobody miss that money went wrong while no one was asking."""
        try:
            self._happen(event)
        except InvariantViolationError as error:
            self.failures.append(str(error))
            raise

    def _happen(self, event: Event) -> None:
        world = self.world
        if event.kind == "book_tick":
            venue, _, symbol = event.subject.partition("/")
            if (venue, symbol) in world.markets:
                matching.match_resting(world, world.markets[venue, symbol])
        elif event.kind == "match":
            matching.match_late(world, event.subject)
        elif event.kind == "address":
            venue, asset, network = event.subject.split("/")
            world.wallet.hidden_addresses.discard((venue, asset, network))
            world.fact("address_ready", venue=venue, asset=asset, network=network)
        elif not (
            replaying.happen(world, event)
            or playing.happen(self, event)
            or mending.happen(world, event)
        ):
            wallet.happen(world, event)

    def handle(
        self,
        venue: str,
        method: str,
        path: str,
        query_string: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply | Fault:
        """Answer one request to a venue at the present instant. Header names in lower case."""
        request = Request(
            venue=venue,
            method=method,
            path=path,
            query=query_string,
            headers=headers or {},
            body=body,
        )
        with localcontext(ARITHMETIC):
            outcome = self._handle(request)
            self.streams.settle()
            return outcome

    def relay(self, request: Request, signer: Key | None) -> Reply | Fault:
        """Answer a request that a WebSocket session has read, its signature checked by its rule."""
        return self._handle(request, signer)

    def _handle(self, request: Request, signer: Key | None = None) -> Reply | Fault:
        self._note_request(request)
        rules = self.faults.due(request, self.world.seed)
        before = next((r for r in rules if r.phase == "before" and r.action not in OVERRIDES), None)
        if before is not None:
            self._fire(before, request, applied=False, status=0)
            return spoil(before, request.venue, Reply(status=504))
        overrides = [rule for rule in rules if rule.action in OVERRIDES]
        self.world.override = overrides_of(rules, request)
        reply = self._answer_and_record(request, signer)
        for rule in overrides:
            self._fire(rule, request, applied=reply.status < 400, status=reply.status)
        return self._spoil_after(rules, request, reply)

    def _spoil_after(self, rules: list[Rule], request: Request, reply: Reply) -> Reply | Fault:
        is_accepted = reply.status < 400
        delay = self.world.override.get("delay_ms")
        self.world.override = {}
        for rule in rules:
            if rule.action in OVERRIDES:
                continue
            if rule.phase == "reply" or (rule.phase == "after_accept" and is_accepted):
                self._fire(rule, request, applied=is_accepted, status=reply.status)
                return spoil(rule, request.venue, reply)
        if isinstance(delay, int):
            return Fault(action="delay", reply=reply, milliseconds=delay)
        return reply

    def _answer_and_record(self, request: Request, signer: Key | None) -> Reply:
        facts, override = self.world.journal.facts, dict(self.world.override)
        reply = self._answer(request, is_trusted=False, signer=signer)
        if self.recorder is not None and self.world.journal.facts != facts:
            kept = {"content-type": request.headers.get("content-type", "")}
            bare = replace(request, headers=kept)  # keys and signatures never reach the disk
            self.recorder(Input(wall_ms=self.world.wall_ms, request=bare, override=override))
        return reply

    def _answer(self, request: Request, *, is_trusted: bool, signer: Key | None = None) -> Reply:
        changes.apply(self.world, self.world.override, accepted=False)
        reply = self._venue_reply(request, is_trusted=is_trusted, signer=signer)
        if reply.status < 400:
            changes.apply(self.world, self.world.override, accepted=True)
        return reply

    def _venue_reply(self, request: Request, *, is_trusted: bool, signer: Key | None) -> Reply:
        try:
            if request.venue in _KOREAN:
                return _KOREAN[request.venue](
                    self.world, self.limiter, self.nonces, request, is_trusted=is_trusted
                )
            return binance.answer(
                self.world, self.limiter, request, is_trusted=is_trusted, signer=signer
            )
        except RefusalError as refusal:
            return refusal.reply

    def control(self, method: str, path: str, query: str = "", body: bytes = b"") -> Reply:
        """Answer one request to the control port."""
        request = Request(
            venue="control", method=method, path=path, query=query, headers={}, body=body
        )
        with localcontext(ARITHMETIC):
            world, facts = self.world, self.world.journal.facts
            reply = control.answer(self, request)
            self.streams.settle()
            has_changed = self.world is not world or world.journal.facts != facts
        if self.recorder is not None and has_changed:
            self.recorder(Input(wall_ms=self.world.wall_ms, request=request, override={}))
        return reply

    def change_speed(self, speed: Decimal) -> None:
        """Run market time at another pace from now on."""
        with localcontext(ARITHMETIC):
            set_speed(self.world, speed)

    def replay(self, entry: Input) -> None:
        """Do a recorded request again, at its own instant and without asking for signatures."""
        self.advance_to(entry.wall_ms)
        with localcontext(ARITHMETIC):
            if entry.request.venue == "control":
                control.answer(self, entry.request)
                return
            self.world.override = dict(entry.override)
            self._answer(entry.request, is_trusted=True)
            self.world.override = {}

    def _fire(self, rule: Rule, request: Request, *, applied: bool, status: int) -> None:
        self.faults.note(rule)
        self.world.journal.note(
            self.world.wall_ms,
            "fault",
            fault=rule.fault,
            rule=rule.number,
            venue=request.venue,
            method=request.method,
            path=request.path,
            action=rule.action,
            phase=rule.phase,
            applied=applied,
            status=status,
        )

    def _note_request(self, request: Request) -> None:
        self.requests_seen += 1
        query = "&".join(p for p in request.query.split("&") if not p.startswith("signature="))
        body = request.body.decode("utf-8", "replace")
        if "signature=" in body:
            body = "&".join(p for p in body.split("&") if not p.startswith("signature="))
        self.seen.append(
            Seen(
                number=self.requests_seen,
                wall_ms=self.world.wall_ms,
                venue=request.venue,
                method=request.method,
                path=request.path,
                query=query,
                body=body,
            )
        )

    def problems(self) -> list[str]:
        """Check everything at once: conservation, and that locks and flights equal their reasons."""
        with localcontext(ARITHMETIC):
            return [
                *self.failures,
                *self.world.vault.problems(),
                *lock_problems(self.world),
                *flight_problems(self.world),
            ]


def lock_problems(world: World) -> list[str]:
    """Say where locked money differs from what open orders and withdrawals explain."""
    due: dict[tuple[str, str], Decimal] = {}
    for venue, log in world.orders.items():
        for order in log.open_orders():
            market = world.markets[venue, order.symbol]
            asset = market.quote if order.side == "buy" else market.base
            due[venue, asset] = due.get((venue, asset), Decimal(0)) + order.held
    for row in world.wallet.withdrawals.values():
        if row.state in {"waiting", "processing"} and row.txid is None:
            key = (row.venue, row.asset)
            due[key] = due.get(key, Decimal(0)) + row.quantity + row.fee
    places = {(v, a) for v in world.orders for a in world.vault.assets_at(v)} | set(due)
    return [
        f"{venue} locks {world.locked(venue, asset)} {asset}, explained {due.get((venue, asset), 0)}"
        for venue, asset in sorted(places)
        if world.locked(venue, asset) != due.get((venue, asset), Decimal(0))
    ]
