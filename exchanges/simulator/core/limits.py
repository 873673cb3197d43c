"""Rate limits on wall time: windows a second in Korea, Binance's weights and order counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from exchanges.simulator.core.errors import RefusalError
from exchanges.simulator.core.values import Reply, json_reply

UPBIT_PER_SECOND = {
    "market": 10, "candle": 10, "trade": 10, "ticker": 10, "orderbook": 10, "default": 30,
    "order": 12, "order-test": 8, "order-cancel-all": 1,
}  # fmt: skip
UPBIT_PATIENCE_SECONDS = 5
BITHUMB_PER_SECOND = {"public": 150, "private": 140, "batch": 20}
BINANCE_WEIGHT_A_MINUTE = 6000
BINANCE_ORDERS_10S = 50
BINANCE_ORDERS_A_DAY = 160_000
BINANCE_UID_WEIGHT_A_MINUTE = 180_000
BINANCE_IP_WEIGHT_A_MINUTE = 12_000  # of each wallet route for itself
BINANCE_HISTORY_A_SECOND = 10

Headers = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Window:
    """A fixed window: its number and what was used in it."""

    number: int = -1
    used: int = 0

    def spend(self, number: int, cost: int) -> int:
        """Add the cost in a window and return what is used now."""
        if number != self.number:
            self.number, self.used = number, 0
        self.used += cost
        return self.used


@dataclass(slots=True)
class Ban:
    """Until when a caller is shut out, and how long the next ban will be."""

    until_ms: int = 0
    seconds: int = 60
    last_excess_second: int = -10
    excess_run: int = 0


@dataclass(slots=True)
class Limiter:
    """Counters of all venues; not part of the durable state."""

    windows: dict[str, Window] = field(default_factory=dict)
    bans: dict[str, Ban] = field(default_factory=dict)
    is_on: bool = True

    def _spend(self, name: str, number: int, cost: int) -> int:
        if not self.is_on:
            return 0  # the headers too: a client that keeps its own pace would wait for nothing
        return self.windows.setdefault(name, Window()).spend(number, cost)

    def upbit(self, group: str, caller: str, wall_ms: int) -> Headers:
        """Count a request of a group; refuse with 429, or 418 after five seconds of excess."""
        ban = self.bans.setdefault(f"upbit:{caller}", Ban())
        if self.is_on and wall_ms < ban.until_ms:
            raise RefusalError(_upbit_banned(ban, wall_ms))
        second, limit = wall_ms // 1000, UPBIT_PER_SECOND[group]
        span = 2 if group == "order-cancel-all" else 1
        used = self._spend(f"upbit:{caller}:{group}", second // span, 1)
        headers = (("Remaining-Req", f"group={group}; min=1800; sec={max(0, limit - used)}"),)
        if self.is_on and used > limit:
            _note_excess(ban, second, wall_ms)
            raise RefusalError(_korean_throttled(headers))
        return headers

    def bithumb(self, category: str, wall_ms: int) -> None:
        """Count a request of a category; refuse with 429. No header tells what is left."""
        used = self._spend(f"bithumb:{category}", wall_ms // 1000, 1)
        if self.is_on and used > BITHUMB_PER_SECOND[category]:
            raise RefusalError(_korean_throttled(()))

    def binance(self, weight: int, orders: int, wall_ms: int) -> Headers:
        """Count weight and orders of an /api request; refuse with 429 and Retry-After."""
        self._refuse_banned(wall_ms)
        minute = wall_ms // 60_000
        used = self._spend("binance:weight", minute, weight)
        headers = [("X-MBX-USED-WEIGHT-1M", str(used))]
        if orders:
            short = self._spend("binance:orders10s", wall_ms // 10_000, orders)
            day = self._spend("binance:orders1d", wall_ms // 86_400_000, orders)
            headers += [
                ("X-MBX-ORDER-COUNT-10S", str(short)),
                ("X-MBX-ORDER-COUNT-1D", str(day)),
            ]
            if self.is_on and (short > BINANCE_ORDERS_10S or day > BINANCE_ORDERS_A_DAY):
                raise RefusalError(_binance_many_orders(tuple(headers)))
        self._check_weight(used, BINANCE_WEIGHT_A_MINUTE, wall_ms)
        return tuple(headers)

    def binance_orders(self, wall_ms: int) -> dict[str, int]:
        """Return how many orders were counted in the present ten seconds and day."""
        ten = self.windows.get("binance:orders10s", Window())
        day = self.windows.get("binance:orders1d", Window())
        return {
            "SECOND": ten.used if ten.number == wall_ms // 10_000 else 0,
            "DAY": day.used if day.number == wall_ms // 86_400_000 else 0,
        }

    def binance_wallet(self, route: str, weight: int, wall_ms: int, *, per_uid: bool) -> Headers:
        """Count a /sapi request: on the account's counter, or on the route's own of the address."""
        self._refuse_banned(wall_ms)
        minute = wall_ms // 60_000
        if not per_uid:
            used = self._spend(f"binance:ip:{route}", minute, weight)
            self._check_weight(used, BINANCE_IP_WEIGHT_A_MINUTE, wall_ms)
            return (("X-SAPI-USED-IP-WEIGHT-1M", str(used)),)
        used = self._spend("binance:uid", minute, weight)
        if route == "withdraw_history":
            calls = self._spend("binance:history", wall_ms // 1000, 1)
            self._check_weight(calls, BINANCE_HISTORY_A_SECOND, wall_ms)
        self._check_weight(used, BINANCE_UID_WEIGHT_A_MINUTE, wall_ms)
        return (("X-SAPI-USED-UID-WEIGHT-1M", str(used)),)

    def _refuse_banned(self, wall_ms: int) -> None:
        ban = self.bans.setdefault("binance", Ban(seconds=120))
        if self.is_on and wall_ms < ban.until_ms:
            raise RefusalError(_binance_throttled(418, (ban.until_ms - wall_ms) // 1000 + 1))

    def _check_weight(self, used: int, limit: int, wall_ms: int) -> None:
        if not self.is_on or used <= limit:
            return
        ban = self.bans["binance"]
        _note_excess(ban, wall_ms // 1000, wall_ms)
        raise RefusalError(_binance_throttled(429, 60 - wall_ms // 1000 % 60))


def _note_excess(ban: Ban, second: int, wall_ms: int) -> None:
    if second - ban.last_excess_second > 1:
        ban.excess_run = 0
    if second != ban.last_excess_second:
        ban.excess_run += 1
    ban.last_excess_second = second
    if ban.excess_run > UPBIT_PATIENCE_SECONDS:
        ban.until_ms = wall_ms + ban.seconds * 1000
        ban.seconds *= 2
        ban.excess_run = 0


def _korean_throttled(headers: Headers) -> Reply:
    error = {"name": "too_many_requests", "message": "요청 수 제한을 초과했습니다."}
    return json_reply({"error": error}, 429, headers)


def _upbit_banned(ban: Ban, wall_ms: int) -> Reply:
    left = (ban.until_ms - wall_ms) // 1000 + 1
    error = {"name": "too_many_requests", "message": f"{left}초 동안 요청이 차단되었습니다."}
    return json_reply({"error": error}, 418)


def _binance_throttled(status: int, seconds: int) -> Reply:
    text = "Too much request weight used; please use WebSocket Streams for live updates."
    return json_reply(
        {"code": -1003, "msg": text}, status, (("Retry-After", str(max(1, seconds))),)
    )


def _binance_many_orders(headers: Headers) -> Reply:
    text = "Too many new orders; current limit is 50 orders per 10 SECOND."
    return json_reply({"code": -1015, "msg": text}, 429, (*headers, ("Retry-After", "10")))
