"""The director: opens the first cycles, spoils requests, redrives what died, waits for the end."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from cycles.domain.states import FINAL
from cycles.domain.words import Mode
from cycles.models import Cycle, Transition
from cycles.services import dead_letters, desk, intervening, opening, rating, watching
from cycles.services.intervening import Actor
from kimp import control
from kimp.demo.operator import make_operator

POLICY: dict[str, object] = {
    "notional_usdt": Decimal(5000),
    "min_open_edge_bps": Decimal(30),
    # In the crash premia move while coins are in flight, the more the slower the machine: any way
    # home is taken, and no loss stops the play.
    "min_rebalance_edge_bps": Decimal(-9000),
    "daily_loss_limit_usdt": Decimal(100_000),
    "longest_wait_seconds": 86400,
    "max_open_cycles": 6,
    "allowed_assets": ["ETH", "SOL", "USDT", "XRP"],  # two blocks of BTC outlast the play
}
MARKET_OFFLINE = {"error": {"name": "market_offline", "message": "offline for the demonstration"}}
WITHDRAWAL_CLOSED = {"code": -4019, "msg": "Current coin is not open for withdrawal."}
POLL_SECONDS = 0.1


@dataclass(slots=True)
class Director:
    """Runs the play. `turn` serves the children for a while and says whether to go on."""

    control_url: str
    turn: Callable[[float], bool]
    say: Callable[[str], None]
    wanted: int
    redriven: set[str] = field(default_factory=set)
    doomed: dict[str, str] = field(default_factory=dict)
    actor: Actor = field(init=False)

    def __post_init__(self) -> None:
        """Make the operator who redrives: a person with a name, as in the admin."""
        self.actor = make_operator()

    def prepare(self) -> None:
        """Before the roles run: open two cycles whose fate is sealed, spoil others at random."""
        self._lose_replies()
        self._wait_for_quotes()
        flat = self._open_first("is unwound: its withdrawals are refused until it dies")
        self._refuse("binance", r"/withdraw/apply", _ids_of(flat), WITHDRAWAL_CLOSED, times=0)
        late = self._open_first("dies on its way home and is redriven")
        self._refuse("upbit", r"/orders$", _ids_of(late, step="05"), MARKET_OFFLINE, times=4)
        self.doomed = {flat.code: "flat", late.code: "late"}
        another = f"^k(?!{_digits(flat)}|{_digits(late)})"
        self._refuse("upbit", r"/orders$", another, MARKET_OFFLINE, times=1)

    def _lose_replies(self) -> None:
        """Lose replies after the venue accepted: looked up, never doubled."""
        for spec in (
            {"fault": "F7", "venue": "binance", "method": "POST", "path_regex": r"/api/v3/order$",
             "when": {"nth": 4}},
            {"fault": "F4", "venue": "upbit", "method": "POST", "path_regex": r"/v1/orders$",
             "when": {"nth": 3}},
            {"fault": "F24", "venue": "binance", "action": "rst", "when": {"nth": 5}},
            {"fault": "F8", "venue": "upbit", "method": "POST", "path_regex": r"/withdraws/coin$",
             "when": {"nth": 2}},
        ):  # fmt: skip
            self._add_fault(dict(spec))

    def _refuse(
        self, venue: str, path: str, ids: str, reply: Mapping[str, object], *, times: int
    ) -> None:
        """Refuse the requests of one cycle."""
        self._add_fault(
            {
                "venue": venue,
                "method": "POST",
                "path_regex": path,
                "action": "status",
                "args": {"status": 400, "json": reply},
                "when": {"client_id_regex": ids},
                "times": times,
            }
        )

    def _add_fault(self, spec: dict[str, object]) -> None:
        """Hand a rule to the simulator."""
        control.ask(f"{self.control_url}/control/faults", spec)

    def _wait_for_quotes(self) -> None:
        """Sample until there is something to open on."""
        rates = rating.Rates()
        while not watching.tick(rates) and self.turn(POLL_SECONDS):
            pass

    def _open_first(self, fate: str) -> Cycle:
        """Open one cycle by hand, by the service that the admin uses."""
        cycle = opening.open_by_hand(
            asset="XRP",
            notional_usdt=Decimal(5000),
            actor=self.actor,
            reason="the demonstration",
        )
        self.say(f"{cycle.code} opened by hand; it {fate}")
        return cycle

    def play(self) -> None:
        """Watch until enough cycles have been opened and all of them have ended."""
        seen: dict[str, str] = {}
        while self.turn(POLL_SECONDS):
            self._tell_changes(seen)
            self._tend_dead_letters()
            if len(seen) >= self.wanted and desk.current().mode == Mode.RUN:
                desk.set_mode(
                    Mode.FINALIZE_ONLY, actor=self.actor, reason="enough for a demonstration"
                )
            if len(seen) >= self.wanted and set(seen.values()) <= FINAL:
                return

    def _tell_changes(self, seen: dict[str, str]) -> None:
        """Say what moved since the last look."""
        for code, status in Cycle.objects.order_by("pk").values_list("code", "status"):
            if seen.get(code) != status:
                seen[code] = status
                self.say(f"{code} {status}")

    def _tend_dead_letters(self) -> None:
        """Let the desk recover what it may by itself; redrive the rest as an operator would."""
        if not Cycle.objects.filter(status="DEAD_LETTER").exists():
            return
        dead_letters.process_dead_letters()
        for cycle in Cycle.objects.filter(status="DEAD_LETTER"):
            if self.doomed.get(cycle.code) == "flat":
                continue  # the desk's own recovery takes it
            intervening.redrive(
                cycle.pk,
                actor=self.actor,
                reason="the venue trades again",
                seen_version=cycle.version,
            )
            self.redriven.add(cycle.code)
            self.say(f"{cycle.code} redriven by {self.actor.name}")

    def dead_lettered(self) -> int:
        """Count cycles that were dead letters at some time."""
        died = Transition.objects.filter(to_status="DEAD_LETTER")
        return died.values("cycle_id").distinct().count()


def _ids_of(cycle: Cycle, *, step: str = "") -> str:
    """Give the pattern of a cycle's client order ids, of one step where it is named."""
    return f"^k{_digits(cycle)}{step}"


def _digits(cycle: Cycle) -> str:
    """Give the part of a client order id that names the cycle."""
    return base64.b32encode(cycle.pk.bytes).decode().rstrip("=").lower()
