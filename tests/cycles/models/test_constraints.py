"""Every constraint of the rows refuses what it should; the table of tries is complete."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import ForeignKey
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome
from cycles.models import (
    Account,
    Alert,
    ApiToken,
    Desk,
    Entry,
    ExchangeCall,
    IdempotencyRecord,
    LedgerMark,
    Pause,
    Posting,
    PremiumHour,
    PremiumMinute,
    RollUpMark,
    SeenDeposit,
    SeenOrder,
    SeenWithdrawal,
    Transition,
)
from tests import builders
from tests.cycles.models.refusing import refused
from tests.cycles.models.trying import (
    BUCKET,
    SEEN,
    THEN,
    Try,
    account,
    address,
    allowed,
    answer,
    call,
    changed_address,
    clock,
    coded,
    confirmation_by_one,
    cycle,
    fill,
    identity,
    intervention,
    itself,
    market,
    network,
    new,
    person,
    policy,
    route,
    seen,
    sent_as,
    spent,
    step,
    twice,
    verification,
    watch,
    window,
    withdrawal,
)

pytestmark = pytest.mark.django_db

# Never reached by itself: the trigger that wants each confirmation to be its own person's act refuses before it.
BEHIND_ANOTHER = {"cycles_addressconfirmation_intervention_id_key"}
APPS = ("cycles", "exchanges")
UNKNOWN = "NONE"
# Checks and uniqueness, but for what a field's own kind asks for: that is asked of the models.
CONSTRAINTS = r"""
SELECT conname FROM pg_constraint
 WHERE conrelid::regclass::text ~ '^(cycles|exchanges)_' AND contype IN ('c', 'u', 'x')
   AND pg_get_constraintdef(oid) !~ '^CHECK \(\("?\w+"? >= 0\)\)$'
 UNION
SELECT indexrelid::regclass::text FROM pg_index
 WHERE indrelid::regclass::text ~ '^(cycles|exchanges)_' AND indisunique AND NOT indisprimary
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
TRIES: list[tuple[str, Try]] = [
    ("cycle_status_known", cycle(status=UNKNOWN)),
    ("cycle_kind_known", cycle(kind=UNKNOWN)),
    ("cycle_plan_known", cycle(plan=UNKNOWN)),
    ("cycle_failure_class_known", cycle(failure_class=UNKNOWN)),
    ("cycle_final_has_ended", cycle(status="COMPLETED", wake_at=None)),
    ("cycle_final_has_ended", cycle(status="FAILED", ended_at=THEN)),
    ("cycle_final_has_ended", cycle(ended_at=THEN)),
    ("cycle_retry_pending_is_planned", cycle(status="RETRY_PENDING", resume_status="STARTED")),
    ("cycle_retry_pending_is_planned", cycle(status="RETRY_PENDING", next_retry_at=THEN)),
    ("cycle_dead_letter_says_why", cycle(status="DEAD_LETTER", wake_at=None)),
    (
        "cycle_dead_letter_says_why",
        cycle(status="DEAD_LETTER", failure_class="BUG", resume_status="STARTED"),
    ),
    ("cycle_running_has_wake_up", cycle(wake_at=None)),
    ("cycle_initial_trade_names_its_asset", cycle(outbound_asset="")),
    ("cycle_rebalancing_names_its_asset", cycle(status="REBALANCING_IN_PROGRESS")),
    ("cycle_lease_is_whole", cycle(lease_owner="somebody")),
    ("cycle_lease_is_whole", cycle(lease_expires_at=THEN)),
    ("cycle_resume_status_running", cycle(resume_status="DEAD_LETTER")),
    ("cycle_notional_not_negative", cycle(notional_usdt=-1)),
    ("cycle_notional_not_negative", cycle(notional_krw=-1)),
    ("intervention_verb_known", intervention(verb=UNKNOWN)),
    ("intervention_has_reason", intervention(reason="")),
    ("intervention_has_actor", intervention(actor="")),
    ("intervention_saw_its_cycle", intervention(seen_version=None)),
    (
        "idempotency_key_once",
        new(IdempotencyRecord, 2, user=person, key="same", fingerprint=""),
    ),
    ("call_operation_known", call(operation=UNKNOWN)),
    ("call_outcome_known", call(outcome=UNKNOWN)),
    ("call_attempt_once", twice(call(), call(client_order_id="other"))),
    (
        "cycles_exchangecall_client_order_id_key",
        twice(call(client_order_id="same"), call(client_order_id="same", attempt=2)),
    ),
    (
        "call_withdrawal_has_registered_destination",
        lambda row: builders.withdrawal_call(row, destination=None),
    ),
    (
        "call_venue_withdrawal_id_once",
        twice(withdrawal(), withdrawal(attempt=2, client_order_id="other")),
    ),
    (
        "call_one_open_per_cycle",
        twice(
            call(outcome=CallOutcome.UNKNOWN),
            call(outcome=CallOutcome.INTENDED, attempt=2, client_order_id="other"),
        ),
    ),
    (
        "transition_version_once",
        new(
            Transition, cycle=itself, version=1, to_status="STARTED", event="e", actor="a", at=THEN
        ),
    ),
    (
        "transition_to_known",
        new(Transition, cycle=itself, version=9, to_status=UNKNOWN, event="e", actor="a", at=THEN),
    ),
    ("fill_once", fill(2)),
    ("fill_is_positive", fill(quantity=0)),
    ("fill_is_positive", fill(price=0)),
    ("fill_is_positive", fill(fee=-1)),
    ("fill_side_known", fill(side="hold")),
    ("account_once", account(2)),
    ("account_once", account(2, owner="CYCLE", cycle=itself)),
    ("account_owner_known", account(owner=UNKNOWN)),
    ("account_not_overdrawn", spent),
    ("account_cycle_named", account(owner="CYCLE")),
    ("account_cycle_named", account(cycle=itself)),
    ("posting_kind_known", new(Posting, key="k", kind=UNKNOWN, at=THEN)),
    ("cycles_posting_key_key", new(Posting, 2, key="k", kind="OPEN", at=THEN)),
    (
        "entry_not_zero",
        lambda row: Entry.objects.create(
            posting=Posting.objects.create(key="k", kind="OPEN", at=Now()),
            account=Account.objects.create(venue="v", asset="A", owner="DESK"),
            quantity=0,
        ),
    ),
    ("policy_sizing_known", policy(sizing=UNKNOWN)),
    ("policy_rule_known", policy(opening_rule="BY_HAND")),
    ("policy_limits_not_negative", policy(notional_usdt=-1)),
    ("policy_limits_not_negative", policy(percentage=101)),
    ("desk_is_one", new(Desk, id=2, kind="SIMULATED")),
    ("desk_kind_known", new(Desk, kind=UNKNOWN)),
    ("desk_mode_known", new(Desk, kind="SIMULATED", mode=UNKNOWN)),
    ("premium_minute_once", new(PremiumMinute, 2, **BUCKET)),
    ("premium_hour_once", new(PremiumHour, 2, **BUCKET)),
    ("roll_up_mark_is_one", new(RollUpMark, id=2)),
    ("ledger_mark_is_one", new(LedgerMark, id=2)),
    ("pause_once", new(Pause, 2, scope="ASSET", key="XRP", reason="r")),
    ("pause_scope_known", new(Pause, scope=UNKNOWN, key="XRP", reason="r")),
    ("step_position_once", step(position=1)),
    ("step_passage_known", step(passage=UNKNOWN)),
    ("step_kind_known", step(kind=UNKNOWN)),
    ("step_state_known", step(state=UNKNOWN)),
    ("step_done_is_settled", step(state="DONE")),
    ("market_rule_once", market(2)),
    ("market_rule_numbers", market(quantity_step=0)),
    ("market_rule_numbers", market(taker_fee_rate=2)),
    ("network_rule_once", network(2)),
    ("network_rule_numbers", network(withdraw_fee=-1)),
    ("network_rule_numbers", network(withdraw_step=0)),
    ("registered_address_one_live", address(2)),
    ("registered_address_state_known", changed_address(state=UNKNOWN)),
    ("registered_address_confirmed_when", changed_address(state="CONFIRMED")),
    ("registered_address_retired_when", changed_address(state="RETIRED")),
    ("registered_address_retired_when", address(retired_at=THEN)),
    ("address_confirmation_once_a_person", confirmation_by_one),
    ("allowed_destination_once", allowed),
    ("asset_identity_once", identity(2)),
    ("asset_identity_one_name", twice(identity(), identity(venue_network="ERC20"))),
    ("asset_identity_state_known", identity(state=UNKNOWN)),
    ("asset_identity_proof_is_whole", identity(asset="")),
    ("asset_identity_proof_is_whole", identity(network="")),
    ("asset_identity_proof_is_whole", identity(decimals=None)),
    ("asset_identity_proof_is_whole", identity(decided_by="")),
    ("asset_identity_contract_as_told", identity(told_contract="0xb")),
    ("deposit_verification_once", verification(2)),
    ("deposit_verification_outcome_known", verification(outcome=UNKNOWN)),
    ("registered_address_is_named", address(address="")),
    ("transfer_route_once", route(2)),
    ("transfer_route_overdue_later", route(overdue_seconds=9)),
    ("rate_window_once", window(2)),
    ("watch_once", watch(2)),
    ("watch_kind_known", watch(kind=UNKNOWN)),
    ("watch_lease_is_whole", watch(owner="somebody")),
    ("watch_lease_is_whole", watch(expires_at=THEN)),
    ("watch_look_was_begun", watch(number=1, done_number=2)),
    ("seen_withdrawal_once", seen(SeenWithdrawal, 2)),
    ("seen_withdrawal_status_known", seen(SeenWithdrawal, status=UNKNOWN)),
    ("seen_deposit_once", seen(SeenDeposit, 2)),
    ("seen_deposit_status_known", seen(SeenDeposit, status=UNKNOWN)),
    ("seen_order_once", seen(SeenOrder, 2)),
    ("seen_order_status_known", seen(SeenOrder, status=UNKNOWN)),
    ("rate_window_numbers", window(span_ms=0)),
    ("rate_window_numbers", window(most=-1)),
    ("venue_clock_once", clock(2)),
    ("kept_answer_once", answer(2)),
    ("cycles_cycle_code_key", twice(cycle(code="CYC-7"), cycle(code="CYC-7"))),
    ("cycles_exchangecall_client_order_id_key", twice(sent_as("k7", 1), sent_as("k7", 2))),
    ("cycles_policyversion_number_key", twice(policy(), policy())),
    ("cycles_posting_key_key", new(Posting, 2, key="k", kind="OPEN", at=THEN)),
    ("cycles_alert_key_key", new(Alert, 2, key="k", severity="INFO", title="t", due_at=THEN)),
    ("cycles_apitoken_prefix_key", new(ApiToken, 2, user=person, name="n", prefix="p")),
    ("exchanges_registeredaddress_code_7a941bd3_uniq", twice(coded("XRP"), coded("SOL"))),
]


@pytest.mark.parametrize(
    ("guard", "attempt"),
    TRIES,
    ids=[f"{guard}-{number}" for number, (guard, _) in enumerate(TRIES)],
)
def test_the_database_refuses(guard: str, attempt: Try) -> None:
    row = builders.cycle()
    with refused(guard):
        attempt(row)


def test_the_table_of_tries_covers_every_constraint_of_the_tables() -> None:
    """Asked of the database: what a migration wrote by hand counts as well."""
    with connection.cursor() as cursor:
        cursor.execute(CONSTRAINTS)
        found = {row[0] for row in cursor.fetchall()}
    assert len(found) > 90
    assert found - BEHIND_ANOTHER == {guard for guard, _ in TRIES} & found
    assert found > BEHIND_ANOTHER


def kept() -> set[tuple[str, str]]:
    """Give the checks and references of all tables as the database has them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT conrelid::regclass::text, replace(pg_get_constraintdef(oid), '"', '')
                 FROM pg_constraint WHERE convalidated"""
        )
        return set(cursor.fetchall())


@pytest.mark.parametrize("app", APPS)
def test_what_fields_promise_the_database_keeps(app: str) -> None:
    """No count is below zero, no reference leads nowhere: asked of the models, so that one that is dropped is missed."""
    wanted = set()
    for model in apps.get_app_config(app).get_models():
        for field in model._meta.local_concrete_fields:
            table, column, other = model._meta.db_table, field.column, field.related_model
            if field.get_internal_type().startswith("Positive"):
                wanted.add((table, f"CHECK (({column} >= 0))"))
            if isinstance(field, ForeignKey):
                assert isinstance(other, type)
                target = f"{other._meta.db_table}({field.target_field.column})"
                wanted.add(
                    (
                        table,
                        f"FOREIGN KEY ({column}) REFERENCES {target} DEFERRABLE INITIALLY DEFERRED",
                    )
                )
    assert len(wanted) > 5
    assert wanted - kept() == set()


def test_what_the_tries_vary_is_sound_by_itself() -> None:
    row = builders.cycle()
    sound = [
        cycle(),
        step(),
        fill(),
        intervention(),
        account(),
        account(owner="CYCLE", cycle=itself),
    ]
    reference = [market(), network(), address(), route(), identity(told_contract="0xa")]
    shown = [seen(model) for model in SEEN]
    for attempt in [
        *sound,
        policy(),
        *reference,
        window(),
        clock(),
        answer(),
        verification(),
        watch(),
        *shown,
    ]:
        attempt(row)
    assert ExchangeCall.objects.filter(cycle=row).count() == 1
