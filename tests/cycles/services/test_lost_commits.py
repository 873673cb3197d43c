"""The connection breaks while a commit is under way: whether it stands nobody is told, and nothing hangs on that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now

from cycles.domain.words import Mode, Role
from cycles.errors import StaleVersionError
from cycles.models import VenueWatch
from cycles.services import desk as desks
from cycles.services.working import Worker
from tests.builders import person
from tests.crashes.proof import FINAL, assert_one_story
from tests.crashes.replicating import working_on
from tests.desk import FRESH_SECONDS, TestDesk, eventually, operator, role_of, why
from tests.kimp.processes import database_url
from tests.kimp.relaying import Relay, relay

COMMITS = {
    "a transaction": rb"COMMIT\x00",
    "an intent": rb"kimp_intend_v1",
    "an outcome": rb"kimp_settle_v2",
}

pytestmark = [
    pytest.mark.concurrency,
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("is_heard", [True, False], ids=["committed", "not committed"]),
]


@contextmanager
def _behind_a_relay() -> Iterator[Relay]:
    """Let this process reach its database through a relay."""
    port = int(connection.get_connection_params()["port"])
    with relay(port) as between, working_on(database_url(port=between.port)):
        try:
            yield between
        finally:
            connection.close()


@pytest.mark.parametrize("commit", COMMITS)
def test_whatever_became_of_a_commit_nothing_is_sent_twice_and_all_is_booked_once(
    committed_desk: TestDesk, commit: str, is_heard: bool
) -> None:
    person("alice", "administrator")
    cycle = committed_desk.open()
    workers = {role: Worker(role) for role in (Role.INITIATOR, Role.FINALIZER)}

    with _behind_a_relay() as between:

        def ends() -> bool:
            worker = workers[role_of(cycle)]
            if time.monotonic() - committed_desk.sampled_at > FRESH_SECONDS:
                committed_desk.sample()
            # A look at a venue whose commit was lost would be taken up later.
            VenueWatch.objects.filter(expires_at__isnull=False).update(expires_at=Now())
            lease = committed_desk.lease(cycle, worker.owner)
            worker._held.take(lease)
            with between.losing(COMMITS[commit], is_heard=is_heard):
                worker._drive(lease, claimed_at=worker.outage.clock())
            cycle.refresh_from_db()
            return cycle.status in FINAL

        eventually(ends)

    assert between.lost
    assert cycle.status == "COMPLETED", why(cycle)
    assert_one_story(committed_desk)


def test_who_does_it_again_by_the_version_that_was_seen_is_told_whether_it_was_done(
    committed_desk: TestDesk, is_heard: bool
) -> None:
    actor = operator()
    seen = desks.set_mode(Mode.HALT, actor=actor, reason="a test").version

    def resume() -> None:
        desks.set_mode(Mode.RUN, actor=actor, reason="a test", seen_version=seen)

    with _behind_a_relay() as between:
        with (
            between.losing(COMMITS["a transaction"], is_heard=is_heard),
            pytest.raises(OperationalError),
        ):
            resume()
        connection.close()
        with pytest.raises(StaleVersionError) if is_heard else nullcontext():
            resume()
        now = desks.current()
        assert (now.mode, now.version) == (Mode.RUN, seen + 1)
