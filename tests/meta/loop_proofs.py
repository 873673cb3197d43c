"""Every loop that asks the database each time around: why, and the test that counts what each takes, or why they are few."""

from __future__ import annotations

SERVICES = "tests/cycles/services"
FLAT = "tests/cycles/restoring/test_flat_catching_up.py"
FORGOTTEN = f"{FLAT}:test_a_cycle_that_was_forgotten_takes_its_own_statements_and_nothing_else"
IDENTITIES = "tests/exchanges/test_flat_identities.py"
ITS_OWN = "a cycle's trouble is its own: what does not fit is undone, and stops no other"
RETENTION = f"{SERVICES}/test_rolling_up.py:test_a_slice_of_many_rows_goes_by_as_many_statements_as_one_of_few"
REDRIVE = f"{SERVICES}/test_redriving.py:test_a_batch_takes_as_many_statements_with_many_cycles_as_with_one"
# `file:function`: why each takes statements of its own, and the test that counts them.
EACH: dict[str, tuple[str, str]] = {
    "cycles/services/alerting.py:deliver_due": (
        "each is taken and noted around the one message that it sends: none is told again for another's sake",
        "tests/cycles/test_alerting.py:test_an_alert_with_a_channel_takes_a_claim_and_a_note_of_its_own",
    ),
    "cycles/services/catching_up.py:_park_undecided": (
        "each cycle moves under its own lock, with a transition and an alert of its own",
        f"{FLAT}:test_a_cycle_of_which_only_a_person_can_tell_takes_its_own_statements_and_nothing_else",
    ),
    "cycles/services/reconciling.py:_in_batches": (
        "a batch each time around, not a call",
        f"{SERVICES}/test_reconciling_in_turn.py:test_calls_that_their_venue_knows_nothing_of_are_asked_about_without_a_query_for_each",
    ),
    "cycles/services/gathering.py:mark_missed": (
        "a statement for all that were asked for at one instant",
        f"{SERVICES}/test_reconciling_in_turn.py:test_calls_that_their_venue_knows_nothing_of_are_asked_about_without_a_query_for_each",
    ),
    "cycles/services/redriving.py:redrive_all": ("a batch each time around, not a cycle", REDRIVE),
    "cycles/services/retention.py:_prune": ("a slice each time around, not a row", RETENTION),
    "cycles/services/retracing.py:_is_written": (ITS_OWN, FORGOTTEN),
    "cycles/services/retracing.py:_retraced": (
        f"{ITS_OWN}. One that lacks its capital is tried again in each round in which another has ended; that is not counted",
        FORGOTTEN,
    ),
    "cycles/services/retracing.py:park": (
        "each cycle moves under its own lock, with a transition and an alert of its own",
        FORGOTTEN,
    ),
    "exchanges/identity_sync.py:_prove_by_facts": (
        "which of many names the database refuses tells only the refusal of each by itself",
        f"{IDENTITIES}:test_a_name_that_the_database_keeps_from_its_proof_takes_its_own_statements_and_nothing_else",
    ),
}
A_PERSONS = "one cycle's few requests, on a person's word"
STEPS = "the few steps of one cycle"
VENUES = "the desk's few venues"
AT_A_VENUE = "the few assets that a desk holds at its venues"
# Why no number of rows makes them more.
FEW: dict[str, str] = {
    "cycles/admin/log_in.py:_first_attempt": "one set of rows, or two: by name, and by address",
    "cycles/admin/queue_page.py:view": "the three tabs; of the few that a page shows what is offered comes from the row",
    "cycles/diagnosis/keys.py:of_scopes": "two kinds of request",
    "cycles/diagnosis/rates.py:of_samples": VENUES,
    "cycles/diagnosis/ways.py:of_rules": VENUES,
    "cycles/management/commands/redrive.py:_show": "the cycles that a person has named, each shown whole",
    "cycles/services/accepting.py:_moved": "what the desk holds, and its dust",
    "cycles/services/accepting.py:accept": AT_A_VENUE,
    "cycles/services/desk.py:paused_assets": "the pauses of two venues; who begins is asked for no more often",
    "cycles/services/disclaiming.py:_is_learnt_late": "a request and its cancels",
    "cycles/services/feeding.py:_wake": VENUES,
    "cycles/services/following_up.py:_news": "the withdrawals of one cycle",
    "cycles/services/following_up.py:follow_up": "the withdrawals of one cycle",
    "cycles/services/holding.py:renew": "threads that hang, each told once: of one that is not written the next try tells",
    "cycles/services/homing.py:is_at_home": "the one desk",
    "cycles/services/leasing.py:hand_back": "tries",
    "cycles/services/locking.py:persistently": "tries",
    "cycles/services/notices.py:_run": "a connection that listens, and is opened anew once it broke",
    "cycles/services/opening.py:decide": VENUES,
    "cycles/services/paid_in.py:_pay": "the fees of one cycle in one asset",
    "cycles/services/paid_in.py:bring_in": "cycles whose fees lack, in a savepoint each: what the venue has not got is undone; a person waits for it",
    "cycles/services/previewing.py:_never_accepted": A_PERSONS,
    "cycles/services/proving.py:read_on": "a piece of the entries each time around, not an entry, for a bounded time",
    "cycles/services/pruning.py:_forget_seen": "the three tables",
    "cycles/services/reconciling.py:reconcile_cycle": "the open calls of one cycle",
    "cycles/services/replaying.py:_reached": STEPS,
    "cycles/services/resolving.py:_close_calls": A_PERSONS,
    "cycles/services/resolving.py:_settle": A_PERSONS,
    "cycles/services/retention.py:_oldest": "the few series of samples",
    "cycles/services/retention.py:_slice": "the few series of samples",
    "cycles/services/retraced.py:never_came": AT_A_VENUE,
    "cycles/services/retraced.py:owned_by_desk": "what the desk holds, and its dust",
    "cycles/services/retracing.py:_adopted": STEPS,
    "cycles/services/retracing.py:_tried": "the cycles that lack their capital, as `_retraced` makes them; undone",
    "cycles/services/rolling_up.py:_batch": "minutes and hours",
    "cycles/services/rolling_up.py:roll_up": "a batch each time around, for a bounded time",
    "cycles/services/seeding.py:_open_accounts": "the assets held at a venue, once in a desk's life",
    "cycles/services/settling.py:_from_the_desk": "what the desk holds, and its dust",
    "cycles/services/sighting.py:_wake_the_rest": "tries",
    "cycles/services/standing_in.py:confirm_simulated": "the two who stand in",
    "cycles/services/strangers.py:_stop_whoever_may_resend": (
        "who may have sent what is nobody's; each is told by itself, since whom one was told of is asked of the next no more"
    ),
    "cycles/services/verifying.py:cycles_in_flight": "the two kinds of calls under way",
    "cycles/services/verifying.py:in_flight": "the two kinds of calls under way",
}
