"""Where each row of the simulator's fault table is proven: through the adapters, and through the services.

A proof through the adapters asserts the outcome and how many requests reached the venue; one through the
services what the desk does of it. Names are `module:function`; a row without them fails
`test_fault_table.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

ORDERS = "tests/exchanges/adapters/test_faults.py"
REFUSALS = "tests/exchanges/adapters/test_fault_refusals.py"
TRANSFERS = "tests/exchanges/adapters/test_fault_transfers.py"
REPLIES = "tests/exchanges/adapters/test_fault_replies.py"
SKEW = "tests/exchanges/adapters/test_skew.py"
PROCESSES = "tests/exchanges/pacing/test_processes.py"
STREAMING = "tests/exchanges/feeds/test_streaming.py"
DEADLINES = "tests/exchanges/transport/test_deadlines.py"
STREAMS = "tests/exchanges/simulator/test_stream_faults.py"
LOST = "tests/cycles/services/test_lost_replies.py"
DESK_ORDERS = "tests/cycles/services/test_fault_orders.py"
LOST_CANCELS = "tests/cycles/services/test_lost_cancels.py"
DESK_TRANSFERS = "tests/cycles/services/test_fault_transfers.py"
DESK_KEYS = "tests/cycles/services/test_fault_keys.py"
KOREA = "tests/cycles/services/test_korea_venues.py"
DESK_VENUES = "tests/cycles/services/test_venue_health.py"
TRADING = "tests/cycles/services/test_trading.py"
TRANSFERRING = "tests/cycles/services/test_transferring.py"
CRASHES = "tests/crashes/test_crash_points.py"
CHAOS = "tests/crashes/test_chaos.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """The proofs of one row. `spared`: why there is nothing that the services would do of it."""

    adapters: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    spared: str = ""


_ADOPTED = f"{ORDERS}:test_an_accepted_order_with_a_lost_reply_is_unknown_then_found_and_sent_once"
_ABSENT = f"{ORDERS}:test_an_order_lost_before_acceptance_is_unknown_then_not_found_and_sent_once"
_BUY_ADOPTED = f"{LOST}:test_a_buy_whose_reply_was_lost_is_adopted_and_not_sent_again"
_BUY_ABSENT = f"{LOST}:test_an_order_that_never_was_is_absent_only_after_the_venues_window"
_BOTH_WAYS = Proofs(adapters=(_ADOPTED, _ABSENT), services=(_BUY_ADOPTED, _BUY_ABSENT))

PROOFS: dict[str, Proofs] = {
    "F1": Proofs(adapters=(_ABSENT,), services=(_BUY_ABSENT,)),
    "F2": Proofs(adapters=(_ADOPTED,), services=(_BUY_ADOPTED,)),
    "F3": Proofs(adapters=(_ABSENT,), services=(_BUY_ABSENT,)),
    "F4": Proofs(
        adapters=(_ADOPTED,),
        services=(_BUY_ADOPTED, f"{LOST}:test_a_sale_at_upbit_whose_reply_was_lost_is_adopted"),
    ),
    "F5": _BOTH_WAYS,
    "F6": _BOTH_WAYS,
    "F7": Proofs(
        adapters=(
            _ADOPTED,
            _ABSENT,
            f"{DEADLINES}:test_f7_a_kept_connection_that_the_venue_gave_up_carries_no_order",
        ),
        services=(_BUY_ADOPTED,),
    ),
    "F8": Proofs(adapters=(_ADOPTED,), services=(_BUY_ADOPTED,)),
    "F9": Proofs(adapters=(_ADOPTED,), services=(_BUY_ADOPTED,)),
    "F10": Proofs(
        adapters=(f"{ORDERS}:test_f10_a_closed_port_is_not_sent",),
        services=(
            f"{DESK_ORDERS}:test_f10_a_port_that_refuses_costs_a_retry_and_nothing_was_intended",
        ),
    ),
    "F11": Proofs(
        adapters=(f"{ORDERS}:test_f11_a_duplicate_refusal_is_followed_by_a_look_up",),
        services=(
            f"{LOST}:test_a_duplicate_that_the_venue_names_is_looked_up_not_taken_for_a_refusal",
        ),
    ),
    "F12": Proofs(
        adapters=(
            f"{ORDERS}:test_f12_a_korean_venue_itself_refuses_an_id_it_has_seen",
            f"{ORDERS}:test_f12_binance_accepts_a_client_id_again_so_its_rule_says_that_ids_do_not_guard",
        ),
        services=(
            f"{DESK_ORDERS}:test_f12_no_client_order_id_goes_out_twice_whatever_happens_to_its_order",
        ),
    ),
    "F13": Proofs(
        adapters=(
            f"{ORDERS}:test_f13_a_partial_fill_ends_closed_with_what_it_got",
            f"{ORDERS}:test_f13_an_order_that_rests_with_a_part_is_cancelled_and_read_again",
            f"{ORDERS}:test_f13_a_cancel_that_comes_too_late_is_no_error_and_the_order_is_filled",
            f"{ORDERS}:test_a_cancel_whose_reply_is_lost_is_unknown_sent_once_and_told_by_its_order",
        ),
        services=(
            f"{TRADING}:test_what_remains_of_a_partial_fill_is_sent_again_as_a_new_attempt",
            f"{DESK_ORDERS}:test_f13_an_order_that_rests_is_cancelled_once_and_settled_by_what_it_got",
            f"{DESK_ORDERS}:test_f13_a_cancel_that_a_fill_outruns_leaves_the_whole_order_settled",
            f"{LOST_CANCELS}:test_a_cancel_that_was_accepted_and_whose_reply_was_lost_is_done_once_its_order_is_found",
            f"{LOST_CANCELS}:test_an_order_that_rests_on_because_its_cancel_was_lost_is_cancelled_by_another_request",
        ),
    ),
    "F14": Proofs(
        adapters=(f"{ORDERS}:test_f14_an_order_that_finds_nothing_ends_closed_and_empty",),
        services=(f"{TRADING}:test_an_order_without_a_fill_is_tried_again_and_leaves_no_fill",),
    ),
    "F15": Proofs(
        adapters=(
            f"{ORDERS}:test_f15_a_lagging_read_says_not_found_of_an_order_that_exists",
            f"{ORDERS}:test_f15_a_lagging_account_shows_what_was_held_before",
        ),
        services=(f"{LOST}:test_read_lag_is_not_taken_for_absence",),
    ),
    "F16": Proofs(
        adapters=(
            f"{ORDERS}:test_f16_an_order_that_is_not_ready_is_read_again_and_found",
            f"{ORDERS}:test_f16_an_order_that_stays_not_ready_is_unknown_and_never_absent",
        ),
        services=(f"{KOREA}:test_f16_an_order_that_is_not_ready_is_waited_for_and_sent_once",),
    ),
    "F17": Proofs(
        adapters=(
            f"{ORDERS}:test_f17_a_code_that_means_a_failure_inside_is_unknown_and_the_order_is_found",
            f"{ORDERS}:test_f17_such_a_code_before_acceptance_is_unknown_and_nothing_is_found",
        ),
        services=(
            _BUY_ADOPTED,
            f"{DESK_ORDERS}:test_f17_a_failure_inside_is_looked_up_and_absent_only_after_the_window",
        ),
    ),
    "F18": Proofs(
        adapters=(
            f"{REFUSALS}:test_f18_the_limiter_turns_an_order_away_and_is_not_asked_again_before_its_time",
            f"{REFUSALS}:test_f18_a_ban_or_a_firewall_holds_every_call_back_reads_too",
            f"{REFUSALS}:test_f18_a_read_that_is_turned_away_is_not_repeated_at_once",
            f"{REFUSALS}:test_f18_a_limiter_that_names_no_time_is_given_a_second",
            f"{PROCESSES}:test_f18_a_ban_that_one_process_met_is_kept_by_all",
            f"{PROCESSES}:test_f18_retry_after_is_waited_out_and_then_the_call_goes",
        ),
        services=(
            f"{DESK_ORDERS}:test_f18_a_venue_that_turns_us_away_is_left_alone_until_its_time",
            f"{DESK_ORDERS}:test_f18_an_order_that_a_firewall_swallowed_is_looked_up_once_it_lets_us",
        ),
    ),
    "F19": Proofs(
        adapters=(
            f"{REFUSALS}:test_f19_a_clock_outside_of_the_window_refuses_the_order_and_it_is_not_sent_again",
            f"{REFUSALS}:test_f19_the_time_that_the_venue_tells_may_be_wrong",
            f"{SKEW}:test_f19_a_read_that_is_refused_for_its_stamp_is_repeated_once_on_a_measured_clock",
            f"{SKEW}:test_f19_an_order_that_is_refused_for_its_stamp_is_not_repeated_and_the_next_one_goes",
            f"{SKEW}:test_f19_a_time_endpoint_that_lies_too_is_asked_once_and_then_seldom",
            f"{SKEW}:test_f19_a_slow_answer_is_known_to_be_doubtful_and_a_quick_one_ends_the_doubt",
        ),
        services=(
            f"{DESK_VENUES}:test_f19_a_venue_that_refuses_a_measured_clock_is_not_traded_on_until_it_takes_one",
        ),
    ),
    "F20": Proofs(
        adapters=(
            f"{REFUSALS}:test_f20_a_key_that_upbit_refuses_is_refused_as_key_and_nothing_is_sent_again",
            f"{REFUSALS}:test_f20_a_key_that_binance_refuses_is_refused_as_key_and_nothing_is_sent_again",
        ),
        services=(
            f"{DESK_KEYS}:test_f20_a_key_rejected_mid_run_pauses_its_venue_and_tells_people_once",
            f"{DESK_KEYS}:test_f20_nothing_opens_at_a_paused_venue_until_a_person_lifts_it",
            f"{DESK_KEYS}:test_f20_retries_end_with_a_person_and_each_asked_the_venue_once",
        ),
    ),
    "F21": Proofs(
        adapters=(
            f"{REFUSALS}:test_f21_an_order_off_a_step_that_has_become_coarser_is_refused_and_the_new_rules_carry",
            f"{REFUSALS}:test_f21_a_minimum_raised_meanwhile_is_refused_and_told_from_then_on",
            f"{REFUSALS}:test_f21_off_the_step_and_too_precise_is_refused_by_the_rules",
        ),
        services=(
            f"{DESK_ORDERS}:test_f21_an_order_refused_by_changed_rules_reads_them_again_and_the_retry_uses_them",
        ),
    ),
    "F22": Proofs(
        adapters=(f"{ORDERS}:test_f22_missing_funds_are_refused",),
        services=(f"{TRADING}:test_a_refusal_takes_its_class_and_moves_nothing",),
    ),
    "F23": Proofs(
        adapters=(
            f"{REFUSALS}:test_f23_in_maintenance_no_order_is_accepted_and_the_rules_say_that_the_market_is_closed",
            f"{REFUSALS}:test_f23_what_rested_at_binance_has_expired_and_keeps_what_it_had_got",
        ),
        services=(
            f"{DESK_ORDERS}:test_f23_in_maintenance_nothing_opens_there_and_what_is_under_way_waits",
            f"{DESK_ORDERS}:test_f23_upbits_maintenance_leaves_a_sale_unknown_until_it_is_absent",
        ),
    ),
    "F24": Proofs(
        adapters=(
            f"{TRANSFERS}:test_f24_an_accepted_withdrawal_with_a_lost_reply_is_listed_and_sent_once",
        ),
        services=(f"{LOST}:test_a_withdrawal_whose_reply_was_lost_is_found_and_not_sent_again",),
    ),
    "F25": Proofs(
        adapters=(
            f"{TRANSFERS}:test_f25_a_withdrawal_lost_before_acceptance_is_unknown_and_not_sent_again",
        ),
        services=(f"{LOST}:test_an_unknown_withdrawal_is_never_resent_but_a_dead_letter",),
    ),
    "F26": Proofs(
        adapters=(
            f"{TRANSFERS}:test_f26_a_twin_is_told_apart_by_our_id_where_the_venue_keeps_it_and_by_nothing_else",
        ),
        services=(
            f"{DESK_TRANSFERS}:test_f26_two_withdrawals_alike_at_upbit_are_a_persons_to_tell_apart",
            f"{DESK_TRANSFERS}:test_f26_at_binance_our_own_id_tells_them_apart",
        ),
    ),
    "F27": Proofs(
        adapters=(
            f"{TRANSFERS}:test_f27_a_withdrawal_that_the_venue_ends_later_has_failed_and_its_money_is_back",
        ),
        services=(
            f"{TRANSFERRING}:test_a_withdrawal_given_back_is_undone_in_the_ledger_and_tried_anew",
        ),
    ),
    "F28": Proofs(
        adapters=(
            f"{TRANSFERS}:test_f28_a_stuck_withdrawal_stays_pending",
            f"{TRANSFERS}:test_f28_a_withdrawal_stuck_on_the_chain_shows_its_txid_and_is_no_deposit",
            f"{TRANSFERS}:test_f28_a_rebroadcast_withdrawal_shows_its_new_txid",
        ),
        services=(
            f"{TRANSFERRING}:test_a_stuck_withdrawal_is_told_once_and_nothing_is_assumed",
            f"{TRANSFERRING}:test_what_is_under_way_counts_as_in_flight_not_as_lost",
            f"{DESK_TRANSFERS}:test_f28_a_withdrawal_broadcast_anew_is_found_under_its_new_transaction",
        ),
    ),
    "F29": Proofs(
        adapters=(
            f"{TRANSFERS}:test_f29_a_deposit_whose_confirmations_stall_stays_pending",
            f"{TRANSFERS}:test_f29_a_deposit_that_a_reorganisation_takes_away_is_pending_gone_pending_credited",
            f"{TRANSFERS}:test_f29_a_credited_deposit_may_be_traded_and_not_withdrawn_while_it_is_locked",
            f"{TRANSFERS}:test_f29_a_deposit_that_is_less_than_was_sent_says_so",
        ),
        services=(
            f"{DESK_TRANSFERS}:test_f29_a_deposit_that_is_late_or_undone_once_is_credited_once_and_not_before",
            f"{DESK_TRANSFERS}:test_f29_a_deposit_of_less_than_was_sent_is_settled_for_what_it_is_and_told",
            f"{DESK_TRANSFERS}:test_f29_who_dies_as_it_settles_too_small_a_deposit_leaves_its_coins_to_a_person",
            f"{DESK_TRANSFERS}:test_f29_coins_credited_and_locked_abroad_are_sold_there_all_the_same",
        ),
    ),
    "F30": Proofs(
        adapters=(
            f"{TRANSFERS}:test_f30_a_deposit_that_wants_a_person_is_never_credited",
            f"{TRANSFERS}:test_f30_a_refunded_deposit_has_failed",
        ),
        services=(
            f"{DESK_TRANSFERS}:test_f30_a_deposit_that_is_held_or_sent_back_waits_for_a_person_and_is_sent_once",
            f"{DESK_TRANSFERS}:test_f30_a_deposit_with_the_wrong_tag_never_shows_and_is_told_as_overdue",
        ),
    ),
    "F31": Proofs(
        adapters=(
            f"{TRANSFERS}:test_f31_a_wallet_that_closed_meanwhile_refuses_whatever_its_status_says",
        ),
        services=(
            f"{DESK_TRANSFERS}:test_f31_a_wallet_that_refuses_is_closed_here_whatever_its_status_says",
            f"{DESK_TRANSFERS}:test_f31_after_ten_minutes_of_the_market_the_status_is_believed_again_and_the_retry_goes_through",
        ),
    ),
    "F32": Proofs(
        adapters=(
            f"{TRANSFERS}:test_f32_the_fee_really_taken_is_in_the_report",
            f"{TRANSFERS}:test_f32_a_minimum_raised_meanwhile_refuses_by_the_rules",
        ),
        services=(
            f"{DESK_TRANSFERS}:test_f32_a_fee_that_rose_meanwhile_is_booked_as_taken_and_the_terms_are_read_again",
            f"{DESK_TRANSFERS}:test_f32_a_fee_that_rose_beyond_what_is_left_is_read_again_and_the_retry_pays_it",
            f"{DESK_TRANSFERS}:test_f32_a_minimum_raised_beyond_what_is_there_is_read_again_and_not_tried_against",
        ),
    ),
    "F33": Proofs(
        adapters=(
            f"{REPLIES}:test_f33_a_reply_that_drips_from_its_first_header_on_is_unknown_at_the_deadline_and_found",
            f"{DEADLINES}:test_f33_headers_that_drip_end_at_the_deadline",
            f"{DEADLINES}:test_f33_a_tls_handshake_that_drips_ends_at_the_deadline_and_was_not_sent",
        ),
        services=(_BUY_ADOPTED,),
    ),
    "F34": Proofs(
        adapters=(
            f"{REPLIES}:test_f34_a_redirect_is_not_followed_and_the_order_is_found",
            f"{REPLIES}:test_f34_a_gibibyte_is_neither_unpacked_nor_read_and_the_order_is_found",
            f"{DEADLINES}:test_f34_a_body_is_read_up_to_its_cap_only_whatever_it_says",
        ),
        services=(_BUY_ADOPTED,),
    ),
    "F35": Proofs(
        adapters=(
            f"{STREAMING}:test_lost_doubled_and_swapped_frames_leave_no_wrong_level",
            f"{STREAMING}:test_a_connection_that_breaks_is_made_again_with_its_subscriptions",
            f"{STREAMING}:test_a_stream_that_hangs_is_noticed_and_books_are_read_meanwhile",
            f"{STREAMS}:test_a_private_stream_may_be_refused_when_it_connects_again",
            f"{STREAMS}:test_an_event_is_there_before_the_reply_is",
            f"{STREAMS}:test_a_lost_event_happened_all_the_same",
        ),
        spared="streams send no request that could arrive twice",
    ),
    "F36": Proofs(
        adapters=(
            f"{REPLIES}:test_f36_a_book_that_no_market_has_is_told_as_it_is_and_the_guard_trips",
            f"{REPLIES}:test_f36_a_stamp_that_stands_still_trips_the_guard",
        ),
        services=(
            f"{DESK_ORDERS}:test_f36_a_book_that_no_market_has_is_not_sampled_and_is_said_loudly",
            f"{DESK_ORDERS}:test_f36_no_order_goes_out_on_a_book_that_no_market_has",
            f"{DESK_ORDERS}:test_f36_coins_in_hand_are_not_sold_at_a_thousandth_of_their_price",
            f"{DESK_ORDERS}:test_f36_a_stamp_that_stands_still_is_no_book_once_it_is_old",
        ),
    ),
    "F37": Proofs(
        adapters=(
            f"{REPLIES}:test_f37_an_order_whose_reply_has_other_types_is_read_or_unknown_and_then_found",
            f"{REPLIES}:test_f37_a_read_whose_fields_have_other_types_is_right_or_unknown",
            f"{REPLIES}:test_f37_a_look_up_whose_fields_have_other_types_tells_the_truth_or_is_unknown",
        ),
        spared="what is not read is unknown, as F9",
    ),
    "F38": Proofs(
        services=(
            f"{CRASHES}:test_a_worker_killed_at_any_point_of_a_call_leaves_one_order",
            f"{CRASHES}:test_a_worker_killed_while_the_server_settles_for_it_settles_nothing_twice",
            f"{CRASHES}:test_a_worker_that_sleeps_between_intent_and_call_sends_nothing_when_it_wakes",
            f"{CHAOS}:test_no_crash_sends_twice_strands_a_cycle_or_bends_the_ledger",
        ),
    ),
}
