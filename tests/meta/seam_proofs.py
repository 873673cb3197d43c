"""The seams that no process is killed at: why a death there is none of its own, or can harm nobody, and the test that goes there.

Names of tests are `module:function`; none of these kills. A seam that stands neither here nor at what is killed there
(a journey, a job, an act or a deed) fails `test_seams.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ADMIN = "tests/cycles/admin/test_accounts.py"
SERVICES = "tests/cycles/services"
RESTORING = "tests/cycles/restoring"


class Kind(StrEnum):
    """Why nobody is killed there."""

    WITHIN = (
        "no commit of its own: it stands within another's transaction, as the whole suite watches"
    )
    ROLLED_BACK = "it is always rolled back"
    READS = "it writes nothing: its transaction is for a setting"
    WHOLE = (
        "one commit is all that is done: who dies there has done it or not, and it is done again"
    )
    HASTENS = "it only brings forward what comes by itself"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Seams of one kind, and the test of what is done there."""

    kind: Kind
    why: str
    test: str
    seams: tuple[str, ...]


ELSEWHERE = (
    Elsewhere(
        Kind.WITHIN,
        "an operator's act: its callers commit",
        f"{SERVICES}/test_identifying.py:test_a_proof_does_not_contradict_the_venues_own_word",
        ("identifying._write_proof",),
    ),
    Elsewhere(
        Kind.WITHIN,
        "names that facts prove: `keep_listings` commits, and is killed there",
        "tests/exchanges/test_identity_sync.py:test_the_desks_assets_are_proven_by_shipped_facts_with_their_source",
        ("identity_sync._prove_alone", "identity_sync._prove_by_facts"),
    ),
    Elsewhere(
        Kind.WITHIN,
        "catching up: `catch_up` commits, and is killed there",
        f"{RESTORING}/test_catching_up.py:test_cycles_of_every_kind_are_made_again_by_what_they_sent",
        (
            "concluding.is_ended", "following_up.follow_up", "replaying.place", "retracing._adopted",
            "retracing._is_there", "retraced.Retraced.keeping",
        ),
    ),
    Elsewhere(
        Kind.WITHIN,
        "what fees were paid in comes in, within catching up; undone where the venue has not got it",
        f"{RESTORING}/test_accepting.py:test_bnb_that_was_paid_in_is_accepted_also_where_less_is_left_of_it_than_there_was_before",
        ("paid_in.bring_in",),
    ),
    Elsewhere(
        Kind.ROLLED_BACK,
        "a preview of catching up",
        f"{RESTORING}/test_what_is_left.py:test_without_yes_and_with_dry_run_nothing_is_written_or_halted",
        ("catching_up.preview",),
    ),
    Elsewhere(
        Kind.ROLLED_BACK,
        "what would differ if what lacks had been paid in: tried, within catching up",
        f"{RESTORING}/test_who_holds_it.py:test_who_was_settled_by_hand_since_can_be_again_though_it_had_sold",
        ("retracing._tried",),
    ),
    Elsewhere(
        Kind.READS,
        "an operator's proof from the first entry on, which may take longer than a statement",
        f"{SERVICES}/test_proving.py:test_an_entry_that_changed_after_it_was_read_is_found_by_reading_all_anew",
        ("proving.proof_of_all",),
    ),
    Elsewhere(
        Kind.WHOLE,
        "a page of the admin, its alert in the same commit: accounts, no money",
        f"{ADMIN}:test_a_colleagues_password_that_is_set_is_told_and_not_shown",
        ("account_tables.AccountAdmin.user_change_password",),
    ),
    Elsewhere(
        Kind.WHOLE,
        "a page of the admin, its alert in the same commit: accounts, no money",
        f"{ADMIN}:test_a_group_that_is_deleted_is_told",
        ("account_tables.TeamAdmin.delete_queryset",),
    ),
    Elsewhere(
        Kind.WHOLE,
        "a page of the admin, its alert in the same commit: accounts, no money",
        f"{ADMIN}:test_ones_own_password_is_told_less_urgently",
        ("site.DeskSite.password_change",),
    ),
    Elsewhere(
        Kind.WHOLE,
        "before any worker runs: the first account, told before it is committed",
        "tests/kimp/test_first_admin.py:test_whom_nobody_was_told_of_is_not_there",
        ("first_admin.ensure",),
    ),
    Elsewhere(
        Kind.WHOLE,
        "before any worker runs: what a venue holds, posted once under its own key",
        f"{SERVICES}/test_korea_venues.py:test_a_venue_taken_up_later_opens_its_books_once_and_the_others_stay",
        ("seeding.open_books",),
    ),
    Elsewhere(
        Kind.WHOLE,
        "a database that has forgotten: halted, told of and away from home in one commit; until then the next look finds it again",
        f"{SERVICES}/test_homing.py:test_a_database_that_lacks_what_this_host_saw_halts_before_anything_is_intended",
        ("desk.look_home",),
    ),
    Elsewhere(
        Kind.HASTENS,
        "somebody has locked whom a look concerns: who is not woken wakes at its own time",
        "tests/concurrency/test_waking_around_locks.py:test_one_that_was_locked_for_a_moment_is_woken_too",
        ("sighting._wake_the_rest",),
    ),
    Elsewhere(
        Kind.HASTENS,
        "the feeder's: who is not woken wakes at its own time, or at the feeder's next turn",
        f"{SERVICES}/test_waking.py:test_a_way_back_that_comes_to_clear_wakes_all_it_clears_for",
        ("waking.wake_waiting",),
    ),
)  # fmt: skip
WITHIN = frozenset(
    seam.partition("#")[0] for row in ELSEWHERE if row.kind is Kind.WITHIN for seam in row.seams
)
