"""One process's budget: who goes first, how long a call waits, what is bought at once, what a ban closes."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from exchanges.transport.budget import RateBudget, UsedUpError
from exchanges.transport.limits import (
    Pace,
    Priority,
    Scope,
    VenueLimits,
    Window,
    is_settling,
    priority_of,
)
from exchanges.transport.windows import Ask, Grant, MemoryStore, StoreAwayError
from tests.desk import eventually

SECONDS = 10.0
LIMITS = VenueLimits(
    windows=(
        Window(group="order", scope=Scope.ACCOUNT, limit=4),
        Window(group="weight", scope=Scope.IP, limit=400, span_seconds=60, reserve=40),
        Window(group="look", scope=Scope.ACCOUNT, limit=8),
        Window(group="dear", scope=Scope.ACCOUNT, limit=40, span_seconds=60),
    ),
    costs={
        "place_order": (("order", 1), ("weight", 1)),
        "order": (("order", 1),),
        "balances": (("weight", 20),),
        "look": (("look", 1),),
        "dear": (("dear", 30),),
    },
    otherwise=(("weight", 1),),
)


class CountingStore(MemoryStore):
    """A process's own store that remembers what it was asked, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[Ask]] = []
        self.held: list[tuple[str, str, float, str]] = []
        self.is_away = False
        self.gate = threading.Event()
        self.gate.set()

    def take(self, venue: str, asks: Sequence[Ask]) -> Sequence[Grant]:
        if self.is_away:
            raise StoreAwayError
        self.asked.append([ask for ask in asks if ask.wanted])
        assert self.gate.wait(SECONDS)
        return super().take(venue, asks)

    def hold(self, venue: str, window: Window, *, seconds: float, cause: str) -> None:
        self.held.append((window.group, window.scope.value, round(seconds, 3), cause))


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def budget(store: CountingStore) -> RateBudget:
    return RateBudget("venue", LIMITS, store=store)


def take(
    budget: RateBudget,
    operation: str = "order",
    priority: Priority = Priority.POLL,
    patience: float = 0.0,
) -> float:
    return budget.take(operation, priority=priority, patience_seconds=patience)


def use_up(budget: RateBudget) -> None:
    for _ in range(4):
        take(budget, priority=Priority.MONEY)


def told(budget: RateBudget, operation: str, pace: Pace, status: int | None = None) -> None:
    budget.note(operation, pace, status=status, epoch_seconds=1_000_000_005.0)


def test_a_call_goes_while_there_are_tokens_and_is_given_up_when_there_are_none(
    budget: RateBudget,
) -> None:
    use_up(budget)
    with pytest.raises(UsedUpError) as caught:
        take(budget, patience=0.2)
    assert caught.value.group == "order"
    assert 1 < caught.value.seconds <= 1.375  # ten slots, and a token may count in the next


def test_what_cannot_be_had_in_time_is_given_up_at_once(budget: RateBudget) -> None:
    take(budget, "dear")
    began = time.monotonic()
    with pytest.raises(UsedUpError) as caught:
        take(budget, "dear", patience=5)
    assert time.monotonic() - began < 1
    assert caught.value.seconds > 60


def test_a_call_waits_for_its_token_as_long_as_it_may(budget: RateBudget) -> None:
    use_up(budget)
    assert 0.5 < take(budget, patience=5) < 5


def test_threads_are_served_in_order_of_arrival_and_money_before_all(budget: RateBudget) -> None:
    use_up(budget)
    served: list[str] = []

    def call(name: str, priority: Priority) -> None:
        take(budget, "order", priority, patience=SECONDS)
        served.append(name)

    threads = []
    for name, priority in (
        ("data", Priority.DATA),
        ("poll 1", Priority.POLL),
        ("poll 2", Priority.POLL),
        ("lookup", Priority.LOOKUP),
        ("money", Priority.MONEY),
        ("poll 3", Priority.POLL),
    ):
        threads.append(threading.Thread(target=call, args=(name, priority)))
        threads[-1].start()
        eventually(lambda: len(budget._queue) >= len(threads))
    for thread in threads:
        thread.join(SECONDS)
    # A second holds four, so the first four go 1.25 s before the last two.
    assert set(served[:4]) == {"money", "lookup", "poll 1", "poll 2"}
    assert set(served[4:]) == {"poll 3", "data"}


def test_one_request_buys_for_all_that_wait(budget: RateBudget, store: CountingStore) -> None:
    threads = [
        threading.Thread(target=take, args=(budget, "deposits", Priority.LOOKUP, SECONDS))
        for _ in range(5)
    ]
    store.gate.clear()  # the first is asking while the others come
    for number, thread in enumerate(threads, 1):
        thread.start()
        eventually(lambda number=number: len(budget._queue) >= number)  # type: ignore[misc]
    store.gate.set()
    for thread in threads:
        thread.join(SECONDS)
    assert [ask.needed for asks in store.asked for ask in asks] == [1, 4]


def test_a_call_that_comes_while_nothing_is_left_gets_a_place_in_line(
    budget: RateBudget, store: CountingStore
) -> None:
    """Else the store would know of the first call only, and give what the others need to who asks later."""
    for _ in range(8):
        take(budget, "look", Priority.MONEY)
    store.asked.clear()
    threads = [
        threading.Thread(target=take, args=(budget, "look", Priority.LOOKUP, SECONDS))
        for _ in range(2)
    ]
    for number, thread in enumerate(threads, 1):
        thread.start()
        eventually(lambda number=number: len(store.asked) >= number)  # type: ignore[misc]
    (first,), (both,) = store.asked
    assert [first.needed, both.needed] == [1, 2]
    assert both.waited_seconds > first.waited_seconds
    for thread in threads:
        thread.join(SECONDS)


def test_a_call_that_could_not_wait_so_long_is_no_reason_to_ask(
    budget: RateBudget, store: CountingStore
) -> None:
    take(budget, "dear")
    with pytest.raises(UsedUpError):
        take(budget, "dear", patience=5)
    asked = len(store.asked)
    with pytest.raises(UsedUpError):
        take(budget, "dear", patience=5)
    assert len(store.asked) == asked


def test_a_busy_process_needs_ever_fewer_requests_for_polling(
    budget: RateBudget, store: CountingStore
) -> None:
    for _ in range(60):
        take(budget, "deposits")
    assert len(store.asked) <= 14
    assert sum(ask.wanted for asks in store.asked for ask in asks) <= 60 + 10


def test_money_is_never_bought_to_spare(budget: RateBudget, store: CountingStore) -> None:
    for _ in range(4):
        take(budget, "place_order", Priority.MONEY)
    assert {ask.wanted for asks in store.asked for ask in asks} == {1}
    assert len(store.asked) == 4


def test_one_process_takes_a_quarter_of_a_window_at_most_at_once(
    budget: RateBudget, store: CountingStore
) -> None:
    threads = [
        threading.Thread(target=take, args=(budget, "balances", Priority.POLL, SECONDS))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert max(ask.wanted for asks in store.asked for ask in asks) <= 100 + 10


def test_polling_leaves_the_reserve_to_orders(budget: RateBudget) -> None:
    for _ in range(18):
        take(budget, "balances")
    with pytest.raises(UsedUpError):
        take(budget, "balances")
    take(budget, "place_order", Priority.MONEY)


def test_a_store_that_is_away_leaves_a_share_and_keeps_no_money_waiting(
    budget: RateBudget, store: CountingStore
) -> None:
    store.is_away = True
    for _ in range(2):
        take(budget, "balances")
    with pytest.raises(UsedUpError):
        take(budget, "balances")
    for _ in range(6):
        take(budget, "place_order", Priority.MONEY)
    store.is_away = False
    take(budget, "balances", patience=2)  # it is asked again after a second
    assert len(store.asked) == 1


def test_a_process_without_a_store_counts_for_itself() -> None:
    alone = RateBudget("venue", LIMITS)
    use_up(alone)
    with pytest.raises(UsedUpError):
        take(alone)


@pytest.mark.parametrize(("status", "cause"), [(418, "banned"), (403, "walled_off")])
def test_a_ban_closes_every_call_of_the_venue_and_is_told_to_all(
    budget: RateBudget, store: CountingStore, status: int, cause: str
) -> None:
    told(budget, "order", Pace(group="order", hold_seconds=60), status=status)
    for operation in ("order", "place_order", "dear", "balances"):
        with pytest.raises(UsedUpError) as caught:
            take(budget, operation, Priority.MONEY, patience=2)
        assert caught.value.seconds > 59
    assert store.held == [("*", "account", 60, cause), ("*", "ip", 60, cause)]


def test_a_ban_closes_no_scope_that_the_venue_does_not_count(store: CountingStore) -> None:
    of_address = VenueLimits(
        windows=(Window(group="all", scope=Scope.IP, limit=9),), otherwise=(("all", 1),)
    )
    told(RateBudget("venue", of_address, store=store), "order", Pace(hold_seconds=60), status=418)
    assert store.held == [("*", "ip", 60, "banned")]


def test_a_call_that_is_turned_away_closes_its_group_only(
    budget: RateBudget, store: CountingStore
) -> None:
    told(budget, "place_order", Pace(group="order", hold_seconds=7), status=429)
    assert budget.seconds_held("order") == pytest.approx(7, abs=0.1)
    assert budget.seconds_held("balances") == 0
    assert store.held == [("order", "account", 7, "turned_away")]


def test_without_a_group_in_the_reply_the_calls_own_windows_close(budget: RateBudget) -> None:
    told(budget, "balances", Pace(hold_seconds=7), status=429)
    assert budget.seconds_held("place_order") == pytest.approx(7, abs=0.1)
    assert budget.seconds_held("order") == 0


def test_a_window_that_the_venue_says_is_used_up_is_closed_until_it_ends(
    budget: RateBudget, store: CountingStore
) -> None:
    told(budget, "balances", Pace(used={"weight": 400}))
    assert store.held == [("weight", "ip", 60 - 1_000_000_005 % 60, "used_up")]


def test_what_others_used_is_told_to_the_store_with_the_next_request(
    budget: RateBudget, store: CountingStore
) -> None:
    told(budget, "balances", Pace(used={"weight": 341}))
    with pytest.raises(UsedUpError):
        take(budget, "balances")
    told(budget, "order", Pace(group="order", left={"order": 1}))
    take(budget)
    with pytest.raises(UsedUpError):
        take(budget)


def test_a_group_that_replies_name_and_no_table_knows_can_be_held() -> None:
    plain = RateBudget()
    told(plain, "order", Pace(group="new"))
    told(plain, "place_order", Pace(group="new", hold_seconds=3), status=429)
    assert plain.seconds_held("order") == pytest.approx(3, abs=0.1)
    with pytest.raises(UsedUpError):
        take(plain, "order", patience=1)
    take(plain, "balances")


def test_a_waiting_call_hears_of_a_ban(budget: RateBudget) -> None:
    use_up(budget)
    caught: list[float] = []

    def call() -> None:
        try:
            take(budget, patience=2)
        except UsedUpError as error:
            caught.append(error.seconds)

    thread = threading.Thread(target=call)
    thread.start()
    eventually(lambda: budget._queue)
    told(budget, "order", Pace(hold_seconds=60), status=418)
    thread.join(1)
    assert not thread.is_alive()
    assert caught[0] > 59


def test_limits_that_a_venue_tells_count_from_then_on(budget: RateBudget) -> None:
    budget.learn({"order": 2, "unheard-of": 9, "weight": 0})
    for _ in range(2):
        take(budget)
    with pytest.raises(UsedUpError):
        take(budget)
    take(budget, "balances")


def test_the_kind_of_call_says_its_priority() -> None:
    assert priority_of("place_order", moves_money=True) is Priority.MONEY
    assert priority_of("order", moves_money=False) is Priority.LOOKUP
    assert priority_of("withdrawals", moves_money=False) is Priority.POLL
    assert priority_of("book", moves_money=False) is Priority.DATA
    token = is_settling.set(True)
    assert priority_of("withdrawals", moves_money=False) is Priority.LOOKUP
    is_settling.reset(token)
