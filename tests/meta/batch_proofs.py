"""Every place that handles many rows at once: the test that counts its statements, or why no number of rows makes them more."""

from __future__ import annotations

SERVICES = "tests/cycles/services"
BENCHMARKS = "tests/benchmarks/test_benchmarks.py"
SYNC = "tests/exchanges/test_reference.py:test_keeping_five_assets_takes_no_more_statements_than_keeping_one"
LOOK = f"{SERVICES}/test_looking.py:test_what_a_look_shows_is_written_and_woken_in_as_many_statements_however_much_it_is"
REDRIVE = f"{SERVICES}/test_redriving.py:test_a_batch_takes_as_many_statements_with_many_cycles_as_with_one"
ASKED = f"{SERVICES}/test_reconciling_in_turn.py:test_asking_about_more_calls_takes_no_more_queries"
STEP = f"{BENCHMARKS}:test_a_durable_step_takes_a_counted_number_of_statements"
# `file:function`, or the file of its SQL.
COUNTED = {
    "cycles/services/alerting.py:INSERT": "tests/cycles/test_alerting.py:test_without_a_channel_many_alerts_take_as_many_statements_as_two",
    "cycles/services/dead_letters.py:process_dead_letters": f"{SERVICES}/test_dead_letters.py:test_judging_more_dead_letters_takes_no_more_queries",
    "cycles/services/reconciling.py:_in_batches": ASKED,
    "cycles/services/reconciling.py:reconcile_open_calls": ASKED,
    "cycles/services/redriving.py:_batches": REDRIVE,
    "cycles/services/sweeping.py:_sweep": f"{SERVICES}/test_sweeping.py:test_a_sweep_claims_each_cycle_by_one_statement_when_its_turn_comes",
    "cycles/services/watching.py:look": f"{SERVICES}/test_watching.py:test_a_tick_over_five_assets_takes_no_more_queries_than_over_one",
    "cycles/sql/durable_step.sql": STEP,
    "cycles/sql/lock_cycles.sql": REDRIVE,
    "cycles/sql/redrive.sql": REDRIVE,
    "cycles/sql/see_deposits.sql": LOOK,
    "cycles/sql/see_orders.sql": LOOK,
    "cycles/sql/see_withdrawals.sql": LOOK,
    "cycles/sql/settle_v2.sql": STEP,
    "exchanges/address_sync.py:keep_addresses": SYNC,
    "exchanges/address_sync.py:keep_allowances": SYNC,
    "exchanges/market_sync.py:_add_routes": SYNC,
    "exchanges/pacing/take_tokens.sql": f"{BENCHMARKS}:test_a_shared_budget_costs_one_statement_an_order_and_fewer_a_read",
    "exchanges/rule_sync.py:_keep": SYNC,
}
FIXED = {
    "cycles/selectors/premia.py:_ROLLED": "one statement; the columns of one chart are what is many",
    "cycles/services/booking.py:_accounts": "the few accounts of one posting, all found and opened at once",
    "cycles/services/booking.py:post": "the few lines of one posting",
    "cycles/services/hearing.py:_hold": "four statements; the desk's few venues are what is many",
    "cycles/services/looking.py:begin": "one row",
    "cycles/services/presence.py:beat": "one row",
    "cycles/services/rebalancing.py:write_steps": "the few steps of one passage",
    "cycles/services/rolling_up.py:_batch": "two statements that read the batch by its first and its last id",
    "cycles/services/rotating.py:_remember": "one row",
    "cycles/services/standing_in.py:_confirm_all": "four statements, of a simulated desk's addresses",
    "exchanges/feeds/units.py:__init__": "levels of a book: no database",
    "exchanges/identity_sync.py:_add": "one statement, whatever a venue lists",
    "exchanges/identity_sync.py:_prove": "one statement, whatever is proven",
    "exchanges/identity_sync.py:_say_why": "a read and a statement, whatever is not proven",
    "kimp/metrics.py:GAUGES": "one statement; the slots of one window are what is many",
    "kimp/queue_health.py:begin": "a read and a statement, of the few jobs",
}
