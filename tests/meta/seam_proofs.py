"""The seams that no worker's journey reaches: why it cannot or need not, and the test that goes there.

Names of tests are `module:function`. A seam that stands neither here nor at a journey fails `test_seams.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

ACTS = "tests/crashes/matrix/test_acts.py"
JOBS = "tests/crashes/matrix/test_jobs.py"
ADMIN = "tests/cycles/admin/test_accounts.py"
SERVICES = "tests/cycles/services"
RESTORING = "tests/cycles/restoring"
LOST_LEASE = "tests/concurrency/test_lost_lease.py"
ON_CYCLES = f"{ACTS}:test_an_operators_act_on_a_cycle_is_done_once_wherever_its_process_dies"
ON_DESK = f"{ACTS}:test_an_operators_act_on_the_desk_is_done_once_wherever_its_process_dies"
CATCHING_UP = f"{ACTS}:test_catching_up_is_done_once_wherever_its_process_dies"
A_JOB = f"{JOBS}:test_a_job_that_dies_at_any_place_is_made_good_by_its_next_run"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Seams of one kind, and the test of them."""

    why: str
    test: str
    seams: tuple[str, ...]


ELSEWHERE = (
    Elsewhere(
        "an operator's act on a cycle",
        ON_CYCLES,
        (
            "intervening._revive", "intervening.acknowledge", "redriving.redrive_all",
            "redriving.redrive_all#2", "resolving.resolve", "resolving.write_off",
        ),
    ),
    Elsewhere(
        "an operator's act on the desk",
        ON_DESK,
        (
            "addressing.confirm", "addressing.retire", "desk.pause", "desk.set_mode", "desk.set_policy",
            "desk.unpause", "identifying.block", "identifying.prove", "opening.open_by_hand",
            "opening.open_return_only",
        ),
    ),
    Elsewhere(
        "within an operator's act: no commit of its own",
        f"{SERVICES}/test_identifying.py:test_a_proof_does_not_contradict_the_venues_own_word",
        ("identifying._write_proof",),
    ),
    Elsewhere(
        "catching up", CATCHING_UP, ("catching_up.catch_up", "catching_up.catch_up#2", "catching_up._step_out")
    ),
    Elsewhere(
        "a preview: always rolled back",
        f"{RESTORING}/test_what_is_left.py:test_without_yes_and_with_dry_run_nothing_is_written_or_halted",
        ("catching_up.preview",),
    ),
    Elsewhere(
        "within catching up: no commit of its own",
        f"{RESTORING}/test_catching_up.py:test_cycles_of_every_kind_are_made_again_by_what_they_sent",
        ("concluding.is_ended", "following_up.follow_up", "replaying.place", "retracing._adopted", "retracing._is_there", "retracing.Retraced.keeping"),
    ),
    Elsewhere(
        "a job of the queue",
        A_JOB,
        (
            "address_sync.keep_addresses", "address_sync.keep_addresses#2", "address_sync.keep_allowances",
            "alerting._claim", "dead_letters._recover", "identity_sync._end_contradicted",
            "identity_sync._prove_alone", "identity_sync._prove_by_facts", "identity_sync.keep_listings",
            "reconciling._begun", "retention._prune", "rolling_up.roll_up", "rolling_up.roll_up#2",
        ),
    ),
    Elsewhere(
        "the ledger does not match the venues: a job halts the desk",
        f"{SERVICES}/test_halting.py:test_a_halt_by_the_system_is_left_by_a_person_only",
        ("desk.halt_by_system",),
    ),
    Elsewhere(
        "a restored database: no worker goes on there",
        f"{RESTORING}/test_catching_up.py:test_a_restored_database_halts_itself_at_the_first_intent_and_cannot_resume",
        ("desk.halt_away_from_home",),
    ),
    Elsewhere(
        "a key that its venue rejects: the desk waits for a person",
        f"{SERVICES}/test_fault_keys.py:test_f20_a_key_rejected_mid_run_pauses_its_venue_and_tells_people_once",
        ("desk.pause_by_system",),
    ),
    Elsewhere(
        "a hand-back of its own, which a worker writes only where it has to wait: where it does it is killed there",
        "tests/concurrency/test_stopping.py:test_what_hangs_is_handed_back_around_a_row_that_somebody_keeps_locked",
        ("leasing._write_releases",),
    ),
    Elsewhere(
        "a worker's second thread, which a child of the matrix has not",
        f"{SERVICES}/test_holding.py:test_a_row_that_somebody_has_locked_costs_the_other_leases_nothing_and_is_renewed_next",
        ("leasing.renew",),
    ),
    Elsewhere(
        "a thread that hangs",
        f"{SERVICES}/test_holding.py:test_a_thread_that_hangs_keeps_its_cycle_no_longer_and_people_are_told_once",
        ("holding.Holdings._tell",),
    ),
    Elsewhere(
        "a bug that stops the parking too",
        f"{SERVICES}/test_poison.py:test_a_bug_that_stops_its_parking_too_leaves_the_crew_whole_and_people_are_told_once",
        ("working._tell_not_parked",),
    ),
    Elsewhere(
        "the database goes away between intent and call",
        f"{LOST_LEASE}:test_an_intent_that_was_cut_off_is_disowned_by_its_own_lease_only",
        ("calling._disown",),
    ),
    Elsewhere(
        "what follows from a reply cannot be booked",
        f"{SERVICES}/test_running_again.py:test_an_outcome_is_noted_even_where_the_database_refuses_all_that_follows_from_it",
        ("calling.note#2",),
    ),
    Elsewhere(
        "somebody has locked whom a look concerns",
        "tests/concurrency/test_waking_around_locks.py:test_one_that_was_locked_for_a_moment_is_woken_too",
        ("sighting._wake_the_rest",),
    ),
    Elsewhere(
        "the feeder's: what it leaves undone its next turn does",
        f"{SERVICES}/test_waking.py:test_a_way_back_that_comes_to_clear_wakes_all_it_clears_for",
        ("waking.wake_waiting",),
    ),
    Elsewhere(
        "a withdrawal that went out anew, once overdue: settled again as it was the first time",
        f"{SERVICES}/test_fault_transfers.py:test_f28_a_withdrawal_broadcast_anew_is_found_under_its_new_transaction",
        ("transferring._with_newest_txid",),
    ),
    Elsewhere(
        "a withdrawal given back after it had left: taken back, and a person's, in one commit",
        f"{SERVICES}/test_given_back_late.py:test_who_dies_as_it_takes_back_what_had_left_leaves_it_a_persons_to_send",
        ("transferring._came_back_late",),
    ),
    Elsewhere(
        "a page of the admin: accounts, no money",
        f"{ADMIN}:test_a_colleagues_password_that_is_set_is_told_and_not_shown",
        ("account_tables.AccountAdmin.user_change_password",),
    ),
    Elsewhere(
        "a page of the admin: accounts, no money",
        f"{ADMIN}:test_a_group_that_is_deleted_is_told",
        ("account_tables.TeamAdmin.delete_queryset",),
    ),
    Elsewhere(
        "a page of the admin: accounts, no money",
        f"{ADMIN}:test_ones_own_password_is_told_less_urgently",
        ("site.DeskSite.password_change",),
    ),
    Elsewhere(
        "an API request's key: who dies with it is asked again under the same",
        "tests/concurrency/test_one_key.py:test_of_two_that_take_a_key_at_once_one_acts",
        ("idempotency.begin",),
    ),
    Elsewhere(
        "before any worker runs: the desk is set up",
        f"{SERVICES}/test_korea_venues.py:test_a_venue_taken_up_later_opens_its_books_once_and_the_others_stay",
        ("seeding.open_books",),
    ),
    Elsewhere(
        "before any worker runs: the desk is set up",
        f"{SERVICES}/test_addressing.py:test_a_simulated_desk_needs_no_people",
        ("standing_in.confirm_simulated",),
    ),
)  # fmt: skip
