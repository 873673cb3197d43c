"""One look at a time for the whole desk, one listener per private stream, and who goes on when they die."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.words import WatchKind
from cycles.models import SeenDeposit, VenueWatch
from cycles.selectors.awaited import Awaited
from cycles.services import hearing, looking, sighting
from cycles.services.hearing import Ears, Hints
from cycles.services.locking import locked
from cycles.services.sighting import Look
from exchanges import registry
from exchanges.hints import Hint
from tests.concurrency.meeting import queued, together
from tests.concurrency.unguarded import take_out, without

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

APART = timedelta(seconds=30)
DEPOSITS = WatchKind.DEPOSITS


def begin() -> Look | None:
    since = registry.utc_now() - timedelta(hours=1)
    return looking.begin("upbit", DEPOSITS, apart=APART, since=since)


def granted(results: list[object]) -> list[Look]:
    return [look for look in results if isinstance(look, Look)]


def test_of_many_watchers_one_has_the_look_from_the_very_first_on() -> None:
    (look,) = granted(together(*[begin for _ in range(4)]))
    assert look.number == 1
    assert VenueWatch.objects.get().number == 1


def test_when_it_is_done_nobody_looks_again_before_it_is_time() -> None:
    (look,) = granted(together(begin, begin))
    sighting.record(look, sighting.Sighting(rows=[], since=look.since))
    assert granted(together(begin, begin)) == []
    VenueWatch.objects.update(looked_at=F("looked_at") - APART)
    assert [look.number for look in granted(together(begin, begin))] == [2]


def test_the_negative_control_without_the_lease_both_look(monkeypatch: pytest.MonkeyPatch) -> None:
    VenueWatch.objects.create(venue="upbit", kind=DEPOSITS)
    lease = "  AND (expires_at IS NULL OR expires_at <= statement_timestamp())\n"
    monkeypatch.setattr(looking, "BEGIN", without(looking.BEGIN, lease))
    assert {look.number for look in granted(together(begin, begin))} == {1, 2}


def test_a_look_whose_process_died_is_another_s_once_its_lease_ran_out() -> None:
    assert begin() is not None  # and nothing more is heard of it
    assert begin() is None
    VenueWatch.objects.update(expires_at=Now())
    second = begin()
    assert second is not None
    assert second.number == 2


def written_newest_first() -> tuple[str, bool]:
    """Let two write what they saw at once, the older one last; gives what stands, and whether it is the newer one's."""
    first = begin()
    VenueWatch.objects.update(expires_at=Now())
    second = begin()
    assert first is not None
    assert second is not None
    row = {
        "venue_deposit_id": "D-1", "asset": "XRP", "network": "XRP", "quantity": "5", "txid": "T",
        "txid_key": "t", "detail": "", "created_at": None, "wants_sender": False,
    }  # fmt: skip

    def write(look: Look, status: str) -> bool:
        shown = sighting.Sighting(rows=[{**row, "status": status}], since=look.since)
        return sighting.record(look, shown).is_overtaken

    queued(
        locked(VenueWatch.objects.all()).get,
        lambda: write(second, "credited"),
        lambda: write(first, "pending"),
    )
    seen, watch = SeenDeposit.objects.get(), VenueWatch.objects.get()
    return seen.status, seen.look == watch.done_number == second.number


def test_of_two_looks_that_are_written_at_once_the_newer_one_stands() -> None:
    assert written_newest_first() == ("credited", True)


def test_the_negative_control_without_its_number_an_older_look_is_written_over_a_newer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_out(monkeypatch, sighting.record, "watch.done_number > look.number", "False")
    assert written_newest_first() == ("pending", False)


class Stream:
    """A private stream that was taken; who closes it is told."""

    is_open = True
    silent_for = timedelta(0)

    def __init__(self) -> None:
        self.is_closed = False
        self.drops: list[str] = []

    def drop(self, why: str) -> None:
        self.drops.append(why)

    def close(self) -> None:
        self.is_closed = True


class Process:
    """The ears of one process, and what they took."""

    def __init__(self, owner: str) -> None:
        self.taken: dict[str, Stream] = {}
        self.ears = Ears(listen=self._listen, owner=owner)

    def _listen(self, venue: str, tell: object) -> Stream:
        self.taken[venue] = Stream()
        return self.taken[venue]

    def keep(self) -> set[str]:
        self.ears._renewed_at = None
        self.ears.keep(Hints())
        return {venue for venue, stream in self.taken.items() if not stream.is_closed}


def test_each_private_stream_has_one_listener_in_the_whole_desk() -> None:
    one, other = Process("one"), Process("other")
    together(one.keep, other.keep)
    assert one.keep() | other.keep() == set(registry.desk_venues())
    assert one.keep() & other.keep() == set()


def test_a_listener_that_ends_lets_the_next_have_its_streams_at_once() -> None:
    one, other = Process("one"), Process("other")
    one.keep()
    assert other.keep() == set()
    one.ears.close()
    assert other.keep() == set(registry.desk_venues())


def test_the_streams_of_a_listener_that_died_are_taken_when_its_lease_ran_out() -> None:
    one, other = Process("one"), Process("other")
    one.keep()
    VenueWatch.objects.filter(kind=WatchKind.STREAM).update(expires_at=Now())
    assert other.keep() == set(registry.desk_venues())
    assert one.keep() == set(), "it was only asleep, and lets go of what is another's by now"


def test_a_stream_that_did_not_tell_what_a_look_has_shown_is_begun_anew_once_a_while() -> None:
    one = Process("one")
    one.keep()
    stream = one.taken["upbit"]
    stream.silent_for = 2 * hearing.SUSPECTED_AGAIN
    one.ears.missed("upbit")
    one.ears.missed("upbit")
    assert stream.drops == ["silent"]


def test_a_hint_that_comes_while_its_look_is_under_way_is_not_used_up_by_it() -> None:
    hints, hint = Hints(), Hint(is_of_orders=True, assets=frozenset())
    key = ("upbit", WatchKind.ORDERS)
    hints.heard("upbit", hint)
    first = hints._numbers[key]
    hints.heard("upbit", hint)
    what = Awaited(
        venue="upbit", kind=WatchKind.ORDERS, since=registry.utc_now(), is_urgent=False,
        assets=frozenset(),
    )  # fmt: skip
    hints.use_up(what, first)
    assert hints.is_about(what)
    hints.use_up(what, hints.of(what))
    assert not hints.is_about(what)
