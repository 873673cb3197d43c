"""The whole durable state of the simulated venues, and the small verbs everything shares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.simulator.core.books import Book, Books, price_step
from exchanges.simulator.core.catalog import Market, Network
from exchanges.simulator.core.chain import WalletLog
from exchanges.simulator.core.journal import Journal
from exchanges.simulator.core.orders import OrderLog
from exchanges.simulator.core.prices import Tape
from exchanges.simulator.core.prints import Prints
from exchanges.simulator.core.scenarios.play import Play
from exchanges.simulator.core.timeline import Agenda, Timeline
from exchanges.simulator.core.values import BINANCE, BITHUMB, UPBIT, VENUES, RandomSource
from exchanges.simulator.core.vault import Vault

ALL_PERMISSIONS = frozenset({"read", "trade", "withdraw"})


@dataclass(slots=True, kw_only=True)
class Key:
    """One API key of a venue's account."""

    venue: str
    access: str
    secret: str
    permissions: frozenset[str] = ALL_PERMISSIONS
    withheld: frozenset[str] = frozenset()  # what it may not look at: a Korean venue's views
    extras: frozenset[str] = frozenset()  # what it may do besides: Binance's flags
    addresses: frozenset[str] = frozenset()
    has_allow_list: bool = True  # told; without `addresses` every caller is on it
    is_expired: bool = False
    expires_ms: int | None = None  # by the wall; None: a year from whenever it is asked
    has_withdrawal_block: bool = False

    def has_ended(self, wall_ms: int) -> bool:
        """Say whether the venue takes it no more."""
        return self.is_expired or (self.expires_ms is not None and wall_ms >= self.expires_ms)


@dataclass(slots=True, kw_only=True)
class Settings:
    """What a scenario may change; times in market milliseconds unless named wall."""

    review_ms: int = 30_000
    broadcast_ms: int = 15_000
    partial_fill_ratio: Decimal = Decimal(1)
    fill_latency_ms: int = 0
    upbit_price_band: Decimal | None = None  # how far a limit price may be from the last, a share
    bnb_usdt: Decimal | None = None  # Binance's fees are paid in BNB at this price
    upbit_reply_has_fills: bool = False  # of the order just made
    duplicate_identifier_name: str = "duplicated_identifier"
    wallet_status_lag_ms: int = 180_000
    address_delay_ms: int = 5_000
    # The longest that reads trail what happened; each trails by its own share of it.
    read_lag_wall_ms: dict[str, int] = field(default_factory=lambda: {BINANCE: 300})
    # What may leave a venue within 24 hours, in its quote asset.
    daily_withdrawal: dict[str, Decimal] = field(
        default_factory=lambda: {
            UPBIT: Decimal(5_000_000_000),
            BINANCE: Decimal(8_000_000),
            BITHUMB: Decimal(5_000_000_000),
        }
    )
    has_binance_allow_list: bool = True
    has_upbit_travel_rule: bool = False
    binance_travel_rule: str = "NIL"
    binance_holds_deposits: bool = False
    travel_rule_verifies: bool = True
    has_limits: bool = True
    shows_new_addresses_at_once: bool = True
    has_bithumb_travel_rule: bool = False
    needs_consent: bool = False  # Bithumb: of the account holder, before any withdrawal
    returns_known_orders: bool = False  # Bithumb: for a known client id, instead of refusing it
    not_ready_wall_ms: int = 150  # Bithumb: how long an accepted order cannot be asked about
    # What generated books and prices are like; a recording is played as it is.
    depth_times: Decimal = Decimal(1)  # how many times as deep as usual
    spread_times: Decimal = Decimal(1)  # how many times as wide and as sparse as usual
    swing_bps: Decimal = Decimal(0)  # how far a price usually strays from the recorded one
    swing_ms: int = 20_000  # how long it takes to go from one such distance to the next
    # After how long people at the venues have mended what is stuck or held, by half more or less; 0: never.
    support_ms: int = 0


@dataclass(slots=True, kw_only=True)
class World:
    """Accounts, books, chain and clocks. Nothing here knows HTTP."""

    seed: int
    began_ms: int = 0
    rng: RandomSource
    tape: Tape | None
    markets: dict[tuple[str, str], Market]
    networks: dict[tuple[str, str], Network]
    books: Books
    keys: dict[str, Key] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    timeline: Timeline = field(default_factory=Timeline)
    agenda: Agenda = field(default_factory=Agenda)
    vault: Vault = field(default_factory=Vault)
    journal: Journal = field(default_factory=Journal)
    orders: dict[str, OrderLog] = field(
        default_factory=lambda: {venue: OrderLog() for venue in VENUES}
    )
    wallet: WalletLog = field(default_factory=WalletLog)
    is_live: bool = False  # books are the venues' own, of now
    play: Play = field(default_factory=Play)
    maintenance: dict[str, bool] = field(default_factory=dict)
    skew_ms: dict[str, int] = field(default_factory=dict)
    # (venue, asset, network): what the control port lets a venue say of it
    told: dict[tuple[str, str, str], dict[str, object]] = field(default_factory=dict)
    watched: set[tuple[str, str]] = field(default_factory=set)
    prints: Prints = field(default_factory=lambda: Prints({}))
    numbers: int = 1_000_000
    # What the request in hand may see and do differently because of a fault rule.
    override: dict[str, object] = field(default_factory=dict)

    @property
    def wall_ms(self) -> int:
        """The present wall instant."""
        return self.timeline.wall_ms

    @property
    def market_ms(self) -> int:
        """The present market instant."""
        return self.timeline.market_ms

    @property
    def recording(self) -> Tape:
        """The tape being replayed."""
        if self.tape is None:
            raise RuntimeError("no tape: the state was loaded without one")
        return self.tape

    def venue_ms(self, venue: str) -> int:
        """Return the wall instant on the venue's own clock."""
        return self.timeline.wall_ms + self.skew_ms.get(venue, 0)

    def book(self, market: Market) -> Book:
        """Return the market's book now."""
        return self.books.of(self.recording, market, self.market_ms, self.settings)

    def price(self, venue: str, asset: str, market_ms: int | None = None) -> Decimal:
        """Return a venue's price of an asset at an instant or now, in its markets' quote asset."""
        at_ms = self.market_ms if market_ms is None else market_ms
        return self.books.price(self.recording, venue, asset, at_ms, self.settings)

    def price_step(self, market: Market, price: Decimal) -> Decimal:
        """Return the market's price step at a price now."""
        at_ms = self.wall_ms if self.is_live else self.recording.recorded_ms(self.market_ms)
        return price_step(market, price, at_ms)

    def read_lag_ms(self, venue: str) -> int:
        """Return by how much wall time a read of the venue trails now, by chance from the seed."""
        fixed = self.override.get("read_lag_ms")
        if isinstance(fixed, int):
            return fixed
        longest = self.settings.read_lag_wall_ms.get(venue, 0)
        if not longest:
            return 0
        digest = hashlib.sha256(f"lag:{self.seed}:{venue}:{self.wall_ms}".encode()).digest()
        lag_ms = longest * int.from_bytes(digest[:2], "big") >> 16
        return min(lag_ms, max(0, self.wall_ms - self.began_ms - 1))

    def move(self, asset: str, quantity: Decimal, source: str, target: str) -> None:
        """Move money, see Vault.move."""
        self.vault.move(asset, quantity, source, target, self.timeline.wall_ms)

    def fact(self, kind: str, /, **details: object) -> None:
        """Journal a change of the world."""
        self.journal.fact(self.timeline.wall_ms, kind, **details)

    def told_title(self, venue: str, asset: str) -> str:
        """Give the name that the control port lets a venue call an asset; empty: its own."""
        told = (t for (at, code, _), t in self.told.items() if (at, code) == (venue, asset))
        return next((str(one["title"]) for one in told if "title" in one), "")

    def next_number(self) -> int:
        """Return the next sequential id."""
        self.numbers += 1
        return self.numbers

    def new_trade_id(self, venue: str, number: int) -> str:
        """Return the id of an execution with a number of its own as the venue spells it."""
        return self.new_uuid() if venue == UPBIT else _spelled(venue, number)

    def new_withdrawal_id(self, venue: str) -> str:
        """Return the id of a withdrawal as the venue spells it."""
        if venue == BITHUMB:
            return str(self.next_number())
        return self.new_uuid() if venue == UPBIT else self.new_hex(128)

    def new_order_number(self, venue: str) -> str:
        """Return a sequential id of an order as the venue spells it."""
        return _spelled(venue, self.next_number())

    def new_uuid(self) -> str:
        """Return a random UUID (version 4) from the seeded source."""
        text = f"{self.rng.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def new_hex(self, bits: int) -> str:
        """Return random hexadecimal digits."""
        return f"{self.rng.getrandbits(bits):0{bits // 4}x}"

    def free(self, venue: str, asset: str) -> Decimal:
        """Say what the account may use."""
        return self.vault.held(f"{venue}.free", asset)

    def locked(self, venue: str, asset: str) -> Decimal:
        """Say what the account has locked."""
        return self.vault.held(f"{venue}.locked", asset)


def _spelled(venue: str, number: int) -> str:
    return f"C0101{number:015d}" if venue == BITHUMB else str(number)
