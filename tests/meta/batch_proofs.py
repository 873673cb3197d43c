"""Every place that handles many rows at once: the tests that count its statements, or why no number of rows makes them more."""

from __future__ import annotations

SERVICES = "tests/cycles/services"
BENCHMARKS = "tests/benchmarks/test_benchmarks.py"
SYNC = "tests/exchanges/test_reference.py:test_keeping_five_assets_takes_no_more_statements_than_keeping_one"
CHANGED = "tests/exchanges/test_flat_identities.py:test_a_change_of_twelve_names_takes_no_more_statements_than_of_two"
LOOK = f"{SERVICES}/test_looking.py:test_what_a_look_shows_is_written_and_woken_in_as_many_statements_however_much_it_is"
REDRIVE = f"{SERVICES}/test_redriving.py:test_a_batch_takes_as_many_statements_with_many_cycles_as_with_one"
IN_TURN = f"{SERVICES}/test_reconciling_in_turn.py"
EITHER_WAY = (
    f"{IN_TURN}:test_asking_about_more_calls_takes_no_more_queries",  # within their venue's window
    f"{IN_TURN}:test_calls_that_their_venue_knows_nothing_of_are_asked_about_without_a_query_for_each",
    f"{IN_TURN}:test_a_call_whose_outcome_is_decided_takes_its_own_transaction_and_nothing_else",
)
ASKED = (
    *EITHER_WAY,
    f"{IN_TURN}:test_asking_about_ten_withdrawals_takes_no_more_queries_than_about_one",
)
STEP = f"{BENCHMARKS}:test_a_durable_step_takes_a_counted_number_of_statements"
# `file:function`, or the file of its SQL. Of several tests each counts another kind of row.
COUNTED: dict[str, str | tuple[str, ...]] = {
    "cycles/services/alerting.py:INSERT": "tests/cycles/test_alerting.py:test_many_alerts_are_written_by_one_statement",
    "cycles/services/dead_letters.py:process_dead_letters": (
        f"{SERVICES}/test_dead_letters.py:test_judging_more_dead_letters_takes_no_more_queries",
        f"{SERVICES}/test_dead_letters.py:test_each_dead_letter_that_recovers_takes_its_own_transaction_and_nothing_else",
    ),
    "cycles/services/leasing.py:RENEW": f"{SERVICES}/test_sweeping.py:test_many_leases_are_renewed_by_as_many_statements_as_one",
    "cycles/services/reconciling.py:_in_batches": EITHER_WAY,
    "cycles/services/reconciling.py:reconcile_open_calls": ASKED,
    "cycles/services/redriving.py:_batches": REDRIVE,
    "cycles/services/retention.py:_prune": f"{SERVICES}/test_rolling_up.py:test_a_slice_of_many_rows_goes_by_as_many_statements_as_one_of_few",
    "cycles/services/sweeping.py:_sweep": f"{SERVICES}/test_sweeping.py:test_a_sweep_claims_each_cycle_by_one_statement_when_its_turn_comes",
    "cycles/services/totalling.py:add_up": f"{SERVICES}/test_totalling.py:test_a_batch_takes_as_many_statements_with_many_cycles_as_with_one",
    "cycles/services/watching.py:look": f"{SERVICES}/test_watching.py:test_a_tick_over_five_assets_takes_no_more_queries_than_over_one",
    "cycles/sql/durable_step.sql": STEP,
    "cycles/sql/lock_cycles.sql": STEP,
    "cycles/sql/redrive.sql": REDRIVE,
    "cycles/sql/see_deposits.sql": LOOK,
    "cycles/sql/see_orders.sql": LOOK,
    "cycles/sql/see_withdrawals.sql": LOOK,
    "cycles/sql/settle_v2.sql": STEP,
    "exchanges/address_sync.py:keep_addresses": (
        SYNC,
        "tests/exchanges/test_reference.py:test_twelve_addresses_that_their_venue_changed_take_no_more_statements_than_one",
    ),
    "exchanges/address_sync.py:_end_allowances": SYNC,
    "exchanges/address_sync.py:keep_allowances": SYNC,
    "exchanges/answers.py:KEEP": SYNC,
    "exchanges/identity_sync.py:_compare": CHANGED,
    "exchanges/identity_sync.py:_withdraw": CHANGED,
    "exchanges/market_sync.py:_add_routes": SYNC,
    "exchanges/pacing/take_tokens.sql": f"{BENCHMARKS}:test_a_shared_budget_costs_one_statement_an_order_and_fewer_a_read",
    "exchanges/rule_sync.py:_keep": SYNC,
}
NAMED = frozenset(
    test for named in COUNTED.values() for test in ((named,) if isinstance(named, str) else named)
)
FIXED = {
    "cycles/selectors/premia.py:_ROLLED": "one statement; the columns of one chart are what is many",
    "cycles/services/booking.py:_accounts": "the few accounts of one posting, all found and opened at once",
    "cycles/services/booking.py:post": "the few lines of one posting",
    "cycles/services/committing.py:_taken": "no statement of its own: who waits for `stepping` is in one of its statements, counted there",
    "cycles/services/hearing.py:_hold": "four statements; the desk's few venues are what is many",
    "cycles/services/looking.py:begin": "one row",
    "cycles/services/presence.py:beat": "one row",
    "cycles/services/proving.py:_sum_piece": "one statement; the entries of a piece are what is many",
    "cycles/services/rebalancing.py:write_steps": "the few steps of one passage",
    "cycles/services/rolling_up.py:_batch": "two statements that read the batch by its first and its last id",
    "cycles/services/rotating.py:_remember": "one row",
    "cycles/services/standing_in.py:_confirm_all": "four statements, of a simulated desk's addresses",
    "cycles/services/warming.py:warm": "each statement once, on no rows",
    "exchanges/feeds/units.py:__init__": "levels of a book: no database",
    "exchanges/identity_sync.py:_add": "one statement, whatever a venue lists",
    "exchanges/identity_sync.py:_prove": "one statement, whatever is proven",
    "exchanges/identity_sync.py:_say_why": "a read and a statement, whatever is not proven",
    "exchanges/transport/paging.py:whole": "pages of a venue's list: no database",
    "kimp/diagnosis/database.py:_settings": "one statement, of the few settings",
    "kimp/metrics.py:GAUGES": "one statement; the slots of one window are what is many",
    "kimp/queue_health.py:begin": "a read and a statement, of the few jobs",
}
